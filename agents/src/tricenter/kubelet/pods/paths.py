"""Where a pod's files are: upstream's layout below /var/lib/kubelet."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """Folders below the kubelet's root."""

    root: Path

    @property
    def pods(self) -> Path:
        """All pods' folders."""
        return self.root / "pods"

    def pod(self, uid: str) -> Path:
        """One pod's folder."""
        return self.pods / uid

    def volume(self, uid: str, plugin: str, name: str) -> Path:
        """The folder of a volume; `plugin` as upstream escapes it, for example kubernetes.io~empty-dir."""
        return self.pod(uid) / "volumes" / plugin / name

    def sub_path(self, uid: str, volume: str, container: str, index: int) -> Path:
        """Where a part of a volume is mounted for the volumeMount `index` of a container."""
        return self.pod(uid) / "volume-subpaths" / volume / container / str(index)

    def hosts(self, uid: str) -> Path:
        """The file that a pod sees as /etc/hosts."""
        return self.pod(uid) / "etc-hosts"

    def termination_log(self, uid: str, container: str, attempt: int) -> Path:
        """The file that a container sees as its termination message path."""
        return self.pod(uid) / "containers" / container / f"termination-{attempt}"
