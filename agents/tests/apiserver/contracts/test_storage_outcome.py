"""Writes whose answer got lost: what took place is never called a failure, and nothing is done twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aetcd import rpc

from tricenter.apiserver import errors
from tricenter.apiserver.assembly import Parts
from tricenter.apiserver.storage import encoding
from tricenter.apiserver.storage.store import Change, Lost, Stored

pytestmark = pytest.mark.etcd

KEY = "/registry/configmaps/a/x"


def config_map(value: str, uid: str = "1") -> dict[str, Any]:
    metadata = {"name": "x", "namespace": "a", "uid": uid}
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata, "data": {"v": value}}


class Wire:
    """Between the store and etcd: loses answers, or holds requests back."""

    def __init__(self, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
        self._txn = parts.etcd.txn
        self.lose: list[str] = []
        self.held: list[rpc.TxnRequest] = []
        self.between: Any = None
        monkeypatch.setattr(parts.etcd, "txn", self.txn)

    async def txn(self, request: rpc.TxnRequest) -> rpc.TxnResponse:
        how = self.lose.pop(0) if self.lose else ""
        if how == "answer":
            await self._txn(request)
        if how == "request":
            self.held.append(request)
        if how:
            if self.between is not None:
                await self.between()
            raise errors.Uncertain("etcdserver: request timed out: the test")
        return await self._txn(request)

    async def release(self) -> list[bool]:
        """What was held back reaches etcd at last; whether it was done."""
        return [(await self._txn(request)).succeeded for request in self.held]


@pytest.fixture
def wire(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> Wire:
    return Wire(parts, monkeypatch)


async def changed(obj: dict[str, Any]) -> dict[str, Any]:
    return config_map(f"{obj['data']['v']}+", obj["metadata"]["uid"])


async def removed(_: dict[str, Any]) -> None:
    return None


@pytest.mark.parametrize("lost", ["answer", "request"])
async def test_a_create_is_done_once(parts: Parts, wire: Wire, lost: str) -> None:
    await parts.fresh.revision()
    wire.lose = [lost]
    stored = await parts.store.create(KEY, config_map("1"))
    assert await parts.store.get(KEY) == stored
    assert not any(await wire.release())
    # Also when it is gone again: what comes late does not bring it back.
    await parts.store.delete(KEY, stored.revision)
    assert not any(await wire.release())
    assert await parts.store.get(KEY) is None


@pytest.mark.parametrize("lost", ["answer", "request"])
async def test_an_update_is_done_once(parts: Parts, wire: Wire, lost: str) -> None:
    first = await parts.store.create(KEY, config_map("1"))
    wire.lose = [lost]
    stored = await parts.store.update(KEY, first, changed)
    assert stored is not None
    assert stored.load()["data"]["v"] == "1+"
    assert await parts.store.get(KEY) == stored
    assert not any(await wire.release())


@pytest.mark.parametrize("lost", ["answer", "request"])
async def test_a_delete_is_done_once(parts: Parts, wire: Wire, lost: str) -> None:
    first = await parts.store.create(KEY, config_map("1"))
    wire.lose = [lost]
    gone = await parts.store.update(KEY, first, removed)
    assert gone is not None
    assert gone.revision > first.revision
    again = await parts.store.create(KEY, config_map("2", uid="2"))
    assert not any(await wire.release())
    assert await parts.store.get(KEY) == again


async def test_a_create_that_was_done_and_undone_by_another_is_a_success(parts: Parts, wire: Wire) -> None:
    await parts.fresh.revision()

    async def interfere() -> None:
        now = await parts.store.get(KEY)
        assert now is not None
        await parts.store.delete(KEY, now.revision)

    wire.lose, wire.between = ["answer"], interfere
    stored = await parts.store.create(KEY, config_map("1"))
    assert stored.load()["data"]["v"] == "1"
    assert await parts.store.get(KEY) is None


async def test_a_create_that_another_was_quicker_with_is_refused(parts: Parts, wire: Wire) -> None:
    await parts.fresh.revision()
    others: list[Stored] = []

    async def interfere() -> None:
        others.append(await parts.store.create(KEY, config_map("other", uid="2")))

    wire.lose, wire.between = ["request"], interfere
    with pytest.raises(Lost) as lost:
        await parts.store.create(KEY, config_map("1"))
    assert [lost.value.current] == others
    assert not any(await wire.release())


async def test_an_update_done_before_anothers_counts(parts: Parts, wire: Wire) -> None:
    first = await parts.store.create(KEY, config_map("1"))

    async def interfere() -> None:
        await parts.store.update(KEY, None, changed)

    wire.lose, wire.between = ["answer"], interfere
    stored = await parts.store.update(KEY, first, changed)
    assert stored is not None
    assert stored.load()["data"]["v"] == "1+"
    now = await parts.store.get(KEY)
    assert now is not None
    assert now.load()["data"]["v"] == "1++"


@pytest.mark.parametrize("change", [changed, removed])
async def test_the_same_write_of_another_is_not_taken_for_ones_own(parts: Parts, wire: Wire, change: Change) -> None:
    """Of two who write the same on one version, to remove it or to put the same bytes, one is told that he has won."""
    first = await parts.store.create(KEY, config_map("1"))
    wanted = await change(first.load())

    async def write() -> int:
        if wanted is None:
            return await parts.store.delete(KEY, first.revision)
        return (await parts.store.replace(KEY, encoding.dump(wanted), first.revision)).revision

    winners: list[int] = []

    async def interfere() -> None:
        winners.append(await write())

    wire.lose, wire.between = ["request"], interfere
    with pytest.raises(Lost):
        await write()
    assert len(winners) == 1
    assert not any(await wire.release())


async def test_writes_under_way_elsewhere_are_sent_again(parts: Parts, wire: Wire) -> None:
    """The guard that falls for one write stops all; those that were stopped are done nevertheless, once each."""
    await parts.fresh.revision()
    wire.lose = ["request", "", "answer", "", "request", ""]
    keys = [f"{KEY}{number}" for number in range(12)]
    stored = await asyncio.gather(*(parts.store.create(key, config_map(key, uid=key)) for key in keys))
    assert not any(await wire.release())
    assert [await parts.store.get(key) for key in keys] == stored


async def test_increments_with_lost_answers_are_neither_lost_nor_doubled(parts: Parts, wire: Wire) -> None:
    await parts.store.create(KEY, config_map("0"))
    wire.lose = ["", "answer", "request"] * 8

    async def increment(number: int) -> None:
        async def change(obj: dict[str, Any]) -> dict[str, Any]:
            return {**config_map(str(int(obj["data"]["v"]) + 1)), "writer": number}

        assert await parts.store.update(KEY, None, change) is not None

    await asyncio.gather(*map(increment, range(12)))
    now = await parts.store.get(KEY)
    assert now is not None
    assert now.load()["data"]["v"] == "12"
    assert not any(await wire.release())


async def test_what_nobody_can_say_is_called_unknown(parts: Parts, wire: Wire) -> None:
    """etcd has forgotten what it was like when the write was sent."""
    first = await parts.store.create(KEY, config_map("1"))
    second = await parts.store.replace(KEY, first.value, first.revision)
    await parts.etcd.compact(second.revision)
    wire.lose, parts.etcd.seen = ["answer"], 0
    with pytest.raises(errors.Uncertain):
        await parts.store.replace(KEY, first.value, second.revision)
