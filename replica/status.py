#!/usr/bin/env python3
"""Print the tree of the site: locations, centers, machines, addresses, and what is not well.

    .venv/bin/python replica/status.py [--time PHASE=SECONDS ...]

With --time (as `tricenter up` calls it) it also prints the time of each phase and what to try next.
Exits with 1 if a machine does not answer, lacks its address or has failed units.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

ROOT = Path(__file__).resolve().parents[1]
STATE = Path(os.environ.get("TRICENTER_STATE", "/var/lib/tricenter"))
QUESTION = """
[ -z "{address}" ] || [ -n "$(ip -4 address show to {address})" ] || echo lacks {address}
systemctl --failed --plain --no-legend --no-pager | sed 's/ .*/ failed/'
"""
AT_ONCE = 8
"""Machines asked at the same time."""
PATIENCE = 20.0
"""Seconds that a machine has to answer."""
TRY_NEXT = (
    "./tricenter kubectl get nodes",
    "./tricenter kubectl apply -f examples/shop",
    "./tricenter ssh client curl -s --resolve shop.example:80:203.0.113.10 http://shop.example/",
)


def main() -> int:
    """Print the tree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--time", action="append", default=[], metavar="PHASE=SECONDS")
    phases = [phase.partition("=") for phase in parser.parse_args().time]
    console = Console(highlight=False)
    hosts = _hosts()
    health = asyncio.run(_health(hosts))
    console.print(_tree(hosts, health))
    if phases:
        console.print("  ".join(f"{name} {seconds} s" for name, _, seconds in phases))
        console.print("\nTry next:", *(f"  {command}" for command in TRY_NEXT), sep="\n", soft_wrap=True)
    return 1 if any(health.values()) else 0


def _hosts() -> dict[str, dict[str, Any]]:
    command = ["ansible-inventory", "-i", "inventories/replica", "--list"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    variables: dict[str, dict[str, Any]] = json.loads(listed)["_meta"]["hostvars"]
    return variables


async def _health(hosts: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return what is wrong with each machine, empty if nothing."""
    if not (STATE / "ssh_config").exists():
        return dict.fromkeys(hosts, "down")
    gate = asyncio.Semaphore(AT_ONCE)

    async def ask(name: str) -> str:
        question = QUESTION.format(address=hosts[name].get("machine_address", ""))
        async with gate:
            ssh = await asyncio.create_subprocess_exec(
                *("ssh", "-F", str(STATE / "ssh_config"), "-o", "BatchMode=yes", name, question),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                async with asyncio.timeout(PATIENCE):
                    output, _ = await ssh.communicate()
            except TimeoutError:
                ssh.kill()
                return "does not answer"
            if ssh.returncode:
                return "does not answer"
            return ", ".join(output.decode().splitlines())

    return dict(zip(hosts, await asyncio.gather(*(ask(name) for name in hosts)), strict=True))


def _tree(hosts: Mapping[str, Mapping[str, Any]], health: Mapping[str, str]) -> Tree:
    broken = sum(bool(wrong) for wrong in health.values())
    site = next(iter(hosts.values())).get("site_name", "site")
    tree = Tree(f"{site}: {len(hosts)} machines, {broken or 'none'} not well")
    branches: dict[tuple[str, ...], Tree] = {(): tree}
    for name, facts in sorted(hosts.items(), key=lambda item: (_place(item[1]), item[0])):
        path: tuple[str, ...] = ()
        for part in _place(facts):
            parent, path = branches[path], (*path, part)
            if path not in branches:
                branches[path] = parent.add(part)
        branches[path].add(_line(name, facts, health[name]))
    return tree


def _place(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Return location, center with its role, and rack of a machine, as far as it has them."""
    if not facts.get("location_name"):
        return (str(facts.get("rack_name", "elsewhere")),)
    center = f"{facts['center_name']} ({facts['center_role']})"
    rack = (f"{facts['rack_name']} {facts['rack_cidr']}",) if facts.get("rack_name") else ()
    return (str(facts["location_name"]), center, *rack)


def _line(name: str, facts: Mapping[str, Any], wrong: str) -> Text:
    address = str(facts.get("machine_address", ""))
    line = Text(f"{name:<12} {address:<12} {facts['ansible_host']:<13} ")
    line.append(wrong or "ok", style="red" if wrong else "green")
    return line


if __name__ == "__main__":
    sys.exit(main())
