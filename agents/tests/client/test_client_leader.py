"""At most one leader, and a quick successor."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from simulated_time import simulated

from tricenter.client import errors
from tricenter.client.leader import LeaderElection, LeadershipLostError, Observed, Timing

FAST = Timing(lease=0.2, renew_deadline=0.1, retry=0.01)


class Store:
    """One Lease with optimistic concurrency, and a switch that takes it away."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.away: set[str] = set()

    def client(self, name: str) -> Any:
        return _StoreClient(self, name)


class _StoreClient:
    def __init__(self, store: Store, name: str) -> None:
        self.store, self.name = store, name

    def _check(self) -> None:
        if self.name in self.store.away:
            raise errors.Unreachable("away")

    async def get(self, res: object, name: str, namespace: str) -> Any:
        self._check()
        if self.store.lease is None:
            raise errors.NotFound({}, 404)
        return self.store.lease

    async def create(self, res: object, obj: Any) -> Any:
        self._check()
        if self.store.lease is not None:
            raise errors.AlreadyExists({}, 409)
        return self._write(obj)

    async def update(self, res: object, obj: Any) -> Any:
        self._check()
        if self.store.lease is None or obj["metadata"]["resourceVersion"] != str(self.store.version):
            raise errors.Conflict({}, 409)
        return self._write(obj)

    def _write(self, obj: Any) -> Any:
        self.store.version += 1
        self.store.lease = obj | {"metadata": obj["metadata"] | {"resourceVersion": str(self.store.version)}}
        return self.store.lease


def candidate(store: Store, name: str, leaders: list[str]) -> asyncio.Task[None]:
    async def lead() -> None:
        leaders.append(name)
        try:
            await asyncio.Event().wait()
        finally:
            leaders.remove(name)

    return asyncio.create_task(LeaderElection(store.client(name), "test", name, timing=FAST).run(lead))


async def stopped(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, LeadershipLostError):
            await task


@simulated
async def test_one_of_three_leads() -> None:
    store, leaders = Store(), []
    tasks = [candidate(store, name, leaders) for name in "abc"]
    for _ in range(20):
        await asyncio.sleep(0.01)
        assert len(leaders) <= 1
    assert leaders == ["a"]
    assert store.lease["spec"]["holderIdentity"] == "a"
    await stopped(*tasks)


@simulated
async def test_a_leader_that_stops_hands_over_at_once() -> None:
    store, leaders = Store(), []
    first, second = candidate(store, "a", leaders), candidate(store, "b", leaders)
    await asyncio.sleep(0.05)
    await stopped(first)
    async with asyncio.timeout(FAST.lease / 2):
        while leaders != ["b"]:
            await asyncio.sleep(0.005)
    assert store.lease["spec"]["leaseTransitions"] == 1
    await stopped(second)


@simulated
async def test_a_leader_cut_off_steps_down_before_another_leads() -> None:
    store, leaders = Store(), []
    first, second = candidate(store, "a", leaders), candidate(store, "b", leaders)
    await asyncio.sleep(0.05)
    store.away.add("a")
    async with asyncio.timeout(30):
        while leaders != ["b"]:
            assert leaders in (["a"], [])
            await asyncio.sleep(0.005)
    with pytest.raises(LeadershipLostError):
        await first
    await stopped(second)


@simulated
async def test_work_that_fails_gives_the_lease_up() -> None:
    store = Store()

    async def lead() -> None:
        raise ValueError("bug")

    with pytest.raises(ExceptionGroup):
        await LeaderElection(store.client("a"), "test", "a", timing=FAST).run(lead)
    assert store.lease["spec"]["holderIdentity"] == ""


def test_expiry_is_measured_on_the_candidates_own_clock() -> None:
    observed = Observed()
    observed.note({"holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": "2001-01-01T00:00:00Z"}, 100.0)
    assert not observed.vacant("b", 114.0)
    assert observed.vacant("b", 115.0)
    assert observed.vacant("a", 101.0)
    observed.note({"holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": "2001-01-01T00:00:02Z"}, 114.0)
    assert not observed.vacant("b", 120.0)
