"""Configuration of the kubelet; what upstream calls KubeletConfiguration, as far as this agent needs it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tricenter.runtime.config import ApiConfig


@dataclass(frozen=True, kw_only=True)
class CniConfig:
    """How pods are connected; the kubelet writes the network configuration once it knows the node's pod CIDR."""

    plugin: str = "bridge"
    """bridge, ptp, macvlan, ipvlan or vlan."""
    config_dir: Path = Path("/etc/cni/net.d")
    """Where containerd looks for the configuration."""
    mtu: int = 0
    """MTU of pod interfaces; 0 takes that of the machine's own interface."""
    interface: str = "eth0"
    """The machine's interface that macvlan, ipvlan and vlan build on."""
    vlan_id: int = 100
    """VLAN of the plugin vlan."""
    bridge: str = "cni0"
    """Name of the bridge of the plugin bridge."""


@dataclass(frozen=True, kw_only=True)
class ReservedConfig:
    """What pods may not have: capacity minus this is allocatable."""

    cpu: str = "100m"
    """For systemd, containerd and the agents."""
    memory: str = "256Mi"
    """The same; also the least memory that must be free before the node reports MemoryPressure."""
    ephemeral_storage: str = "1Gi"
    """Disk that stays free."""


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """The kubelet's own HTTPS server."""

    address: str = "0.0.0.0"  # noqa: S104 - the API server reaches nodes by any of their addresses
    """Address to listen on."""
    port: int = 10250
    """Upstream's port; API servers take it from the Node object."""
    cert: Path = Path("/etc/tricenter/pki/kubelet-server.crt")
    """PEM file with the server's certificate."""
    key: Path = Path("/etc/tricenter/pki/kubelet-server.key")
    """PEM file with its key."""
    client_ca: Path = Path("/etc/tricenter/pki/ca.crt")
    """PEM file with the authority of clients."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Configuration of the kubelet."""

    api: ApiConfig | None = None
    """The API server; without it only static pods run."""
    node_name: str
    """Name of the Node object."""
    node_address: str
    """The machine's own address, where others reach its host network."""
    node_labels: dict[str, str] = field(default_factory=dict)
    """Labels that the Node carries from its registration on."""
    node_taints: tuple[dict[str, Any], ...] = ()
    """Taints of a Node that registers for the first time."""
    cluster_dns: tuple[str, ...] = ("10.96.0.10",)
    """Name servers of pods with dnsPolicy ClusterFirst."""
    cluster_domain: str = "cluster.local"
    """Domain of the cluster's names."""
    pod_cidr: str = ""
    """Range of this node's pods where no API server gives one; else the Node object's."""
    max_pods: int = 110
    """How many pods the node takes."""
    runtime_endpoint: str = "unix:///run/containerd/containerd.sock"
    """CRI v1 socket."""
    cgroup_driver: str = "auto"
    """systemd, cgroupfs, or auto: systemd on cgroup v2 (as the role containerd decides)."""
    root_dir: Path = Path("/var/lib/kubelet")
    """Volumes and small files of pods, upstream's layout."""
    pod_logs_dir: Path = Path("/var/log/pods")
    """Logs of containers in CRI's format."""
    static_pod_path: Path | None = None
    """Folder of manifests that run without an API server."""
    resolv_conf: Path = Path("/run/systemd/resolve/resolv.conf")
    """Resolver configuration for pods with dnsPolicy Default."""
    reserved: ReservedConfig = ReservedConfig()
    """What is kept from pods."""
    cni: CniConfig = CniConfig()
    """Pod networking."""
    server: ServerConfig = ServerConfig()
    """The kubelet's own server."""
    status_seconds: float = 10.0
    """How often the node's conditions are looked at; unchanged ones are written every five minutes only."""
    resync_seconds: float = 60.0
    """How often a pod is looked at without a cause; configMaps and secrets reach their volumes in that time."""
    relist_seconds: float = 60.0
    """How often all containers are listed in case an event was lost."""
    container_log_max_size: str = "10Mi"
    """A container's log is rotated beyond this size."""
    container_log_max_files: int = 5
    """How many files of a container's log are kept."""
    image_gc_high_percent: int = 85
    """Unused images are removed when the disk is fuller than this."""
    image_gc_low_percent: int = 80
    """They are removed until the disk is less full than this."""
