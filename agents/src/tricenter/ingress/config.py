"""Configuration of the ingress agent."""

from dataclasses import dataclass
from pathlib import Path

from tricenter.runtime.config import ApiConfig


@dataclass(frozen=True, kw_only=True)
class Config:
    """/etc/tricenter/ingress.yaml."""

    api: ApiConfig
    host: str
    """Name of this machine, shown as the source of events."""
    machine_address: str
    """Address that health and metrics are served on."""
    addresses: tuple[str, ...]
    """Addresses nginx listens on; they are also what an Ingress shows as its address."""
    zone: str
    """Our center: pods here come first, those elsewhere when none here answers."""
    class_name: str = "tricenter"
    """Name of the IngressClass, made by this agent when it does not exist."""
    controller: str = "tricenter.io/ingress"
    """`spec.controller` of the classes served here."""
    default_class: bool = True
    """Whether the class made here serves Ingresses that name no class."""
    main_file: Path = Path("/etc/nginx/nginx.conf")
    """nginx's main configuration, which includes `site_include`."""
    site_include: str = "/etc/nginx/conf.d/*.conf"
    """What the main configuration includes our file by; replaced by the candidate when that is tested."""
    site_file: Path = Path("/etc/nginx/conf.d/tricenter.conf")
    """The file this agent writes."""
    state_dir: Path = Path("/var/lib/tricenter/ingress")
    """Candidates and certificates."""
    pid_file: Path = Path("/run/nginx.pid")
    """Of the nginx master process, which is told to reload."""
    metrics_port: int = 10255
    """Prometheus metrics of the agent."""
    health_port: int = 10254
    """/healthz and /status of nginx itself: what the directors ask before they send anybody here."""
    settle_seconds: float = 0.1
    """How long to gather further changes before a reload."""
    reload_seconds: float = 0.2
    """Least time between two reloads: each leaves workers behind that finish their connections."""
