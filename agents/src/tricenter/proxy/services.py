"""What a Service asks of a node: one `ServicePort` per port, read from the API object.

Field meanings: https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/.
Only IPv4 is carried: the site's address plan has no IPv6.
"""

import ipaddress
from dataclasses import dataclass
from typing import Any

DEFAULT_AFFINITY_SECONDS = 10800
"""Upstream's default of `sessionAffinityConfig.clientIP.timeoutSeconds`: three hours."""

PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"
"""A Service with this label is served by another proxy."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServicePort:
    """One port of one Service with every address it is reached at."""

    namespace: str
    name: str
    port_name: str
    protocol: str
    port: int
    cluster_ips: tuple[str, ...] = ()
    external_ips: tuple[str, ...] = ()
    load_balancer_ips: tuple[str, ...] = ()
    source_ranges: tuple[str, ...] = ()
    node_port: int = 0
    affinity_seconds: int = 0
    external_local: bool = False
    internal_local: bool = False
    prefer_own_zone: bool = False

    @property
    def id(self) -> str:
        """Name used in chains: unique in the cluster because a Service has a protocol and port only once."""
        return f"{self.namespace}/{self.name}/{self.protocol}/{self.port}"

    @property
    def reached_from_outside(self) -> bool:
        """Whether any address but the cluster address leads here."""
        return bool(self.node_port or self.external_ips or self.load_balancer_ips)


def ipv4(addresses: list[Any]) -> tuple[str, ...]:
    """The IPv4 addresses of a list, sorted and once each; anything else is left out."""
    found = set()
    for address in addresses:
        try:
            found.add(str(ipaddress.IPv4Address(address)))
        except ValueError:
            continue
    return tuple(sorted(found))


def networks(ranges: list[Any]) -> tuple[str, ...]:
    """The IPv4 networks of a list of CIDRs, overlaps merged (a set with intervals refuses overlaps)."""
    found = []
    for text in ranges:
        try:
            found.append(ipaddress.IPv4Network(str(text).strip(), strict=False))
        except ValueError:
            continue
    return tuple(str(network) for network in ipaddress.collapse_addresses(found))


def is_served(service: dict[str, Any]) -> bool:
    """Whether this proxy serves the Service: it has a cluster address and no other proxy claims it."""
    spec = service.get("spec", {})
    if spec.get("type") == "ExternalName" or spec.get("clusterIP") in (None, "", "None"):
        return False
    return PROXY_NAME_LABEL not in (service["metadata"].get("labels") or {})


def load_balancer_ips(service: dict[str, Any]) -> tuple[str, ...]:
    """Addresses given by the balancer whose traffic arrives with the VIP as destination (`ipMode: VIP`)."""
    if service.get("spec", {}).get("type") != "LoadBalancer":
        return ()
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    return ipv4([entry.get("ip") for entry in ingress if entry.get("ipMode", "VIP") == "VIP"])


def health_check_port(service: dict[str, Any]) -> int:
    """`healthCheckNodePort` of a Service that may have one, else 0."""
    spec = service.get("spec", {})
    if spec.get("type") != "LoadBalancer" or spec.get("externalTrafficPolicy") != "Local":
        return 0
    return int(spec.get("healthCheckNodePort") or 0)


def service_ports(service: dict[str, Any]) -> tuple[ServicePort, ...]:
    """The ports of a Service that this proxy serves; empty when it serves none of it."""
    if not is_served(service):
        return ()
    spec = service["spec"]
    typ = spec.get("type", "ClusterIP")
    affinity = 0
    if spec.get("sessionAffinity") == "ClientIP":
        config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
        affinity = int(config.get("timeoutSeconds") or DEFAULT_AFFINITY_SECONDS)
    return tuple(
        ServicePort(
            namespace=service["metadata"]["namespace"],
            name=service["metadata"]["name"],
            port_name=port.get("name") or "",
            protocol=str(port.get("protocol") or "TCP").lower(),
            port=int(port["port"]),
            cluster_ips=ipv4(spec.get("clusterIPs") or [spec["clusterIP"]]),
            external_ips=ipv4(spec.get("externalIPs") or []),
            load_balancer_ips=load_balancer_ips(service),
            source_ranges=networks(spec.get("loadBalancerSourceRanges") or []),
            node_port=int(port.get("nodePort") or 0) if typ in ("NodePort", "LoadBalancer") else 0,
            affinity_seconds=affinity,
            external_local=spec.get("externalTrafficPolicy") == "Local",
            internal_local=spec.get("internalTrafficPolicy") == "Local",
            prefer_own_zone=spec.get("trafficDistribution") in ("PreferClose", "PreferSameZone"),
        )
        for port in spec.get("ports") or []
    )
