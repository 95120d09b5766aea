"""Configuration of the dns agent."""

from dataclasses import dataclass
from pathlib import Path

from tricenter.runtime.config import ApiConfig


@dataclass(frozen=True, kw_only=True)
class Config:
    """/etc/tricenter/dns.yaml."""

    api: ApiConfig
    machine_address: str
    """Address that Knot also listens on, asked to learn whether Knot answers; metrics are served on it."""
    dns_address: str
    """Anycast address of all DNS servers of the site: on loopback while Knot here answers."""
    cluster_dns: str
    """Cluster address of the Service kube-system/kube-dns, which leads to `dns_address`."""
    domain: str = "cluster.local"
    """The cluster's domain."""
    reverse_zones: tuple[str, ...] = ()
    """Zones for names of addresses that Knot serves, such as 96.10.in-addr.arpa."""
    ttl: int = 5
    """Seconds a resolver may keep an answer; also of the answer that a name does not exist."""
    control_socket: Path = Path("/run/knot/knot.sock")
    """Knot's control interface."""
    metrics_port: int = 9153
    """Prometheus metrics; the port CoreDNS uses."""
    settle_seconds: float = 0.02
    """How long to gather further changes before a transaction."""
    probe_seconds: float = 2.0
    """How often Knot is asked whether it answers."""
