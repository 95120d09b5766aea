"""Configuration of the proxy agent."""

from dataclasses import dataclass

from tricenter.runtime.config import ApiConfig


@dataclass(frozen=True, kw_only=True)
class Config:
    """/etc/tricenter/proxy.yaml."""

    api: ApiConfig
    node_name: str
    """Name of this machine's Node object: its endpoints are the local ones, its zone label is our center."""
    machine_address: str
    """Address that NodePorts, health checks and metrics are served on (upstream: `nodePortAddresses: primary`)."""
    service_cidr: str
    """Range of cluster addresses; packets to those that no Service has are dropped here."""
    vip_cidrs: tuple[str, ...] = ()
    """Pools of load balancer addresses. Those in use are put on loopback, for the directors forward by direct
    routing; addresses outside the pools are never touched."""
    metrics_port: int = 10249
    """Prometheus metrics; upstream's port."""
    health_port: int = 10256
    """/healthz: 200 while the rules follow the API; upstream's port."""
    settle_seconds: float = 0.01
    """How long to gather further changes before a transaction: a rolling update comes as a burst."""
    check_seconds: float = 15.0
    """How often to look whether the table is still in the kernel."""
