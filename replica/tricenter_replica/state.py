"""The state folder: where everything that the replica makes on disk lies."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 600.0
"""Seconds to wait for another run. Ansible runs a task in a process of its own, which outlives a kill of the others and
finishes its work, a golden image at most."""


class BusyError(Exception):
    """Another run works on the replica."""


@dataclass(frozen=True)
class MachineFolder:
    """Files of one machine."""

    path: Path

    @property
    def upper(self) -> Path:
        """What the machine's root has on top of the golden image."""
        return self.path / "upper"

    @property
    def work(self) -> Path:
        """Working folder that overlayfs asks for."""
        return self.path / "work"

    @property
    def root(self) -> Path:
        """Mount point of a container's root."""
        return self.path / "root"

    def volume(self, name: str) -> Path:
        """Return a folder of the machine that is not on its overlay."""
        return self.path / "volumes" / name

    @property
    def disk(self) -> Path:
        """Writable disk of a virtual machine."""
        return self.path / "disk.ext4"

    @property
    def spec(self) -> Path:
        """What the machine was made of; written last, so its absence marks an unfinished one."""
        return self.path / "spec.json"

    @property
    def process(self) -> Path:
        """The process that is the machine."""
        return self.path / "process.json"

    @property
    def console(self) -> Path:
        """What the machine printed while it booted."""
        return self.path / "console.log"


@dataclass(frozen=True)
class State:
    """The state folder."""

    path: Path

    @property
    def images(self) -> Path:
        """Golden images, one folder for each content."""
        return self.path / "images"

    @property
    def image(self) -> Path:
        """Link to the image in use."""
        return self.path / "image"

    @property
    def machines(self) -> Path:
        """One folder a machine."""
        return self.path / "machines"

    @property
    def ssh_key(self) -> Path:
        """Private key that opens every machine."""
        return self.path / "ssh_key"

    @property
    def host_keys(self) -> Path:
        """Host keys of the machines; they outlive a rebuild."""
        return self.path / "host_keys"

    @property
    def known_hosts(self) -> Path:
        """Host keys in OpenSSH's format."""
        return self.path / "known_hosts"

    @property
    def ssh_config(self) -> Path:
        """Configuration for ssh and Ansible."""
        return self.path / "ssh_config"

    def machine(self, name: str) -> MachineFolder:
        """Return the folder of machine `name`."""
        return MachineFolder(self.machines / name)

    def existing(self) -> list[str]:
        """Names of the machines that have a folder."""
        return sorted(entry.name for entry in self.machines.iterdir()) if self.machines.is_dir() else []

    @contextmanager
    def lock(self, report: Callable[[str], None], *, patience: float = PATIENCE) -> Iterator[None]:
        """Hold the replica alone; BusyError names the process that still has it after `patience` seconds."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o755)
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            until = time.monotonic() + patience
            waits = False
            while not _locked(descriptor):
                owner = os.pread(descriptor, 32, 0).decode() or "unknown"
                if time.monotonic() > until:
                    raise BusyError(f"process {owner} works on the replica in {self.path}: wait until it has finished")
                if not waits:
                    report(f"process {owner} works on the replica, an interrupted run perhaps: waiting for it")
                waits = True
                time.sleep(0.2)
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
            yield
        finally:
            os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Try to lock the file; return whether it is ours now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_json(path: Path, value: object) -> None:
    """Write `value` so that a reader sees the old or the new text, never half of it."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def write_text(path: Path, text: str, mode: int = 0o644) -> bool:
    """Write `text` atomically if it differs; return whether it did."""
    if path.is_file() and path.read_text() == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, mode)
        file.write(text)
    temporary.rename(path)
    return True


def read_json(path: Path) -> Any:
    """Return the value in `path`, None if there is none or it is not JSON."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
