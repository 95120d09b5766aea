"""The endpoints of a Service: which pods, on which ports, in which slices (KEP-752, endpointslice reconciler).

Pure functions. Slices hold at most 100 endpoints; a change touches as few slices as it can, because every slice that
changes travels to every node.
"""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from tricenter.controllers import podstate

Object = dict[str, Any]
Port = tuple[str, str, int, str | None]
"""Name, protocol, number, application protocol."""

MANAGED_BY = "endpointslice-controller.k8s.io"
SERVICE_LABEL = "kubernetes.io/service-name"
MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by"
HEADLESS_LABEL = "service.kubernetes.io/headless"
MOST_ENDPOINTS = 100

_ZONE = "topology.kubernetes.io/zone"
_CLOSE = {"PreferClose", "PreferSameZone"}


@dataclasses.dataclass
class Changes:
    """Slices to write."""

    create: list[Object] = dataclasses.field(default_factory=list)
    update: list[Object] = dataclasses.field(default_factory=list)
    delete: list[Object] = dataclasses.field(default_factory=list)


def wanted(
    service: Object, pods: Iterable[Object], nodes: Mapping[str, Object]
) -> dict[tuple[Port, ...], list[Object]]:
    """Endpoints by the ports they share; pods may differ in the number behind a named port."""
    groups: dict[tuple[Port, ...], list[Object]] = {}
    for pod in pods:
        if podstate.finished(pod) or not address_of(pod, family(service)):
            continue
        ports = ports_of(service, pod)
        if ports is not None:
            groups.setdefault(ports, []).append(endpoint(service, pod, nodes))
    return groups


def ports_of(service: Object, pod: Object) -> tuple[Port, ...] | None:
    """The Service's ports as this pod serves them; None if it serves none of them."""
    found: list[Port] = []
    declared = service["spec"].get("ports") or ()
    for port in declared:
        number = target_port(port, pod)
        if number is not None:
            found.append((port.get("name") or "", port.get("protocol") or "TCP", number, port.get("appProtocol")))
    if declared and not found:
        return None
    return tuple(sorted(found, key=lambda item: (item[0], item[1], item[2])))


def target_port(port: Object, pod: Object) -> int | None:
    """The number of a Service port in `pod`; a name is looked up among the containers' ports."""
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    spec = pod["spec"]
    sidecars = [item for item in spec.get("initContainers") or () if item.get("restartPolicy") == "Always"]
    for container in [*(spec.get("containers") or ()), *sidecars]:
        for candidate in container.get("ports") or ():
            same = (candidate.get("protocol") or "TCP") == (port.get("protocol") or "TCP")
            if candidate.get("name") == target and same:
                return int(candidate["containerPort"])
    return None


def endpoint(service: Object, pod: Object, nodes: Mapping[str, Object]) -> Object:
    """One endpoint. `ready` is false for a pod that terminates, `serving` tells whether it still answers."""
    metadata, spec = pod["metadata"], pod["spec"]
    serving = podstate.ready(pod)
    everybody = bool(service["spec"].get("publishNotReadyAddresses"))
    going = podstate.terminating(pod)
    made: Object = {
        "addresses": [address_of(pod, family(service))],
        "conditions": {"ready": everybody or (serving and not going), "serving": serving, "terminating": going},
        "targetRef": {
            "kind": "Pod",
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        },
    }
    node = spec.get("nodeName")
    if node:
        made["nodeName"] = node
        zone = ((nodes.get(node) or {}).get("metadata", {}).get("labels") or {}).get(_ZONE)
        if zone:
            made["zone"] = zone
            if service["spec"].get("trafficDistribution") in _CLOSE and made["conditions"]["ready"]:
                made["hints"] = {"forZones": [{"name": zone}]}
    if spec.get("hostname") and spec.get("subdomain") == service["metadata"]["name"]:
        made["hostname"] = spec["hostname"]
    return made


def address_of(pod: Object, wanted: str) -> str:
    """The address of a family at which others reach a pod; empty if it has none.

    With any other one the API would refuse the slice, and with it all that its Service has.
    """
    status = pod.get("status") or {}
    known = (status.get("podIP"), *(item.get("ip") for item in status.get("podIPs") or ()))
    return next((str(found) for found in known if found and _reachable(found, wanted)), "")


