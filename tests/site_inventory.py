"""The inventory as the tests see it: every expectation is read from here, none is written twice.

Variables are resolved by Ansible itself, so a test sees what a role sees.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.vars.manager import VariableManager

ROOT = Path(__file__).resolve().parents[1]


class Machine:
    """A host of the inventory: its name, its groups and its variables."""

    def __init__(self, name: str, groups: frozenset[str], variables: dict[str, Any]) -> None:
        self.name = name
        self.groups = groups
        self.variables = variables

    def __getitem__(self, variable: str) -> Any:
        """The variable's value; KeyError names the machine too."""
        try:
            return self.variables[variable]
        except KeyError:
            message = f"{variable} is not set for {self.name}"
            raise KeyError(message) from None

    def get(self, variable: str, default: Any = None) -> Any:
        """The variable's value, or the default where it is not set."""
        return self.variables.get(variable, default)

    def __repr__(self) -> str:
        return self.name


class Site:
    """A whole inventory: machines by name and group, and the variables that all machines share."""

    def __init__(self, source: Path) -> None:
        init_plugin_loader()
        loader = DataLoader()
        loader.set_basedir(str(ROOT / "playbooks"))  # its group_vars count, as they do for a playbook
        self._inventory = InventoryManager(loader=loader, sources=[str(source)])
        self._variables = VariableManager(loader=loader, inventory=self._inventory)
        self._loader = loader
        self.source = source

    @functools.cached_property
    def machines(self) -> dict[str, Machine]:
        """Every machine by its inventory name."""
        return {host.name: self._machine(host) for host in self._inventory.get_hosts("all")}

    def group(self, pattern: str) -> list[Machine]:
        """The machines of a group, or of an Ansible pattern such as ``node:&east1``, in inventory order."""
        return [self.machines[host.name] for host in self._inventory.get_hosts(pattern)]

    def __getitem__(self, variable: str) -> Any:
        """A variable of the site, such as ``site_ingress_vip``."""
        return next(iter(self.machines.values()))[variable]

    def _machine(self, host: Any) -> Machine:
        raw = self._variables.get_vars(host=host) | {"playbook_dir": str(ROOT / "playbooks")}
        templar = Templar(loader=self._loader, variables=raw)
        own = {key: value for key, value in raw.items() if key.startswith(Site.PREFIXES)}
        return Machine(host.name, frozenset(g.name for g in host.get_groups()), templar.template(own))

    PREFIXES = (
        "site_",
        "etcd_",
        "center_",
        "location_",
        "rack_",
        "machine_",
        "ansible_host",
        "ansible_ssh",
        "tricenter_",
        "cni_",
    )


def of(config: Any) -> Site:
    """The site that pytest's ``--inventory`` names, read once."""
    return _read(Path(config.getoption("--inventory")))


@functools.cache
def _read(source: Path) -> Site:
    return Site(source)
