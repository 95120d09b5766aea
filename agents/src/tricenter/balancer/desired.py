"""From configuration, Services and Nodes to the virtual servers of this director: pure decisions."""

from __future__ import annotations

from collections.abc import Iterable

from tricenter.apimachinery import reachable
from tricenter.balancer import services
from tricenter.balancer.allocation import Pool
from tricenter.balancer.config import Config
from tricenter.balancer.model import VirtualServer, arranged, ordered
from tricenter.balancer.services import Object

ZONE_LABEL = "topology.kubernetes.io/zone"
RACK_LABEL = "topology.tricenter.io/rack"
EXCLUDED_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
"""Upstream's label for a node that load balancers are to leave out."""


def pool_of(config: Config) -> Pool:
    """What may be given to Services: the pools but for the address of Ingress."""
    reserved = frozenset({config.ingress.address}) if config.ingress else frozenset()
    return Pool(config.vip_cidrs, reserved)


def ingress_servers(config: Config) -> tuple[VirtualServer, ...]:
    """The address of Ingress: known from the configuration alone."""
    ingress = config.ingress
    if ingress is None:
        return ()
    return tuple(
        VirtualServer(
            address=ingress.address,
            port=port,
            protocol="TCP",
            machines=ordered(ingress.machines),
            health_port=ingress.health_port,
            health_path=ingress.health_path,
            purpose="ingress",
        )
        for port in ingress.ports
    )


def rack_machines(config: Config, nodes: Iterable[Object]) -> tuple[str, ...]:
    """Addresses of the nodes of this rack that take traffic from outside."""
    return ordered(
        address for node in nodes if _in_rack(node, config) and _usable(node) for address in _internal_addresses(node)
    )


def service_servers(config: Config, everything: Iterable[Object], nodes: Iterable[Object]) -> tuple[VirtualServer, ...]:
    """The addresses of Services. A node without an endpoint of a Local Service fails that Service's health check."""
    pool, machines = pool_of(config), rack_machines(config, nodes)
    owners: dict[str, str] = {}
    servers: list[VirtualServer] = []
    for service in services.age_order(everything):
        if not services.is_ours(service, config.load_balancer_class):
            continue
        key = services.key_of(service)
        for address in services.addresses(service):
            if address in pool and owners.setdefault(address, key) == key:
                servers += _of_service(config, service, address, machines)
    return arranged(servers)


def _of_service(config: Config, service: Object, address: str, machines: tuple[str, ...]) -> Iterable[VirtualServer]:
    for port, protocol in services.ports(service):
        yield VirtualServer(
            address=address,
            port=port,
            protocol=protocol,
            machines=machines,
            health_port=services.local_health_port(service) or config.node_health_port,
            health_path="/healthz",
            purpose=services.key_of(service),
        )


def _in_rack(node: Object, config: Config) -> bool:
    labels = node["metadata"].get("labels") or {}
    return (labels.get(ZONE_LABEL), labels.get(RACK_LABEL)) == (config.center_name, config.rack_name)


def _usable(node: Object) -> bool:
    if node["metadata"].get("deletionTimestamp") or EXCLUDED_LABEL in (node["metadata"].get("labels") or {}):
        return False
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def _internal_addresses(node: Object) -> list[str]:
    """Its first IPv4 address: anything may stand there, and keepalived would refuse the file for all Services."""
    addresses = (node.get("status") or {}).get("addresses") or ()
    found = [one.get("address", "") for one in addresses if one.get("type") == "InternalIP"]
    return [address for address in found if reachable.is_ipv4(address)][:1]
