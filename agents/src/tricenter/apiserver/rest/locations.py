"""Where a proxied request goes: from a pod, a Service or a node to scheme, host and port.

Pure functions of objects, by the rules of ResourceLocation in upstream's registry (core/pod, core/service, core/node):
a name may be `name`, `name:port` or `scheme:name:port`; a Service leads to a ready endpoint that a pod really has; and
whoever may write an object's status must not reach the server's own loopback or link-local networks through it.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tricenter.apiserver import errors

Object = dict[str, Any]

_SCHEMES = ("", "http", "https")
_NOT_ALLOWED = "address not allowed"


@dataclass(frozen=True)
class Name:
    """`[scheme:]name[:port]` taken apart."""

    scheme: str
    name: str
    port: str


@dataclass(frozen=True)
class Location:
    """A server to hand a request to."""

    host: str
    port: int
    secure: bool = False

    @property
    def authority(self) -> str:
        """`host:port` of a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """`scheme://host:port`."""
        return f"http{'s' if self.secure else ''}://{self.authority}"


def split(text: str, what: str) -> Name:
    """Take a name apart. Raises BadRequest, which names `what` was asked for."""
    parts = text.split(":")
    scheme, name, port = {1: ("", *parts, ""), 2: ("", *parts), 3: tuple(parts)}.get(len(parts), ("", "", ""))
    if not name or scheme not in _SCHEMES:
        raise errors.BadRequest(f'invalid {what} request "{text}"')
    return Name(scheme, name, port)


def of_pod(pod: Object, wanted: Name) -> Location:
    """The pod's address and the port, by default the first that a container names. Raises BadRequest."""
    addresses = (pod.get("status") or {}).get("podIPs") or ()
    address = require_allowed(addresses[0].get("ip", "") if addresses else "")
    return Location(address, _number(wanted.port or _first_port(pod), wanted), wanted.scheme == "https")


def _first_port(pod: Object) -> str:
    for container in pod["spec"].get("containers") or ():
        for port in (container.get("ports") or ())[:1]:
            return str(port["containerPort"])
    return ""


def of_node(address: str, wanted: Name) -> Location:
    """A port of a node that is not its kubelet's. Raises BadRequest."""
    return Location(require_allowed(address), _number(wanted.port, wanted), wanted.scheme == "https")


def of_service(
    service: Object, slices: Iterable[Object], pod: Callable[[str, str], Object | None], wanted: Name
) -> Location:
    """Any ready endpoint behind the port. `pod` looks one up by namespace and name. Raises Unavailable."""
    port = _port_name(service, wanted)
    found = [
        Location(address, number, wanted.scheme == "https")
        for item in slices
        for number in _numbers(item, port)
        for address in _addresses(item, pod)
    ]
    if not found:
        raise errors.Unavailable(f'no endpoints available for service "{wanted.name}"')
    return random.choice(found)  # noqa: S311  # spreads load


def _port_name(service: Object, wanted: Name) -> str:
    """A port given by number is looked for in the Service; endpoints know it by name."""
    if not wanted.port.isdigit():
        return wanted.port
    for port in service["spec"].get("ports") or ():
        if port["port"] == int(wanted.port):
            return str(port.get("name") or "")
    raise errors.Unavailable(f'no service port {int(wanted.port)} found for service "{wanted.name}"')


def _numbers(slice_: Object, name: str) -> list[int]:
    ports = slice_.get("ports") or ()
    return [port["port"] for port in ports if (port.get("name") or "") == name and port.get("port")]


def _addresses(slice_: Object, pod: Callable[[str, str], Object | None]) -> list[str]:
    """Addresses of ready endpoints that the pod they refer to has; whoever writes slices reaches nothing else."""
    found = []
    for endpoint in slice_.get("endpoints") or ():
        target = endpoint.get("targetRef") or {}
        if (endpoint.get("conditions") or {}).get("ready") is False or target.get("kind") != "Pod":
            continue
        owner = pod(target.get("namespace") or slice_["metadata"]["namespace"], target.get("name", ""))
        own = {item.get("ip") for item in ((owner or {}).get("status") or {}).get("podIPs") or ()}
        found += [item for item in endpoint.get("addresses") or () if item in own and is_allowed(item)]
    return found


def _number(port: str, wanted: Name) -> int:
    if not port:
        return 443 if wanted.scheme == "https" else 80
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise errors.BadRequest(f'invalid port "{port}"')
    return int(port)


def is_allowed(address: str) -> bool:
    """Whether an address is global unicast in the sense of Go's net.IP: neither loopback nor link-local, ..."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return not (
        ip.is_unspecified or ip.is_loopback or ip.is_link_local or ip.is_multicast or str(ip) == "255.255.255.255"
    )


def require_allowed(address: str) -> str:
    """The address. Raises BadRequest for one that nothing may be proxied to."""
    if not is_allowed(address):
        raise errors.BadRequest(_NOT_ALLOWED)
    return address
