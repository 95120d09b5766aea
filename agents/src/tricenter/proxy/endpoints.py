"""Which endpoints of a Service port take traffic on this node.

Rules: readiness and draining (KEP-1669), own zone first (KEP-2433 hints, KEP-4444 `trafficDistribution`),
local-only policies (KEP-2086).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tricenter.apimachinery import reachable
from tricenter.proxy.services import ServicePort, ipv4


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Endpoint:
    """One address and port behind a Service port."""

    address: str
    port: int
    node: str = ""
    zone: str = ""
    hints: tuple[str, ...] = ()
    ready: bool = True
    draining: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where this proxy runs: the node's name and its center."""

    node: str
    zone: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The endpoints to use: of the whole cluster (policy Cluster) and of this node (policy Local)."""

    cluster: tuple[Endpoint, ...] = ()
    local: tuple[Endpoint, ...] = ()


def of_port(slices: Iterable[dict[str, Any]], port: ServicePort) -> tuple[Endpoint, ...]:
    """The endpoints that a Service's EndpointSlices give for one port, sorted, each address and port once."""
    found: dict[tuple[str, int], Endpoint] = {}
    for item in slices:
        if item.get("addressType", "IPv4") != "IPv4":
            continue
        for entry in item.get("ports") or []:
            if (entry.get("name") or "") != port.port_name or not reachable.is_port(entry.get("port")):
                continue
            if str(entry.get("protocol") or "TCP").lower() != port.protocol:
                continue
            for endpoint in item.get("endpoints") or []:
                for known in _read(endpoint, int(entry["port"])):
                    _keep_better(found, known)
    return tuple(sorted(found.values()))


def _read(endpoint: dict[str, Any], port: int) -> Iterable[Endpoint]:
    conditions = endpoint.get("conditions") or {}
    ready = conditions.get("ready") is not False
    serving = conditions.get("serving", ready) is not False
    hints = ((endpoint.get("hints") or {}).get("forZones")) or []
    for address in ipv4(endpoint.get("addresses") or []):
        yield Endpoint(
            address=address,
            port=port,
            node=endpoint.get("nodeName") or "",
            zone=endpoint.get("zone") or "",
            hints=tuple(sorted(hint.get("name") or "" for hint in hints)),
            ready=ready,
            draining=bool(conditions.get("terminating")) and serving,
        )


def _keep_better(found: dict[tuple[str, int], Endpoint], new: Endpoint) -> None:
    """An address may be in two slices while the controller moves it: the ready entry wins."""
    key = (new.address, new.port)
    old = found.get(key)
    if old is None or (new.ready, new.draining) > (old.ready, old.draining):
        found[key] = new


def choose(endpoints: tuple[Endpoint, ...], port: ServicePort, place: Place) -> Choice:
    """The endpoints that take traffic for `port` on the node at `place`."""
    local = tuple(endpoint for endpoint in endpoints if endpoint.node == place.node)
    return Choice(cluster=_nearest(_usable(endpoints), port, place), local=_usable(local))


def _usable(endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
    """Ready endpoints; when there are none, those that still serve while they terminate."""
    ready = tuple(endpoint for endpoint in endpoints if endpoint.ready)
    return ready or tuple(endpoint for endpoint in endpoints if endpoint.draining)


def _nearest(endpoints: tuple[Endpoint, ...], port: ServicePort, place: Place) -> tuple[Endpoint, ...]:
    """Keep to the own zone where hints or the Service ask for it and the zone has an endpoint.

    Hints count only when every endpoint carries them: a half-written set would leave endpoints without traffic.
    """
    if not place.zone or not endpoints:
        return endpoints
    if all(endpoint.hints for endpoint in endpoints):
        near = tuple(endpoint for endpoint in endpoints if place.zone in endpoint.hints)
    elif port.prefer_own_zone:
        near = tuple(endpoint for endpoint in endpoints if endpoint.zone == place.zone)
    else:
        near = ()
    return near or endpoints
