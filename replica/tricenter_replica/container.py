"""A machine as a systemd-nspawn container: systemd as its first process on an overlay of the golden image."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from . import cgroups, overlay, process, wiring
from .image import Image
from .network import NAMESPACES
from .process import Process
from .state import MachineFolder

VOLUMES = {"containerd": "/var/lib/containerd"}
"""Folders of a machine that lie on the host's own file system: overlayfs refuses one of its kind as an upper layer."""
HOST_TRACES = Path("/run/systemd/nspawn")
"""Where systemd-nspawn keeps sockets and locks of running containers."""


def start(folder: MachineFolder, name: str, image: Image) -> Process:
    """Mount the machine's root and start it."""
    overlay.mount(folder, image)
    v1 = cgroups.is_v1()
    command = [
        *cgroups.scope(name),
        *("systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit"),
        *(f"--directory={folder.root}", f"--machine={wiring.namespace(name)}", f"--hostname={name}"),
        f"--network-namespace-path={NAMESPACES / wiring.namespace(name)}",
        # What containerd, nft, BIRD and the container engine need (design, section 8).
        *("--capability=all", "--system-call-filter=@keyring bpf"),
        *("--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=pipe"),
        *(f"--bind={folder.volume(volume)}:{path}" for volume, path in VOLUMES.items()),
    ]
    for volume in VOLUMES:
        folder.volume(volume).mkdir(parents=True, exist_ok=True)
    # Writable network sysctls, read-only /sys and kernel sysctls: those are the host's.
    environment = {"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"}
    if v1:
        environment["SYSTEMD_NSPAWN_UNIFIED_HIERARCHY"] = "0"
        command += ["--", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1", "systemd.unified_cgroup_hierarchy=0"]
    return process.spawn(
        command, record=folder.process, log=folder.console, environment=environment, before=cgroups.prepare(name)
    )


def remove_host_traces(name: str) -> None:
    """Remove what systemd-nspawn leaves in the host's /run when it is killed."""
    machine = wiring.namespace(name)
    for path in (
        HOST_TRACES / "propagate" / machine,
        HOST_TRACES / "unix-export" / machine,
    ):
        while os.path.ismount(path):
            subprocess.run(["umount", "--lazy", str(path)], check=True)
        if path.is_dir():
            for entry in path.iterdir():
                entry.unlink()
            path.rmdir()
        elif path.exists():
            path.unlink()


def leader(started: Process, children: dict[int, list[int]]) -> int | None:
    """Return the pid of the machine's first process, None while there is none."""
    below = children.get(started.pid)
    return below[0] if below else None
