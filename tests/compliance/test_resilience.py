"""Killing any agent process: it is back in seconds, and the page keeps coming."""

from __future__ import annotations

from typing import Any

import pytest
from test_page import client, page, shop

__all__ = ["client", "shop"]

AGENTS = [
    ("etcd", "tricenter-etcd"),
    ("control_plane", "tricenter-apiserver"),
    ("control_plane", "tricenter-controllers"),
    ("control_plane", "tricenter-scheduler"),
    ("control_plane", "tricenter-dns"),
    ("node", "tricenter-kubelet"),
    ("node", "tricenter-proxy"),
    ("ingress", "tricenter-ingress"),
    ("director", "tricenter-balancer"),
]


@pytest.mark.parametrize(("group", "unit"), AGENTS, ids=[unit for _, unit in AGENTS])
def test_a_killed_agent_is_back_and_the_page_keeps_coming(
    group: str, unit: str, shop: None, site: Any, client: Any, connect: Any, eventually: Any
) -> None:
    eventually(lambda: page(client, site).stdout.endswith("\n200"))
    machine = site.group(group)[0]
    host = connect(machine.name)
    before = host.run("systemctl show --property=MainPID --value %s", unit).stdout.strip()
    assert before not in ("", "0"), f"{unit} does not run on {machine}"
    host.run("kill -KILL %s", before)

    def back() -> bool:
        shown = host.run("systemctl show --property=MainPID --property=ActiveState --value %s", unit).stdout.split()
        return "active" in shown and before not in shown and "0" not in shown

    failed = []
    for _ in range(10):
        answer = page(client, site)
        if not answer.stdout.endswith("\n200"):
            failed.append(answer.stdout or answer.stderr)
    assert not failed, f"requests failed while {unit} of {machine} was down: {failed}"
    eventually(back)
