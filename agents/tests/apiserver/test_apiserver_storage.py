"""The store against a real etcd: what upstream's storage contracts ask of writes and reads."""

import asyncio
from typing import Any

import pytest
from apiserver_harness import EtcdProcess

from tricenter.apiserver import errors
from tricenter.apiserver.assembly import Parts
from tricenter.apiserver.cache.pacing import Pace
from tricenter.apiserver.cache.predicate import Predicate
from tricenter.apiserver.cache.watcher import Watcher
from tricenter.apiserver.storage.store import Lost

pytestmark = pytest.mark.etcd

PREFIX = "/registry/configmaps/"


def config_map(name: str, value: str = "") -> dict[str, Any]:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name, "namespace": "a"}, "data": {"v": value}}


async def test_a_key_is_created_once(parts: Parts) -> None:
    stored = await parts.store.create(f"{PREFIX}a/x", config_map("x"))
    with pytest.raises(Lost) as lost:
        await parts.store.create(f"{PREFIX}a/x", config_map("x", "other"))
    assert lost.value.current == stored
    assert stored.load()["metadata"]["resourceVersion"] == str(stored.revision)


async def test_of_concurrent_updates_none_is_lost(parts: Parts) -> None:
    key = f"{PREFIX}a/x"
    first = await parts.store.create(key, config_map("x", "0"))

    async def increment(obj: dict[str, Any]) -> dict[str, Any]:
        return config_map("x", str(int(obj["data"]["v"]) + 1))

    await asyncio.gather(*(parts.store.update(key, first, increment) for _ in range(10)))
    now = await parts.store.get(key)
    assert now is not None
    assert now.load()["data"]["v"] == "10"


async def test_an_update_begins_with_the_last_write_from_here(parts: Parts) -> None:
    """A cache that lags behind own writes costs no lost round; the memory of them is bounded."""
    key = f"{PREFIX}a/x"
    lagging = await parts.store.create(key, config_map("x", "0"))
    seen = []

    async def increment(obj: dict[str, Any]) -> dict[str, Any]:
        seen.append(obj["data"]["v"])
        return config_map("x", str(int(obj["data"]["v"]) + 1))

    for _ in range(3):
        await parts.store.update(key, lagging, increment)
    assert seen == ["0", "1", "2"]
    for number in range(12):
        await parts.store.create(f"{PREFIX}a/big-{number}", config_map(f"big-{number}", "v" * 1_000_000))
    assert sum(len(stored.value) for stored in parts.store._recent.values()) <= 8 * 1024 * 1024
    assert key not in parts.store._recent


async def test_a_refusal_counts_only_on_the_real_state(parts: Parts) -> None:
    key = f"{PREFIX}a/x"
    stale = await parts.store.create(key, config_map("x", "old"))
    await parts.store.replace(key, stale.value.replace(b"old", b"new"), stale.revision)

    async def only_new(obj: dict[str, Any]) -> dict[str, Any]:
        if obj["data"]["v"] != "new":
            raise errors.BadRequest("stale")
        return config_map("x", "done")

    updated = await parts.store.update(key, stale, only_new)
    assert updated is not None
    assert updated.load()["data"]["v"] == "done"


async def test_an_update_that_changes_nothing_writes_nothing(parts: Parts) -> None:
    stored = await parts.store.create(f"{PREFIX}a/x", config_map("x"))

    async def nothing(obj: dict[str, Any]) -> dict[str, Any]:
        return obj

    assert await parts.store.update(f"{PREFIX}a/x", stored, nothing) == stored


async def test_a_delete_needs_the_revision_it_was_decided_on(parts: Parts) -> None:
    key = f"{PREFIX}a/x"
    stored = await parts.store.create(key, config_map("x"))
    with pytest.raises(Lost):
        await parts.store.delete(key, stored.revision - 1)
    assert await parts.store.delete(key, stored.revision) > stored.revision
    assert await parts.store.get(key) is None
    assert await parts.store.update(key, stored, _same) is None


async def _same(obj: dict[str, Any]) -> dict[str, Any]:
    return {**obj, "data": {"changed": "yes"}}


async def test_pages_show_one_snapshot(parts: Parts) -> None:
    for number in range(5):
        await parts.store.create(f"{PREFIX}a/x{number}", config_map(f"x{number}"))
    first = await parts.store.page(PREFIX, limit=2)
    assert (len(first.items), first.more, first.remaining) == (2, True, 3)
    await parts.store.create(f"{PREFIX}a/x9", config_map("x9"))
    rest = await parts.store.page(PREFIX, start=first.items[-1][0] + "\0", revision=first.revision)
    assert [key for key, _ in rest.items] == [f"{PREFIX}a/x{number}" for number in (2, 3, 4)]


async def test_the_cache_shows_every_write_that_was_acknowledged(parts: Parts) -> None:
    cache = parts.resources["", "configmaps"].objects
    for number in range(20):
        await parts.store.create(f"{PREFIX}a/x{number:02}", config_map(f"x{number:02}"))
        await parts.fresh.wait()
        assert cache.get("a", f"x{number:02}") is not None


async def test_a_read_waits_for_revisions_that_bring_no_event(parts: Parts) -> None:
    await parts.store.create("/elsewhere/x", config_map("x"))
    revision = await parts.fresh.wait()
    assert parts.mirror.revision >= revision


async def test_watching_goes_on_over_a_restart_of_etcd(parts: Parts, etcd: EtcdProcess) -> None:
    cache = parts.resources["", "configmaps"].objects
    watcher = Watcher(Predicate(), limit=1 << 20, pace=Pace())
    cache.attach(watcher, None)
    await parts.store.create(f"{PREFIX}a/before", config_map("before"))
    assert b"before" in await asyncio.wait_for(watcher.take(), 120)
    etcd.stop()
    with pytest.raises(errors.StatusError):
        await parts.store.create(f"{PREFIX}a/lost", config_map("lost"))
    etcd.start()
    await _until_written(parts, "after")
    assert b"after" in await asyncio.wait_for(watcher.take(), 120)
    assert not watcher.ended


async def test_watches_end_when_etcd_forgot_what_they_missed(
    parts: Parts, etcd: EtcdProcess, caplog: pytest.LogCaptureFixture
) -> None:
    cache = parts.resources["", "configmaps"].objects
    for name in ("x", "y", "z"):
        await parts.store.create(f"{PREFIX}a/{name}", config_map(name))
    await parts.fresh.wait()
    watcher = Watcher(Predicate(), limit=1 << 20, pace=Pace())
    cache.attach(watcher, None)
    await parts.etcd.compact(await parts.fresh.revision())
    etcd.stop()
    async with asyncio.timeout(120):
        while "watch of etcd interrupted" not in caplog.text:
            await asyncio.sleep(0.02)
    parts.mirror.revision = 1
    etcd.start()
    last = await asyncio.wait_for(watcher.take(), 120)
    assert b'"code":410' in last
    assert watcher.ended
    assert cache.get("a", "x") is not None


async def _until_written(parts: Parts, name: str) -> None:
    async with asyncio.timeout(120):
        while True:
            try:
                await parts.store.create(f"{PREFIX}a/{name}", config_map(name))
            except Lost:
                return
            except errors.StatusError:
                await asyncio.sleep(0.1)
            else:
                return