@functools.lru_cache(maxsize=65536)
def _reachable(address: str, wanted: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    nobodys = found.is_unspecified or found.is_loopback or found.is_link_local or found.is_multicast
    return f"IPv{found.version}" == wanted and not nobodys


def family(service: Object) -> str:
    """IPv4 or IPv6, by the Service's first family or cluster address."""
    families = service["spec"].get("ipFamilies") or ()
    if families:
        return str(families[0])
    address = service["spec"].get("clusterIP") or ""
    if address in {"", "None"}:
        return "IPv4"
    return f"IPv{ipaddress.ip_address(address).version}"


def plan(service: Object, groups: Mapping[tuple[Port, ...], list[Object]], existing: list[Object]) -> Changes:
    """What to write so that `existing` slices become those of `groups`."""
    changes = Changes()
    by_ports: dict[tuple[Port, ...], list[Object]] = {}
    for item in existing:
        usable = item.get("addressType") == family(service)
        by_ports.setdefault(_ports_of_slice(item), []).append(item) if usable else changes.delete.append(item)
    for ports in by_ports.keys() - groups.keys():
        changes.delete += by_ports[ports]
    for ports, endpoints in groups.items():
        _plan_group(service, ports, endpoints, by_ports.get(ports, []), changes)
    _keep_placeholder(service, existing, changes)
    return changes


def _plan_group(
    service: Object, ports: tuple[Port, ...], endpoints: list[Object], slices: list[Object], changes: Changes
) -> None:
    """Keep endpoints in their slices; new ones fill the slices that change anyway, then the rest, then new slices."""
    missing = {_identity(item): item for item in endpoints}
    kept: list[tuple[Object, list[Object]]] = []
    for item in slices:
        stay = [missing.pop(key) for old in item.get("endpoints") or () if (key := _identity(old)) in missing]
        kept.append((item, stay))
    fresh = list(missing.values())
    for changed_first in (True, False):
        for item, stay in kept:
            if (stay != (item.get("endpoints") or [])) is changed_first:
                room = MOST_ENDPOINTS - len(stay)
                stay.extend(fresh[:room])
                fresh = fresh[room:]
    for item, stay in kept:
        made = make_slice(service, ports, stay)
        if not stay:
            changes.delete.append(item)
        elif not _same(item, made):
            changes.update.append(_merged(item, made))
    for start in range(0, len(fresh), MOST_ENDPOINTS):
        changes.create.append(make_slice(service, ports, fresh[start : start + MOST_ENDPOINTS]))


def _keep_placeholder(service: Object, existing: list[Object], changes: Changes) -> None:
    """A Service without endpoints has one empty slice, so that readers know it was looked at."""
    if changes.create or changes.update or len(changes.delete) < len(existing):
        return
    made = make_slice(service, (), [])
    if changes.delete:
        item = changes.delete.pop()
        if not _same(item, made):
            changes.update.append(_merged(item, made))
    else:
        changes.create.append(made)


def make_slice(service: Object, ports: tuple[Port, ...], endpoints: list[Object]) -> Object:
    """A slice of `service`."""
    metadata = service["metadata"]
    labels = {
        **{key: value for key, value in (metadata.get("labels") or {}).items() if key != HEADLESS_LABEL},
        SERVICE_LABEL: metadata["name"],
        MANAGED_BY_LABEL: MANAGED_BY,
    }
    if service["spec"].get("clusterIP") == "None":
        labels[HEADLESS_LABEL] = ""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": f"{metadata['name']}-",
            "namespace": metadata["namespace"],
            "labels": labels,
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "addressType": family(service),
        "ports": [_port_object(port) for port in ports],
        "endpoints": endpoints,
    }


def _port_object(port: Port) -> Object:
    name, protocol, number, application = port
    made: Object = {"name": name, "protocol": protocol, "port": number}
    return made | ({"appProtocol": application} if application else {})


def _ports_of_slice(item: Object) -> tuple[Port, ...]:
    ports = [
        (port.get("name") or "", port.get("protocol") or "TCP", port.get("port") or 0, port.get("appProtocol"))
        for port in item.get("ports") or ()
    ]
    return tuple(sorted(ports, key=lambda port: (port[0], port[1], port[2])))


def _identity(item: Object) -> tuple[str, str]:
    return (item.get("targetRef") or {}).get("uid") or "", ",".join(item["addresses"])


def _same(item: Object, made: Object) -> bool:
    labels = item["metadata"].get("labels") or {}
    return (
        (item.get("endpoints") or []) == made["endpoints"]
        and _ports_of_slice(item) == _ports_of_slice(made)
        and labels == made["metadata"]["labels"]
    )


def _merged(item: Object, made: Object) -> Object:
    metadata = item["metadata"] | {"labels": made["metadata"]["labels"]}
    return item | {"metadata": metadata, "endpoints": made["endpoints"], "ports": made["ports"]}


def legacy_subsets(groups: Mapping[tuple[Port, ...], list[Object]], *, most: int = 1000) -> list[Object]:
    """The same as `subsets` of the older Endpoints object, at most `most` addresses."""
    subsets: list[Object] = []
    left = most
    for ports, endpoints in sorted(groups.items(), key=str):
        addresses: dict[bool, list[Object]] = {True: [], False: []}
        for item in sorted(endpoints, key=lambda item: item["addresses"]):
            if item["conditions"]["terminating"] and not item["conditions"]["ready"]:
                continue
            if left > 0:
                addresses[item["conditions"]["ready"]].append(_legacy_address(item))
                left -= 1
        subset: Object = {}
        if addresses[True]:
            subset["addresses"] = addresses[True]
        if addresses[False]:
            subset["notReadyAddresses"] = addresses[False]
        if not subset:
            continue
        legacy_ports = [_port_object(port) for port in ports]
        for port in legacy_ports:
            if not port["name"]:
                del port["name"]
        subsets.append(subset | ({"ports": legacy_ports} if legacy_ports else {}))
    return subsets


def _legacy_address(item: Object) -> Object:
    made: Object = {"ip": item["addresses"][0], "targetRef": item["targetRef"]}
    made |= {key: item[key] for key in ("nodeName", "hostname") if key in item}
    return made
