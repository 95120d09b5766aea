"""The replica's inventory as plain data, to be broken by tests, and Ansible on a broken copy of its files."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
REPLICA = ROOT / "inventories/replica"
FUNCTIONS = ("server", "etcd", "control_plane", "node", "ingress", "director", "gateway", "router")


@dataclass
class Inventory:
    """Machines with their variables and functions with their machines, as the filters of preflight get them."""

    machines: dict[str, dict[str, Any]]
    functions: dict[str, list[str]]

    @property
    def site(self) -> dict[str, Any]:
        """The settings of the site."""
        return next(iter(self.machines.values()))

    def set_everywhere(self, name: str, value: Any) -> None:
        """Change a setting of the site."""
        for variables in self.machines.values():
            variables[name] = value

    def remove(self, host: str) -> None:
        """Take a machine away."""
        del self.machines[host]
        for hosts in self.functions.values():
            if host in hosts:
                hosts.remove(host)


@cache
def _listed(folder: Path) -> dict[str, Any]:
    command = [str(Path(sys.executable).with_name("ansible-inventory")), "-i", str(folder), "--list"]
    printed = subprocess.run(command, check=True, capture_output=True, cwd=ROOT, text=True).stdout
    listed: dict[str, Any] = json.loads(printed)
    return listed


def replica() -> Inventory:
    """A fresh copy of the replica's inventory."""
    return load(REPLICA)


def load(folder: Path) -> Inventory:
    """A fresh copy of an inventory."""
    listed = copy.deepcopy(_listed(folder))

    def hosts(group: str) -> list[str]:
        entry = listed.get(group, {})
        return list(dict.fromkeys([*entry.get("hosts", []), *(h for c in entry.get("children", []) for h in hosts(c))]))

    return Inventory(listed["_meta"]["hostvars"], {name: hosts(name) for name in FUNCTIONS})


@cache
def schema() -> dict[str, Any]:
    """playbooks/vars/inventory.yml."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "playbooks/vars/inventory.yml").read_text(encoding="utf-8"))
    return loaded


def copy_files(folder: Path, *edits: tuple[str, str, str]) -> Path:
    """A copy of the replica's files where each (file, pattern, replacement) was applied once."""
    target = folder / "inventory"
    shutil.copytree(REPLICA, target)
    for name, pattern, replacement in edits:
        path = target / name
        text, count = re.subn(pattern, replacement, path.read_text(encoding="utf-8"), count=1)
        assert count == 1, f"{pattern} is not in {name}"
        path.write_text(text, encoding="utf-8")
    return target


def run_preflight(inventory: Path, state: Path) -> subprocess.CompletedProcess[str]:
    """The real playbook; machines need not exist, they are only said not to answer."""
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory), "playbooks/preflight.yml"]
    environment = {**os.environ, "TRICENTER_STATE": str(state), "ANSIBLE_SSH_TIMEOUT": "1", "ANSIBLE_NOCOLOR": "1"}
    # Without the replica's ssh_config, ssh ends at once.
    return subprocess.run(command, check=False, capture_output=True, cwd=ROOT, text=True, env=environment, timeout=600)
