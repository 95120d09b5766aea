"""Configuration of the balancer agent."""

from dataclasses import dataclass
from pathlib import Path

from tricenter.runtime.config import ApiConfig


@dataclass(frozen=True, kw_only=True)
class IngressConfig:
    """The public address of Ingress. It needs nothing from the API, so it works before there is one."""

    address: str
    """The public address."""
    machines: tuple[str, ...]
    """Addresses of the ingress machines in this director's rack."""
    ports: tuple[int, ...] = (80, 443)
    """TCP ports that are forwarded."""
    health_port: int = 10254
    """Port of an ingress machine's own address that tells whether it serves."""
    health_path: str = "/healthz"
    """Path there that answers 200."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """/etc/tricenter/balancer.yaml."""

    api: ApiConfig
    director_name: str
    """This machine's name: who it is among the candidates for leadership."""
    center_name: str
    """Value of the label topology.kubernetes.io/zone of the nodes that this director forwards to."""
    rack_name: str
    """Value of their label topology.tricenter.io/rack. Direct routing rewrites the MAC address only, so what a director
    forwards to is in its own rack."""
    vip_cidrs: tuple[str, ...]
    """Pools of public addresses. Nothing outside of them is announced or taken from loopback."""
    ingress: IngressConfig | None = None
    """None where the rack has no ingress machine."""
    load_balancer_class: str = "tricenter.io/balancer"
    """Services of this `loadBalancerClass`, and those of none, are ours."""
    node_health_port: int = 10256
    """The proxy's health on a node; upstream's port (KEP-3836)."""
    keepalived_config: Path = Path("/etc/keepalived/keepalived.conf")
    """The file that is written for keepalived."""
    keepalived_unit: str = "keepalived.service"
    """The unit that is reloaded."""
    announce_command: Path = Path("/usr/lib/tricenter/vip")
    """Adds and removes public addresses on loopback; see roles/director."""
    announced: Path = Path("/run/tricenter/vips")
    """Where that command remembers which ports hold an address."""
    loaded: Path = Path("/run/tricenter/keepalived.loaded")
    """Checksum of what keepalived has loaded; gone after a reboot, as keepalived's state is."""
    memory: Path = Path("/var/lib/tricenter/balancer/services.json")
    """What was last known of Services, for a start without the API."""
    settle_seconds: float = 0.2
    """How long to gather further changes before keepalived is reloaded: a new Service comes as several events."""
    retry_seconds: float = 5.0
    """Pause after a failure of keepalived or systemd."""
