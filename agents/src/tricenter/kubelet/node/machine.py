"""What the machine is: processors, memory, disk, versions."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64"}


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The machine, read once."""

    cpus: int
    memory: int
    """Bytes."""
    disk: int
    """Bytes of the file system that holds pods' files."""
    machine_id: str
    system_uuid: str
    boot_id: str
    kernel: str
    os_image: str
    architecture: str


def read(root: Path) -> Machine:
    """The machine, with the file system of `root`."""
    return Machine(
        cpus=len(os.sched_getaffinity(0)),
        memory=memory_total(Path("/proc/meminfo").read_text()),
        disk=_disk(root).f_blocks * _disk(root).f_frsize,
        machine_id=_text("/etc/machine-id"),
        system_uuid=_text("/sys/class/dmi/id/product_uuid") or _text("/etc/machine-id"),
        boot_id=_text("/proc/sys/kernel/random/boot_id"),
        kernel=platform.release(),
        os_image=platform.freedesktop_os_release().get("PRETTY_NAME", "Linux"),
        architecture=_ARCHITECTURES.get(platform.machine(), platform.machine()),
    )


def memory_total(meminfo: str) -> int:
    """MemTotal of /proc/meminfo in bytes."""
    return _meminfo(meminfo, "MemTotal")


def memory_available(meminfo: str) -> int:
    """MemAvailable of /proc/meminfo in bytes."""
    return _meminfo(meminfo, "MemAvailable")


def disk_free(root: Path) -> tuple[float, float]:
    """Free parts (0 to 1) of the blocks and of the inodes of a file system."""
    stat = _disk(root)
    inodes = stat.f_favail / stat.f_files if stat.f_files else 1.0
    return stat.f_bavail / max(1, stat.f_blocks), inodes


def processes() -> tuple[int, int]:
    """How many processes run, and how many may."""
    running = int(Path("/proc/loadavg").read_text().split()[3].split("/")[1])
    return running, int(Path("/proc/sys/kernel/pid_max").read_text())


def _meminfo(text: str, name: str) -> int:
    line = next(line for line in text.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def _disk(root: Path) -> os.statvfs_result:
    return os.statvfs(next(path for path in (root, *root.parents) if path.exists()))


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
