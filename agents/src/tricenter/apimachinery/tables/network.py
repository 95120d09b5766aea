"""Rows of Services and of networking and discovery kinds."""

import ipaddress
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tricenter.apimachinery.tables import text
from tricenter.apimachinery.tables.text import NONE, Object, Printer


def _balancer_addresses(obj: Object) -> list[str]:
    ingress = (text.status(obj).get("loadBalancer") or {}).get("ingress") or ()
    return sorted({item.get("ip") or item.get("hostname") or "" for item in ingress} - {""})


def _external(obj: Object) -> str:
    spec = text.spec(obj)
    kind, external = spec.get("type"), spec.get("externalIPs") or []
    if kind in {"ClusterIP", "NodePort"}:
        return ",".join(external) or NONE
    if kind == "LoadBalancer":
        return ",".join([*_balancer_addresses(obj), *external]) or "<pending>"
    return str(spec.get("externalName", "")) if kind == "ExternalName" else text.UNKNOWN


def _service_port(port: Object) -> str:
    node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port')}{node_port}/{port.get('protocol', '')}"


def _service(obj: Object, now: datetime) -> list[Any]:
    spec = text.spec(obj)
    addresses = spec.get("clusterIPs") or [spec.get("clusterIP")]
    return [
        spec.get("type", ""),
        addresses[0] or NONE,
        _external(obj),
        ",".join(map(_service_port, spec.get("ports") or ())) or NONE,
        text.age(obj, now),
        text.labels(spec.get("selector")),
    ]


def _hosts(rules: list[Object]) -> str:
    shown: list[str] = []
    more = False
    for rule in rules:
        more = more or len(shown) == 3
        if not more and rule.get("host"):
            shown.append(rule["host"])
    if not shown:
        return "*"
    return ",".join(shown) + (f" + {len(rules) - 3} more..." if more else "")


def _ingress(obj: Object, now: datetime) -> list[Any]:
    spec = text.spec(obj)
    return [
        spec.get("ingressClassName") or NONE,
        _hosts(spec.get("rules") or []),
        ",".join(_balancer_addresses(obj)),
        "80, 443" if spec.get("tls") else "80",
        text.age(obj, now),
    ]


def _ingress_class(obj: Object, now: datetime) -> list[Any]:
    spec = text.spec(obj)
    parameters = NONE
    if found := spec.get("parameters"):
        group = f".{found['apiGroup']}" if found.get("apiGroup") is not None else ""
        parameters = f"{found.get('kind', '')}{group}/{found.get('name', '')}"
    return [spec.get("controller", ""), parameters, text.age(obj, now)]


def _network_policy(obj: Object, now: datetime) -> list[Any]:
    return [text.selector(text.spec(obj).get("podSelector")), text.age(obj, now)]


def _endpoint_addresses(obj: Object) -> Iterator[str]:
    for subset in obj.get("subsets") or ():
        addresses = [item.get("ip", "") for item in subset.get("addresses") or ()]
        ports = subset.get("ports")
        if not ports:
            yield from addresses
        for port in ports or ():
            yield from (_join(address, port.get("port")) for address in addresses)


def _join(address: str, port: int) -> str:
    try:
        six = ipaddress.ip_address(address).version == 6
    except ValueError:
        six = False
    return f"[{address}]:{port}" if six else f"{address}:{port}"


def _endpoints(obj: Object, now: datetime) -> list[Any]:
    return [text.some(_endpoint_addresses(obj), empty="" if obj.get("subsets") else NONE), text.age(obj, now)]


def _slice_port(port: Object) -> str:
    number, name = port.get("port"), port.get("name")
    return str(number) if number is not None else name if name is not None else "*"


def _endpoint_slice(obj: Object, now: datetime) -> list[Any]:
    addresses = (address for endpoint in obj.get("endpoints") or () for address in endpoint.get("addresses") or ())
    return [
        obj.get("addressType", ""),
        text.some(map(_slice_port, obj.get("ports") or ())),
        text.some(addresses),
        text.age(obj, now),
    ]


def _service_cidr(obj: Object, now: datetime) -> list[Any]:
    return [",".join(text.spec(obj).get("cidrs") or ()), text.age(obj, now)]


def _ip_address(obj: Object, now: datetime) -> list[Any]:  # noqa: ARG001 - a printer's signature
    parent = text.spec(obj).get("parentRef")
    shown = NONE
    if parent:
        group = f".{parent['group']}" if parent.get("group") else ""
        parts = [f"{parent.get('resource', '')}{group}".lower(), parent.get("namespace"), parent.get("name", "")]
        shown = "/".join(part for part in parts if part)
    return [shown]


PRINTERS = {
    ("", "Service"): Printer("Type Cluster-IP External-IP Port(s) Age Selector*", _service),
    ("", "Endpoints"): Printer("Endpoints Age", _endpoints),
    ("discovery.k8s.io", "EndpointSlice"): Printer("AddressType Ports Endpoints Age", _endpoint_slice),
    ("networking.k8s.io", "Ingress"): Printer("Class Hosts Address Ports Age", _ingress),
    ("networking.k8s.io", "IngressClass"): Printer("Controller Parameters Age", _ingress_class),
    ("networking.k8s.io", "NetworkPolicy"): Printer("Pod-Selector Age", _network_policy),
    ("networking.k8s.io", "ServiceCIDR"): Printer("CIDRs Age", _service_cidr),
    ("networking.k8s.io", "IPAddress"): Printer("ParentRef", _ip_address),
}
