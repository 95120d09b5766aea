"""Fixtures: a real etcd and a real server for the tests that need them."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from apiserver_harness import (
    Authority,
    EtcdProcess,
    Running,
    client_session,
    free_port,
    loops,
    make_config,
)

from tricenter.apiserver import assembly, main
from tricenter.apiserver.assembly import Parts
from tricenter.apiserver.bootstrap import bootstrap

REPLICA_PATH = Path(os.environ.get("TRICENTER_STATE", "/var/lib/tricenter")) / "image/rootfs/usr/bin"
"""Where `tricenter up` leaves a machine's programs; etcd is one static binary."""


@pytest.fixture
def etcd_binary() -> str:
    """etcd; the test is skipped where there is none."""
    binary = os.environ.get("TRICENTER_ETCD") or shutil.which("etcd") or shutil.which("etcd", path=REPLICA_PATH)
    if not binary:
        pytest.skip("no etcd on PATH nor in the replica's image, and TRICENTER_ETCD is not set")
    return binary


@pytest.fixture
def etcd(etcd_binary: str, tmp_path: Path) -> Iterator[EtcdProcess]:
    """A running etcd."""
    process = EtcdProcess(etcd_binary, tmp_path / "etcd", free_port(), free_port())
    process.start()
    yield process
    process.remove()


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    """Certificates of a server and of three users."""
    folder = tmp_path / "pki"
    folder.mkdir()
    authority = Authority(folder)
    authority.issue("server", "kube-apiserver")
    authority.issue("admin", "admin", "system:masters")
    authority.issue("alice", "alice")
    authority.issue("node", "system:node:n1", "system:nodes")
    authority.issue("sa", "unused")
    return folder


@pytest.fixture
async def parts(etcd: EtcdProcess, pki: Path) -> AsyncIterator[Parts]:
    """The parts of a server, with filled caches, that does not listen."""
    made = assembly.assemble(make_config(etcd, pki))
    async with loops(made):
        yield made


@pytest.fixture
async def second(etcd: EtcdProcess, pki: Path, server: Running) -> AsyncIterator[Running]:
    """Another server over the same etcd."""
    made = assembly.assemble(make_config(etcd, pki))
    async with loops(made):
        made.health.bootstrapped.set()
        async with main.listening(made):
            yield Running(made, server.session)


@pytest.fixture
async def server(parts: Parts, pki: Path) -> AsyncIterator[Running]:
    """A listening, bootstrapped server with an administrator's session."""
    await bootstrap.run(parts)
    parts.health.bootstrapped.set()
    async with main.listening(parts), client_session(pki, "admin") as session:
        yield Running(parts, session)
