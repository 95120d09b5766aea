"""Five API servers are one: who follows changes misses none and sees none twice, whichever of them dies."""

from __future__ import annotations

import itertools
import json
import secrets
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

WRITES_A_KILL = 4
PATIENCE = 300.0
"""Seconds that the follower may take to see the last change."""


@pytest.fixture
def namespace(kubectl: Any) -> Iterator[str]:
    """A namespace that goes with the test."""
    name = f"compliance-api-{secrets.token_hex(2)}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


class Follower(threading.Thread):
    """A client that goes on at another server from the last change that it read, as an informer does."""

    def __init__(self, kubectl: Any, servers: list[str], path: str, revision: str, last: str) -> None:
        super().__init__(daemon=True)
        self.kubectl, self.servers, self.path, self.last = kubectl, servers, path, last
        self.revision = revision
        self.seen: list[tuple[str, str]] = []
        self.connections = 0

    def run(self) -> None:
        """Follow until the object called `last` was seen."""
        for server in itertools.cycle(self.servers):
            words = f"{self.path}?watch=true&resourceVersion={self.revision}&timeoutSeconds=5"
            running = self.kubectl.start(f"--server={server}", "get", f"--raw={words}")
            self.connections += 1
            for line in self._lines(running):
                event = json.loads(line)
                assert event["type"] != "ERROR", event
                self.revision = event["object"]["metadata"]["resourceVersion"]
                self.seen.append((event["type"], event["object"]["metadata"]["name"]))
            if self.seen and self.seen[-1][1] == self.last:
                return

    def _lines(self, running: subprocess.Popen[str]) -> Iterator[str]:
        """Whole lines that hold an event; what else kubectl says is of a server that was killed."""
        with running:
            for line in running.stdout or ():
                if line.startswith("{") and line.endswith("}\n"):
                    yield line


def test_a_watch_goes_on_at_another_server_and_misses_nothing(
    namespace: str, site: Any, kubectl: Any, connect: Any
) -> None:
    machines = site.group("control_plane")
    servers = [f"https://{machine['ansible_host']}:6443" for machine in machines]
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    start = json.loads(kubectl("get", f"--raw={path}"))["metadata"]["resourceVersion"]
    names = [f"change-{number:03}" for number in range(WRITES_A_KILL * len(machines))]
    follower = Follower(kubectl, servers, path, start, names[-1])
    follower.start()
    turns = itertools.cycle(servers)
    for index, name in enumerate(names):
        if index % WRITES_A_KILL == 0:
            host = connect(machines[index // WRITES_A_KILL].name)
            host.check_output("systemctl kill --signal=KILL tricenter-apiserver.service")
        create(kubectl, namespace, name, turns)
    follower.join(PATIENCE)
    assert not follower.is_alive(), f"still waits at {follower.revision} for {names[-1]}: {follower.seen}"
    ours = [event for event in follower.seen if event[1] in names]  # the namespace's kube-root-ca.crt may come between
    assert ours == [("ADDED", name) for name in names]
    assert follower.connections > 1


def create(kubectl: Any, namespace: str, name: str, turns: Iterator[str]) -> None:
    """Write through the next server that answers; one that was killed may have written before it could say so."""
    for server in itertools.islice(turns, 20):
        running = kubectl.start(f"--server={server}", f"--namespace={namespace}", "create", "configmap", name)
        said, _ = running.communicate(timeout=400)
        if running.returncode == 0 or "already exists" in said:
            return
    pytest.fail(f"no server took {name}: {said}")
