"""What the host's kernel can do; tried, not guessed from its version."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from . import network
from .plan import Machine, Site
from .wiring import delayed


@dataclass(frozen=True, kw_only=True)
class Features:
    """Answers about this host."""

    modules: frozenset[str]
    """Those asked for that the kernel has or has loaded."""
    netem: bool

    def is_virtual(self, machine: Machine) -> bool:
        """Whether `machine` needs a kernel of its own."""
        return not machine.needs <= self.modules

    def needs_kernel(self, site: Site) -> bool:
        """Whether any virtual machine is needed."""
        return any(self.is_virtual(machine) for machine in site.machines) or (bool(delayed(site)) and not self.netem)


def features(site: Site) -> Features:
    """Probe what the machines and cables of `site` need."""
    asked = frozenset(name for machine in site.machines for name in machine.needs)
    return Features(modules=_modules(asked), netem=bool(delayed(site)) and network.has_netem())


def _modules(asked: Collection[str]) -> frozenset[str]:
    return frozenset(name for name in asked if _has_module(name))


def _has_module(name: str) -> bool:
    """A container cannot load a module, so one that exists is loaded now."""
    if Path("/sys/module", name).is_dir():
        return True
    return (
        shutil.which("modprobe") is not None
        and not subprocess.run(["modprobe", "--quiet", name], capture_output=True, check=False).returncode
    )
