"""Processes that outlive the run that started them, and are recognised by pid and start time (proc(5))."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from . import state

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
STARTTIME = 19
"""Index of `starttime` among the fields of /proc/PID/stat behind the command's closing bracket."""


@dataclass(frozen=True)
class Process:
    """A process that cannot be mistaken for a later one with the same number."""

    pid: int
    started: int
    """Clock ticks since boot."""
    boot: str

    @property
    def alive(self) -> bool:
        """Whether it runs (a zombie does not)."""
        fields = _stat(self.pid)
        return bool(
            fields
            and self.boot == BOOT_ID.read_text().strip()
            and int(fields[STARTTIME]) == self.started
            and fields[0] != "Z"
        )


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def load(path: Path) -> Process | None:
    """Return the process recorded in `path` if it still runs."""
    record = state.read_json(path)
    process = Process(**record) if record else None
    return process if process and process.alive else None


def spawn(
    command: Sequence[str], *, record: Path, log: Path, environment: Mapping[str, str], before: Callable[[], None]
) -> Process:
    """Start `command` detached from the terminal, its output in `log`; `before` runs in the child."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", **environment},
            start_new_session=True,
            preexec_fn=before,  # noqa: PLW1509 -- this process has no threads
        )
    process = Process(child.pid, int(_stat(child.pid)[STARTTIME]), BOOT_ID.read_text().strip())
    state.write_json(record, asdict(process))
    child.returncode = 0  # it outlives us on purpose: no warning about a child that still runs
    return process


def dies_with_parent() -> None:
    """Have the calling process end when its parent does (PR_SET_PDEATHSIG in prctl(2))."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def children() -> dict[int, list[int]]:
    """Return the children of every process."""
    found: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            found.setdefault(int(fields[1]), []).append(int(entry.name))
    return found


def kill(processes: Sequence[Process]) -> None:
    """Kill the processes and wait until they are gone."""
    for process in processes:
        if process.alive:
            _signal(process, signal.SIGKILL)
    while any(process.alive for process in processes):
        time.sleep(0.02)


def _signal(process: Process, number: int) -> None:
    """Send a signal to a process that may just have ended."""
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        return
