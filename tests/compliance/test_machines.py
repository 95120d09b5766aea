"""Every machine runs the units that its groups ask for, and nothing on it has failed."""

from __future__ import annotations

import time
from typing import Any

import pytest

UNITS = {
    "router": ["bird"],
    "director": ["bird", "keepalived", "tricenter-balancer"],
    "gateway": ["tricenter-gateway"],
    "etcd": ["etcd", "tricenter-etcd"],
    "control_plane": [
        "bird",
        "knot",
        "tricenter-apiserver",
        "tricenter-controllers",
        "tricenter-scheduler",
        "tricenter-dns",
    ],
    "registry": ["docker-registry"],
    "node": ["bird", "containerd", "tricenter-kubelet", "tricenter-proxy"],
    "ingress": ["nginx", "tricenter-ingress"],
}
"""Group → the systemd units that its machines run."""
CLOCK_SECONDS = 15.0
"""How far the clock of a machine may be off. Nothing sets the clocks of a replica: on a busy host an emulated machine
loses seconds in an hour."""


@pytest.mark.on("all")
def test_units_of_the_machine_run(machine: Any, host: Any) -> None:
    expected = sorted({unit for group in machine.groups for unit in UNITS.get(group, [])})
    if not expected:
        pytest.skip("no unit of ours runs here")
    states = host.run("systemctl is-active %s", " ".join(expected)) if len(expected) == 1 else None
    listed = host.run("systemctl show --property=Id,ActiveState,SubState --value " + " ".join(expected))
    assert states is None or states.stdout.strip() == "active", listed.stdout
    blocks = [block.split() for block in listed.stdout.strip().split("\n\n")]
    down = [block for block in blocks if "active" not in block]
    assert not down, f"not running on {machine}: {down}"
    assert len(blocks) == len(expected)


@pytest.mark.on("all")
def test_no_unit_has_failed(machine: Any, host: Any) -> None:
    failed = host.run("systemctl list-units --failed --plain --no-legend").stdout.strip()
    assert not failed, f"failed on {machine}:\n{failed}"


@pytest.mark.on("all:!internet:!router")
def test_private_keys_are_readable_by_root_only(machine: Any, host: Any) -> None:
    found = host.run("find /etc/tricenter/pki -name '*.key' ! -perm 0600").stdout.strip()
    assert not found, f"keys that others can read on {machine}: {found}"


@pytest.mark.on("all")
def test_the_clock_agrees_with_the_control_hosts(machine: Any, host: Any) -> None:
    """Certificates, logs and the age of objects are compared between machines."""
    before = time.time()
    there = float(host.check_output("date +%s.%N"))
    after = time.time()
    assert before - CLOCK_SECONDS < there < after + CLOCK_SECONDS, f"{machine} is {there - after:+.1f} s off"
