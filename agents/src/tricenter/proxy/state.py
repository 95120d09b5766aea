"""From the API objects of one Service to its fragment, and what has to be known when it changes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tricenter.proxy import endpoints, rules, services, table
from tricenter.proxy.endpoints import Choice, Place
from tricenter.proxy.fragment import EMPTY, Fragment
from tricenter.proxy.services import ServicePort

ZONE_LABEL = "topology.kubernetes.io/zone"
SERVICE_NAME_LABEL = "kubernetes.io/service-name"


@dataclass(frozen=True, kw_only=True, slots=True)
class UdpPort:
    """Where UDP flows of a Service port may point: needed to forget flows to endpoints that are gone."""

    addresses: frozenset[tuple[str, int]]
    node_port: int
    endpoints: frozenset[tuple[str, int]]


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceState:
    """All that one Service means on this node."""

    fragment: Fragment = EMPTY
    vips: tuple[str, ...] = ()
    udp: tuple[UdpPort, ...] = ()
    health_port: int = 0
    local_endpoints: int = 0


NOTHING = ServiceState()


def service_state(service: dict[str, Any] | None, slices: Iterable[dict[str, Any]], place: Place) -> ServiceState:
    """The state of a Service (None: it does not exist) with these EndpointSlices on the node at `place`."""
    if service is None or not (ports := services.service_ports(service)):
        return NOTHING
    known = list(slices)
    parts: list[Fragment] = []
    udp: list[UdpPort] = []
    local: set[str] = set()
    for port in ports:
        choice = endpoints.choose(endpoints.of_port(known, port), port, place)
        parts.append(rules.fragment(port, choice, place.node))
        local.update(endpoint.address for endpoint in choice.local if endpoint.ready)
        if port.protocol == "udp":
            udp.append(_udp(port, choice))
    return ServiceState(
        fragment=_join(parts),
        vips=services.load_balancer_ips(service),
        udp=tuple(udp),
        health_port=services.health_check_port(service),
        local_endpoints=len(local),
    )


def _udp(port: ServicePort, choice: Choice) -> UdpPort:
    addresses = port.cluster_ips + port.external_ips + port.load_balancer_ips
    return UdpPort(
        addresses=frozenset((address, port.port) for address in addresses),
        node_port=port.node_port,
        endpoints=frozenset((endpoint.address, endpoint.port) for endpoint in choice.cluster + choice.local),
    )


def _join(parts: list[Fragment]) -> Fragment:
    return Fragment(
        chains={name: chain for part in parts for name, chain in part.chains.items()},
        timed_sets={name: timeout for part in parts for name, timeout in part.timed_sets.items()},
        elements={place: value for part in parts for place, value in part.elements.items()},
    )


def place_of(node: dict[str, Any] | None, name: str) -> Place:
    """Our place in the site, from our Node object; without one there is no own center."""
    labels = (node or {}).get("metadata", {}).get("labels") or {}
    return Place(node=name, zone=labels.get(ZONE_LABEL, ""))


def table_node(node: dict[str, Any] | None, *, machine_address: str, service_cidr: str) -> table.Node:
    """What the fixed part of the table has to know of this node."""
    spec = (node or {}).get("spec") or {}
    cidrs = spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])
    return table.Node(
        node_port_addresses=(machine_address,), pod_cidrs=services.networks(cidrs), service_cidr=service_cidr
    )
