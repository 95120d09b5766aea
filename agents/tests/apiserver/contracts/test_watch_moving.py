"""A client that goes to another server, and what etcd forgets: watches without a gap (KEP-2340, cacher's history)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from apiserver_harness import START_SECONDS, EtcdProcess, Running, client_session, make_config

from tricenter.apiserver import assembly, main

pytestmark = pytest.mark.etcd

HERE = "/api/v1/namespaces/default/configmaps"


@contextlib.asynccontextmanager
async def another(etcd: EtcdProcess, pki: Path, **changes: Any) -> AsyncIterator[Running]:
    """A server that has just started on the same store."""
    parts = assembly.assemble(make_config(etcd, pki, **changes))
    following = asyncio.create_task(parts.mirror.run())
    await asyncio.wait_for(parts.mirror.synced.wait(), START_SECONDS)
    async with main.listening(parts), client_session(pki, "admin") as session:
        yield Running(parts, session)
    following.cancel()
    await asyncio.wait({following})
    await parts.etcd.close()


async def write(server: Running, name: str, **labels: str) -> int:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}
    code, made = await server.call("POST", HERE, body)
    if code == 409:
        code, made = await server.call("PUT", f"{HERE}/{name}", body)
    assert code in (200, 201)
    return int(made["metadata"]["resourceVersion"])


async def lives(server: Running) -> list[int]:
    """An object comes into a selection, changes, leaves, comes back and goes."""
    revisions = [
        await write(server, "x", on="1"),
        await write(server, "x", on="1", step="2"),
        await write(server, "x"),
        await write(server, "x", on="1"),
    ]
    await server.call("DELETE", f"{HERE}/x")
    return [*revisions, await server.parts.fresh.revision()]


@pytest.mark.parametrize(
    ("selector", "kinds"),
    [
        ("", ["ADDED", "MODIFIED", "MODIFIED", "MODIFIED", "DELETED"]),
        ("&labelSelector=on%3D1", ["ADDED", "MODIFIED", "DELETED", "ADDED", "DELETED"]),
    ],
)
async def test_a_watch_goes_on_at_a_server_that_has_just_started(
    etcd: EtcdProcess, server: Running, pki: Path, selector: str, kinds: list[str]
) -> None:
    before = await write(server, "before")
    revisions = await lives(server)
    whole = list(zip(kinds, ["x"] * 5, revisions, strict=True))
    async with another(etcd, pki) as fresh:
        for index, since in enumerate([before, *revisions]):
            async with fresh.watch(f"{HERE}?watch=1&resourceVersion={since}{selector}") as events:
                assert await events.short(5 - index) == whole[index:]
        async with fresh.watch(f"{HERE}?watch=1&resourceVersion={revisions[-1]}") as events:
            after = await write(server, "after")
            assert await events.short(1) == [("ADDED", "after", after)]


async def test_a_server_whose_caches_are_empty_lets_requests_wait(
    etcd: EtcdProcess, server: Running, pki: Path
) -> None:
    """Neither an empty list, nor 403, nor a watch that is ended when the caches are filled."""
    before = await write(server, "before")
    parts, begin = assembly.assemble(make_config(etcd, pki)), asyncio.Event()

    async def follow() -> None:
        await begin.wait()
        await parts.mirror.run()

    following = asyncio.create_task(follow())
    async with main.listening(parts), client_session(pki, "admin") as session:
        late = Running(parts, session)
        listing = asyncio.create_task(late.call("GET", f"{HERE}?resourceVersion=0"))
        asyncio.get_running_loop().call_later(0.5, begin.set)
        async with late.watch(f"{HERE}?watch=1&resourceVersion={before}") as events:
            after = await write(server, "after")
            assert await events.short(1) == [("ADDED", "after", after)]
        code, found = await listing
    following.cancel()
    await asyncio.wait({following})
    assert code == 200
    assert "before" in [item["metadata"]["name"] for item in found["items"]]
    await parts.etcd.close()


async def test_what_etcd_forgot_before_a_start_cannot_be_gone_on_from(
    etcd: EtcdProcess, server: Running, pki: Path
) -> None:
    revisions = await lives(server)
    await server.parts.etcd.compact(revisions[2])
    async with another(etcd, pki) as fresh:
        async with fresh.watch(f"{HERE}?watch=1&resourceVersion={revisions[2]}") as events:
            assert [kind for kind, *_ in await events.short(2)] == ["MODIFIED", "DELETED"]
        async with fresh.watch(f"{HERE}?watch=1&resourceVersion={revisions[1]}") as events:
            event = await events.next()
            assert event is not None
            assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


async def test_a_server_recalls_no_more_than_it_is_told_to(etcd: EtcdProcess, server: Running, pki: Path) -> None:
    revisions = await lives(server)
    async with another(etcd, pki, recalled_revisions=2) as fresh:
        async with fresh.watch(f"{HERE}?watch=1&resourceVersion={revisions[-3]}") as events:
            assert await events.short(2) == [("MODIFIED", "x", revisions[3]), ("DELETED", "x", revisions[4])]
        async with fresh.watch(f"{HERE}?watch=1&resourceVersion={revisions[0]}") as events:
            event = await events.next()
            assert event is not None
            assert event["object"]["code"] == 410


async def test_a_running_watch_does_not_notice_that_etcd_compacts(server: Running) -> None:
    at = await write(server, "x")
    async with server.watch(f"{HERE}?watch=1&resourceVersion={at}") as events:
        for step in range(5):
            revision = await write(server, "x", step=str(step))
            await server.parts.etcd.compact(revision)
            assert await events.short(1) == [("MODIFIED", "x", revision)]
    # The server's own history outlives etcd's.
    async with server.watch(f"{HERE}?watch=1&resourceVersion={at}") as events:
        assert len(await events.short(5)) == 5


async def test_servers_agree_on_a_list_at_a_revision(etcd: EtcdProcess, server: Running, pki: Path) -> None:
    """A page that one server began is gone on with by another."""
    for number in range(5):
        await write(server, f"x{number}")
    _, first = await server.call("GET", f"{HERE}?limit=2")
    await write(server, "x0", late="yes")
    async with another(etcd, pki) as fresh:
        _, rest = await fresh.call("GET", f"{HERE}?continue={first['metadata']['continue']}")
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert [item["metadata"]["name"] for item in rest["items"]] == ["x2", "x3", "x4"]
