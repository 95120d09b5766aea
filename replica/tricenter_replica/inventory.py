"""The site as Ansible knows it: picks from its variables what machines and cables are made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import plan
from .state import State

FACTS = (
    "ansible_host",
    "machine_address",
    "machine_interface",
    "machine_kernel_modules",
    "rack_name",
    "rack_cidr",
    "rack_gateway",
)


def site(variables: Mapping[str, Any]) -> plan.Site:
    """Return the site of the inventory that a task sees."""
    hostvars = variables["hostvars"]
    names = [name for name in variables["groups"]["all"] if name != "localhost"]
    hosts = {name: {fact: hostvars[name][fact] for fact in FACTS if fact in hostvars[name]} for name in names}
    anyone = hostvars[names[0]]
    return plan.site(hosts, anyone["site_links"], anyone["site_management_cidr"])


def state(variables: Mapping[str, Any]) -> State:
    """Return the state folder that the inventory names."""
    names = variables["groups"]["all"]
    return State(Path(variables["hostvars"][names[0]]["tricenter_state_dir"]))
