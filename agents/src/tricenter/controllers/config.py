"""Configuration of the controllers agent."""

from __future__ import annotations

import dataclasses
import ipaddress
import socket
from pathlib import Path

from tricenter.runtime.config import ApiConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """What /etc/tricenter/controllers.yaml may say."""

    api: ApiConfig
    """The API server and our identity there (system:kube-controller-manager)."""
    center_pod_cidrs: dict[str, str]
    """Center (the zone label of its nodes) to the range from which its nodes get their pod ranges."""
    root_ca: Path
    """Certificate authority published as ConfigMap kube-root-ca.crt in every namespace."""
    identity: str = dataclasses.field(default_factory=socket.gethostname)
    """Our name in the election; unique among the copies."""
    node_cidr_prefix: int = 24
    """Prefix length of a node's pod range; 24 gives each node 254 pods."""
    node_monitor_grace_seconds: float = 40.0
    """Silence of a node after which it counts as lost (upstream's default)."""
    node_monitor_period_seconds: float = 5.0
    """Time between two looks at the heartbeats."""
    pod_gc_period_seconds: float = 20.0
    """Time between two sweeps for pods that nobody takes care of."""
    terminated_pod_limit: int = 12500
    """Finished pods that are kept; the oldest beyond are deleted (upstream's default)."""
    signing_cert: Path | None = None
    """Certificate of the authority that signs approved certificate requests; without it none are signed."""
    signing_key: Path | None = None
    """Key of that authority."""
    signing_days: float = 365.0
    """Longest life of a certificate that is signed (upstream's default)."""
    metrics_address: str = "127.0.0.1"
    """Address that serves /metrics."""
    metrics_port: int = 10257
    """Port that serves /metrics; 0 serves none."""

    def __post_init__(self) -> None:
        for center, cidr in self.center_pod_cidrs.items():
            network = ipaddress.ip_network(cidr)
            if network.prefixlen > self.node_cidr_prefix:
                raise ValueError(
                    f"center_pod_cidrs.{center}: {cidr} is smaller than one node's /{self.node_cidr_prefix}"
                )
