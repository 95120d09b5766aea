"""What pods take from the node they run on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tricenter.kubelet.config import Config
from tricenter.kubelet.pods import fields, sandbox

Object = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class PodNode:
    """The node as its pods see it."""

    config: Config
    machine_memory: int
    allocatable: dict[str, str]
    systemd_cgroups: bool
    services: Callable[[], list[Object] | None]
    """All Services; None while they are not known yet."""
    network_ready: Callable[[], bool]
    """Whether sandboxes can have addresses."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """The machine's addresses."""
        return (self.config.node_address,)

    def context(self, addresses: tuple[str, ...] = ()) -> fields.Context:
        """For the downward API of a pod with these addresses."""
        return fields.Context(
            node_name=self.config.node_name,
            host_addresses=self.addresses,
            pod_addresses=addresses,
            allocatable=self.allocatable,
        )

    def sandbox(self) -> sandbox.Node:
        """For the configuration of a sandbox; the resolver is read anew, it may have changed."""
        return sandbox.Node(
            name=self.config.node_name,
            cluster_dns=self.config.cluster_dns,
            cluster_domain=self.config.cluster_domain,
            resolver=_resolver(self.config.resolv_conf),
            logs=self.config.pod_logs_dir,
            systemd_cgroups=self.systemd_cgroups,
        )


def _resolver(path: Path) -> sandbox.Resolver:
    for candidate in (path, Path("/etc/resolv.conf")):
        if candidate.is_file():
            return sandbox.read_resolver(candidate.read_text())
    return sandbox.Resolver()
