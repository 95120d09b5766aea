"""A control-plane machine falls silent, API server and etcd member with it: writes go on within seconds.

Each machine in turn is frozen, which is what a lost one is to the others: nothing answers, nothing is closed. One of
them is the leader of etcd, two stand where the writer's packets go first.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tricenter_replica import cgroups

pytestmark = pytest.mark.timeout(0)  # each command has a limit of its own

PROMISE = 3.0
"""Seconds within which a write is acknowledged after an API server or a member of etcd was lost."""
ELECTION = 1500
"""Milliseconds of etcd's election timeout for which that is promised; members wait up to twice as long."""
SILENT = 12.0
"""Seconds that a machine is silent."""
WRITER = Path(__file__).with_name("writer.py")
STATES = {True: ("freezer.state", "FROZEN", "THAWED"), False: ("cgroup.freeze", "1", "0")}
"""How cgroup v1 and v2 stop all processes of a group, and let them go on (cgroups(7))."""


@contextlib.contextmanager
def silent(machine: str) -> Iterator[None]:
    """All processes of a machine stand still."""
    found = ((mount / cgroups.PARENT / machine / STATES[v1][0], *STATES[v1][1:]) for mount, v1 in cgroups.hierarchies())
    switches = [(path, on, off) for path, on, off in found if path.exists()]
    if not switches:
        pytest.skip("the machines are no control groups of this host")
    for path, on, _ in switches:
        path.write_text(on)
    try:
        yield
    finally:
        for path, _, off in switches:
            path.write_text(off)


@contextlib.contextmanager
def writing(site: Any, node: str) -> Iterator[dict[str, Any]]:
    """Writes from a node while the body runs; what they met is in the dictionary when it has ended."""
    server = f"https://{site['site_api_address']}:{site['site_api_port']}"
    state = Path(site["tricenter_state_dir"])
    machine = ["ssh", "-F", str(state / "ssh_config"), node]
    subprocess.run([*machine, "cat > /run/writer.py"], input=WRITER.read_bytes(), check=True, timeout=60)
    command = [*machine, "python3", "/run/writer.py", server, node]
    met: dict[str, Any] = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        assert running.stdout.readline() == "writing\n"
        try:
            yield met
        finally:
            out, _ = running.communicate("\n", timeout=120)
        met.update(json.loads(out))


def test_writes_go_on_when_a_server_and_its_member_fall_silent(site: Any) -> None:
    members = site.group("etcd")
    found = {machine.name: loss(site, machine.name) for machine in members}
    print(*found.items(), sep="\n")
    election = members[0].get("etcd_election_ms", ELECTION)
    for name, met in found.items():
        assert met["failed"] == met["lost"] == 0, (name, met)
        assert met["acknowledged"] > SILENT, (name, met)
        assert met["longest"] <= PROMISE + 2 * (election - ELECTION) / 1000, (name, met)


def loss(site: Any, machine: str) -> dict[str, Any]:
    """What a node's writes met while a machine was silent and when it was back."""
    with writing(site, site.group("node")[0].name) as met:
        time.sleep(3)
        with silent(machine):
            time.sleep(SILENT)
        time.sleep(SILENT)
    return met
