"""Interop tests: clients that others wrote against a live site, as users run them.

Cases that need no machine also run without a site: `pytest tests/interop --local` starts etcd, an API server and the
controllers on loopback, and leaves out what needs nodes.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from local_site import LocalSite


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--local", action="store_true", help="against a server of our own on loopback, without nodes")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Other people's clients leave sockets to the garbage collector, which finds them in whatever test runs then."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings("ignore::ResourceWarning"))
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))


@pytest.fixture(scope="session")
def kubectl(kubectl: Any, site: Any, request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Any]:
    """kubectl towards the site, or with --local towards a server of our own."""
    if not request.config.getoption("--local"):
        yield kubectl
        return
    bundled = Path(site["tricenter_state_dir"]) / "image/rootfs/usr/bin"
    etcd = os.environ.get("TRICENTER_ETCD") or shutil.which("etcd") or shutil.which("etcd", path=bundled)
    assert etcd, "etcd is needed: on PATH, in the replica's image or named by TRICENTER_ETCD"
    local = LocalSite(etcd, tmp_path_factory.mktemp("local"))
    try:
        local.start()
        yield kubectl.towards(local.kubeconfig)
    finally:
        local.stop()


@pytest.fixture(scope="session")
def nodes(kubectl: Any, request: pytest.FixtureRequest) -> list[str]:
    """The names of the site's nodes, on which pods run."""
    if request.config.getoption("--local"):
        pytest.skip("needs nodes")
    return [item["metadata"]["name"] for item in kubectl.json("get", "nodes")["items"]]


@pytest.fixture(scope="session")
def whole(kubectl: Any) -> Any:
    """kubectl without a namespace of its own."""
    return kubectl


@pytest.fixture(scope="module")
def k(kubectl: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """kubectl in a namespace that belongs to the test module and goes with it."""
    topic = request.module.__name__.removeprefix("test_").replace("_", "-")
    name = f"interop-{topic}-{secrets.token_hex(2)}"
    kubectl("create", "namespace", name)
    own = kubectl.within(name)
    own("wait", "serviceaccount/default", "--for=create", "--timeout=300s")
    yield own
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def token() -> str:
    """Text that makes the names of what has no namespace this module's own."""
    return secrets.token_hex(3)
