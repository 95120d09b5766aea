"""Nothing acknowledged is lost, nothing stale is shown, nothing is told twice or left out, whatever dies.

TRICENTER_FAULT_SECONDS sets how long the load runs (default 25).
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import aiohttp
import orjson
import pytest
from aetcd import rpc
from apiserver_harness import EtcdProcess, client_session
from fault_checker import Event, Op, check
from fault_cluster import Cluster, ready
from fault_workload import PATH, Client, Record, follow

from tricenter.apiserver.config import EtcdConfig
from tricenter.apiserver.storage import past
from tricenter.apiserver.storage.etcd import Etcd

pytestmark = pytest.mark.etcd

SECONDS = float(os.environ.get("TRICENTER_FAULT_SECONDS", "25"))
PREFIX = b"/registry/configmaps/registers/"
NOTICED = 1.0
"""Seconds after which a write that is acknowledged was not on its way already when the fault began."""
ENOUGH = 4 * SECONDS
"""Writes that prove something; a machine that is slow has longer for them."""
PATIENCE = 60.0
"""Seconds in which writes must go on while a fault lasts; how soon they do is printed, for machines are not alike."""


@pytest.fixture
def cluster(etcd_binary: str, tmp_path: Path, pki: Path) -> Iterator[Cluster]:
    if shutil.which(str(Path(etcd_binary).with_name("etcdctl"))) is None:
        pytest.skip("no etcdctl beside etcd")
    made = Cluster.make(etcd_binary, tmp_path / "cluster", pki, servers=3)
    try:
        made.start()
        yield made
    finally:
        made.stop()


async def test_registers_are_linearizable_while_servers_and_members_fail(cluster: Cluster, pki: Path) -> None:
    record, stop = Record(), asyncio.Event()
    async with client_session(pki, "admin") as session:
        await _prepare(cluster, session)
        async with asyncio.TaskGroup() as group:
            for seed in range(5):
                group.create_task(Client(session, cluster.servers, record, seed).run(stop))
            for seed in range(3):
                group.create_task(follow(session, cluster.servers, record, stop, seed))
            group.create_task(_faults(cluster, session, record, stop))
    events = await _events(cluster)
    _report(record, events)
    assert record.wrong == []
    assert check(events, record.ops, record.watches) == []
    assert len(events) >= ENOUGH, "too little was written to prove anything"
    assert all(len(seen.events) > ENOUGH / 4 for seen in record.watches)
    assert not [server.log for server in cluster.servers if "Traceback" in server.log]


async def _prepare(cluster: Cluster, session: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(60):
        for server in cluster.servers:
            while not await ready(session, server):
                await asyncio.sleep(0.2)
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "registers"}}
    async with session.post(f"{cluster.servers[0].base}/api/v1/namespaces", json=body) as answer:
        assert answer.status == 201, await answer.text()


async def _faults(cluster: Cluster, session: aiohttp.ClientSession, record: Record, stop: asyncio.Event) -> None:
    """One fault after another, each mended before the next, and not before writes have gone on without what it took."""
    chosen, loop = random.Random(7), asyncio.get_running_loop()  # noqa: S311  # repeatable, not secret
    ends = loop.time() + SECONDS
    await asyncio.sleep(1)
    try:
        while loop.time() < ends or len(record.written) < ENOUGH:
            for fault in (_kill_server, _freeze_follower, _freeze_leader, _kill_leader):
                await fault(cluster, session, record, chosen)
                await asyncio.sleep(1.5)
                if loop.time() >= ends:
                    break
    finally:
        stop.set()


async def _written(record: Record, seconds: float) -> None:
    """Let a fault last, until a write that began after it was acknowledged."""
    loop = asyncio.get_running_loop()
    since = loop.time() + NOTICED
    await asyncio.sleep(seconds)
    async with asyncio.timeout(PATIENCE):
        while not record.written or record.written[-1] < since:
            await asyncio.sleep(0.05)


async def _kill_server(cluster: Cluster, session: aiohttp.ClientSession, record: Record, chosen: random.Random) -> None:
    server = chosen.choice(cluster.servers)
    await asyncio.to_thread(server.kill)
    await _written(record, 0.5)
    server.start()
    async with asyncio.timeout(60):
        while not await ready(session, server):
            await asyncio.sleep(0.2)


async def _freeze_follower(cluster: Cluster, _: aiohttp.ClientSession, record: Record, chosen: random.Random) -> None:
    leader = await asyncio.to_thread(cluster.leader)
    await _freeze(chosen.choice([member for member in cluster.members if member is not leader]), record)


async def _freeze_leader(cluster: Cluster, _: aiohttp.ClientSession, record: Record, __: random.Random) -> None:
    leader = await asyncio.to_thread(cluster.leader)
    if leader is not None:
        await _freeze(leader, record)


async def _freeze(member: EtcdProcess, record: Record) -> None:
    member.freeze()
    try:
        await _written(record, 3.5)
    finally:
        member.thaw()


async def _kill_leader(cluster: Cluster, _: aiohttp.ClientSession, record: Record, __: random.Random) -> None:
    leader = await asyncio.to_thread(cluster.leader)
    if leader is not None:
        await asyncio.to_thread(leader.stop)
        await _written(record, 2)
        await asyncio.to_thread(leader.start)


async def _events(cluster: Cluster) -> list[Event]:
    """What etcd says that happened."""
    etcd = Etcd(EtcdConfig(endpoints=tuple(f"127.0.0.1:{member.port}" for member in cluster.members), timeout=10))
    try:
        until = await etcd.revision()
        found = await past.events(etcd, PREFIX, PREFIX[:-1] + b"0", after=0, until=until)
    finally:
        await etcd.close()
    return [_event(event) for event in found]


def _event(event: rpc.Event) -> Event:
    deleted = event.type == rpc.Event.DELETE
    value = orjson.loads((event.prev_kv if deleted else event.kv).value)
    return Event(
        revision=event.kv.mod_revision,
        key=event.kv.key.decode().rpartition("/")[2],
        nonce=value["data"]["nonce"] if "data" in value else "",
        deleted=deleted,
        previous=event.prev_kv.mod_revision if event.HasField("prev_kv") else 0,
    )


def _longest_pause(record: Record) -> float:
    return max(later - earlier for earlier, later in pairwise(sorted(record.written)))


def _report(record: Record, events: list[Event]) -> None:
    kinds: dict[tuple[str, str], int] = {}
    op: Op
    for op in record.ops:
        kinds[op.kind, op.outcome] = kinds.get((op.kind, op.outcome), 0) + 1
    print(PATH, len(record.ops), "requests", len(events), "writes", sorted(kinds.items()))
    print("longest time without an acknowledged write:", round(_longest_pause(record), 2), "s")
