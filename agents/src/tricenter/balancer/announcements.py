"""Public addresses on loopback: those that nobody stands behind any more are taken away.

keepalived adds and removes them by `roles/director`'s command. What it cannot do is to remove the address of a port
that a new configuration does not have, or one that was left by a crash: that is done here after each change.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tricenter.balancer import commands
from tricenter.balancer.model import VirtualServer

NOBODY = "nobody"
"""Stands for the port of an address that no record explains."""


def stale(
    recorded: Mapping[str, Iterable[str]],
    on_loopback: Iterable[str],
    servers: Sequence[VirtualServer],
    cidrs: Sequence[str],
) -> list[tuple[str, str]]:
    """Address and port of what has to go: records without a virtual server, addresses of a pool without a record."""
    wanted = {(server.address, server.key) for server in servers}
    gone = [(address, key) for address, keys in recorded.items() for key in keys if (address, key) not in wanted]
    networks = [ipaddress.ip_network(cidr) for cidr in cidrs]
    orphans = [
        (address, NOBODY)
        for address in on_loopback
        if not recorded.get(address) and any(ipaddress.ip_address(address) in network for network in networks)
    ]
    return sorted(gone) + sorted(orphans)


async def clean(command: Path, records: Path, servers: Sequence[VirtualServer], cidrs: Sequence[str]) -> None:
    """Take away what is stale; raises commands.CommandError."""
    # The addresses are read first: one that is added meanwhile has its record by then.
    present = _addresses(await commands.run("ip", "-json", "-4", "address", "show", "dev", "lo"))
    for address, key in stale(_records(records), present, servers, cidrs):
        await commands.run(str(command), "down", address, key)


def _records(folder: Path) -> dict[str, list[str]]:
    if not folder.is_dir():
        return {}
    return {one.name: [key.name for key in one.iterdir()] for one in folder.iterdir() if one.is_dir()}


def _addresses(text: str) -> list[str]:
    return [one["local"] for link in json.loads(text) for one in link.get("addr_info", ()) if "local" in one]
