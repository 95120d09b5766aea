"""Remove the replica from the host: its processes, namespaces, links, mounts, control groups and machines' files."""

from __future__ import annotations

import shutil

from . import cgroups, keys, machines, network, wiring
from .state import State


def down(state: State, *, check: bool = False) -> list[str]:
    """Remove everything but images and keys; return what was (in check mode: would be) removed."""
    names = state.existing()
    namespaces = network.ours()
    found = [f"machine {name}" for name in names] + [f"namespace {name}" for name in namespaces]
    if wiring.HOST_LINK in network.names_in(wiring.HOST):
        found.append(f"link {wiring.HOST_LINK}")
    found += [f"control group {group}" for group in cgroups.left()]
    if check:
        return found
    machines.stop(state, names)
    network.delete_host_link()
    for name in namespaces:
        network.delete(name)
    if state.machines.exists():
        shutil.rmtree(state.machines)
    if state.host_keys.exists():
        shutil.rmtree(state.host_keys)
    keys.remove_client_files(state)
    cgroups.remove_parent()
    return found
