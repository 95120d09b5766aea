"""What tests of a live site share: its inventory, real kubectl, patience."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

import site_inventory

T = TypeVar("T")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--inventory",
        default=str(site_inventory.ROOT / "inventories/replica"),
        help="the inventory of the site to test",
    )


@pytest.fixture(scope="session")
def site(request: pytest.FixtureRequest) -> site_inventory.Site:
    """The inventory of the site under test."""
    return site_inventory.of(request.config)


class Kubectl:
    """Real kubectl with the site's admin kubeconfig, run on the control host."""

    def __init__(self, binary: str, kubeconfig: Path) -> None:
        self.binary, self.kubeconfig = binary, kubeconfig
        self.namespace = "default"
        self._command = [binary, f"--kubeconfig={kubeconfig}"]

    def towards(self, kubeconfig: Path) -> Kubectl:
        """The same program with another kubeconfig."""
        return Kubectl(self.binary, kubeconfig)

    def within(self, namespace: str) -> Kubectl:
        """The same with a namespace that need not be named each time."""
        other = copy.copy(self)
        other.namespace = namespace
        other._command = [*self._command, f"--namespace={namespace}"]
        return other

    def __call__(self, *arguments: str, stdin: str | None = None, timeout: float = 400) -> str:
        """Run kubectl; returns its output, fails the test with its error."""
        done = subprocess.run(
            [*self._command, *arguments], input=stdin, capture_output=True, text=True, timeout=timeout, check=False
        )
        if done.returncode:
            pytest.fail(f"kubectl {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        return done.stdout

    def refused(self, *arguments: str, stdin: str | None = None, timeout: float = 400) -> str:
        """Run kubectl, which must fail; returns what it says on standard error."""
        done = subprocess.run(
            [*self._command, *arguments], input=stdin, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert done.returncode, f"kubectl {' '.join(arguments)} succeeded\n{done.stdout}"
        return done.stderr

    def tried(self, *arguments: str, stdin: str | None = None, timeout: float = 400) -> tuple[bool, str]:
        """Run kubectl, which may succeed or fail; whether it did, and what it says on both outputs.

        For what takes a moment to be true: a server knows of what was just written to another one, or of who may what,
        when its caches have it.
        """
        done = subprocess.run(
            [*self._command, *arguments], input=stdin, capture_output=True, text=True, timeout=timeout, check=False
        )
        return not done.returncode, done.stdout + done.stderr

    def start(self, *arguments: str, terminal: int | None = None) -> subprocess.Popen[str]:
        """Start kubectl, on the given terminal or on pipes, and leave it running; the caller ends it."""
        source, sink = (subprocess.PIPE, subprocess.PIPE) if terminal is None else (terminal, terminal)
        command = [*self._command, *arguments]
        return subprocess.Popen(command, stdin=source, stdout=sink, stderr=subprocess.STDOUT, text=True)

    def json(self, *arguments: str) -> Any:
        """Run kubectl with ``--output=json``; returns what it printed, decoded."""
        return json.loads(self(*arguments, "--output=json"))

    def apply(self, *objects: dict[str, Any]) -> None:
        """Apply the objects."""
        self("apply", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))


@pytest.fixture(scope="session")
def kubectl(site: site_inventory.Site) -> Kubectl:
    """Real kubectl, the one of the golden image where there is one."""
    state = Path(site["tricenter_state_dir"])
    bundled = state / "image/rootfs/usr/bin/kubectl"
    binary = str(bundled) if bundled.exists() else shutil.which("kubectl")
    assert binary, "kubectl is needed on the control host: install kubernetes-client"
    return Kubectl(binary, Path(os.environ.get("KUBECONFIG") or Path(site["tricenter_pki_dir"]) / "admin.kubeconfig"))


@pytest.fixture(scope="session")
def eventually() -> Callable[..., Any]:
    """Ask until the answer is true; fails with the last answer after more seconds than anything may take."""

    def ask(question: Callable[[], T], *, within: float = 300.0, every: float = 0.5) -> T:
        deadline = time.monotonic() + within
        while True:
            answer = question()
            if answer or time.monotonic() > deadline:
                assert answer, f"not true within {within} s: {answer!r}"
                return answer
            time.sleep(every)

    return ask
