"""One control group a machine: `tricenter/<machine>` in each hierarchy, on cgroup v1 and v2 (cgroups(7)).

Where systemd owns the only hierarchy it makes them, as scopes (systemd.scope(5)) of a slice: a machine that stayed in
the group of the session or unit that ran `up` could end with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from . import REPLICA

PARENT = "tricenter" if REPLICA == "tri" else f"tricenter-{REPLICA}"
SYSTEMD = Path("/run/systemd/system")
"""Exists where systemd is the host's first process."""
SLICE = f"{PARENT.replace('-', '_')}.slice"
"""Holds the machines' scopes; a dash would put the slice of a second replica below ours."""
WEIGHTS = {"cpu.shares": (1024, 262_144), "cpu.weight": (100, 10_000)}
"""How cgroup v1 and v2 say what share of the processors a group gets: the default, and the most."""
GONE_WITHIN = 10.0
"""Seconds that killed processes have to leave their group."""


def hierarchies() -> list[tuple[Path, bool]]:
    """Return the mount points of the host's hierarchies and whether each is cgroup v1."""
    found = []
    for line in Path("/proc/mounts").read_text().splitlines():
        _, target, kind, *_ = line.split()
        if kind in ("cgroup", "cgroup2") and target.startswith("/sys/fs/cgroup"):
            found.append((Path(target), kind == "cgroup"))
    return found


def is_v1() -> bool:
    """Whether the host's controllers are in cgroup v1 hierarchies."""
    return any(v1 for _, v1 in hierarchies())


def managed_by_systemd() -> bool:
    """Whether the host's systemd owns the only hierarchy."""
    return SYSTEMD.is_dir() and not is_v1()


def scope(name: str) -> list[str]:
    """Return what a machine's command has to follow for systemd to make its group; nothing where `prepare` does."""
    if not managed_by_systemd():
        return []
    options = ("--quiet", "--collect", "--property=Delegate=yes", "--property=KillSignal=SIGKILL")
    return ["systemd-run", "--scope", f"--unit={_unit(name)}", f"--slice={SLICE}", *options]


def prepare(name: str) -> Callable[[], None]:
    """Create the group of machine `name`; return what a child calls to enter it."""
    if managed_by_systemd():
        return lambda: None
    entries = []
    for mount, v1 in hierarchies():
        for folder in (mount / PARENT, mount / PARENT / name):
            if not v1:
                _delegate(folder.parent)
            folder.mkdir(exist_ok=True)
            if (folder / "cpuset.cpus").exists() and v1:
                _inherit(folder)
        weigh(mount / PARENT)
        entries.append(str(mount / PARENT / name / "cgroup.procs"))

    def enter() -> None:
        for entry in entries:
            descriptor = os.open(entry, os.O_WRONLY)
            os.write(descriptor, b"0")
            os.close(descriptor)

    return enter


def weigh(folder: Path) -> None:
    """Let a group count as much as its groups together (sched(7), cgroups(7)).

    By default a group counts as one process of the group it is in, where Ansible and the tests run: all machines
    together had a twentieth of the host when twenty such processes were busy, and emulated ones never answered.
    """
    machines = sum(entry.is_dir() for entry in folder.iterdir())
    for key, (one, most) in WEIGHTS.items():
        if machines and (folder / key).exists():
            (folder / key).write_text(str(min(one * machines, most)))


def remove(name: str) -> None:
    """Kill what is left in the group of machine `name` and remove it."""
    if managed_by_systemd():
        _stop(_unit(name))
        return
    until = time.monotonic() + GONE_WITHIN
    for mount, _ in hierarchies():
        folder = mount / PARENT / name
        while folder.is_dir():
            _kill(folder)
            if _remove_tree(folder) or time.monotonic() > until:
                break
            time.sleep(0.05)


def remove_parent() -> None:
    """Remove the group that holds the machines' groups, once it is empty."""
    if managed_by_systemd():
        _stop(SLICE)
        return
    for mount, _ in hierarchies():
        folder = mount / PARENT
        if folder.is_dir() and not any(entry.is_dir() for entry in folder.iterdir()):
            folder.rmdir()


def left() -> list[Path]:
    """Groups of ours that exist."""
    name = SLICE if managed_by_systemd() else PARENT
    return [mount / name for mount, _ in hierarchies() if (mount / name).is_dir()]


def _unit(name: str) -> str:
    return f"{PARENT}-{name}.scope"


def _stop(unit: str) -> None:
    """Have systemd end a unit and wait until its name is free; one that is not there any more is no error."""
    subprocess.run(["systemctl", "--quiet", "stop", unit], capture_output=True, check=False)


def _kill(folder: Path) -> None:
    for procs in folder.rglob("cgroup.procs"):
        try:
            pids = procs.read_text().split()
        except OSError:
            continue
        for pid in pids:
            if pid != "0":
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    continue


def _remove_tree(folder: Path) -> bool:
    """Remove a group and those below it; return whether all are gone."""
    try:
        for path, _, _ in os.walk(folder, topdown=False):
            Path(path).rmdir()
    except OSError:
        return False
    return True


def _inherit(folder: Path) -> None:
    """A group of the cpuset controller takes nobody before it has processors and memory."""
    for key in ("cpuset.cpus", "cpuset.mems"):
        if not (folder / key).read_text().strip():
            (folder / key).write_text((folder.parent / key).read_text())


def _delegate(folder: Path) -> None:
    """Give the groups below `folder` every controller that it has (cgroup v2)."""
    controllers = folder / "cgroup.controllers"
    for controller in controllers.read_text().split() if controllers.exists() else ():
        try:
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")
        except OSError:
            continue
