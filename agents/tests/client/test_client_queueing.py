"""One key, one worker; nothing is lost; failures wait longer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from tricenter.client import backoff, errors, queueing


async def test_a_waiting_key_is_handed_out_once() -> None:
    queue: queueing.WorkQueue[str] = queueing.WorkQueue()
    for key in "aba":
        queue.add(key)
    assert [await queue.get(), await queue.get()] == ["a", "b"]
    assert len(queue) == 0


async def test_a_key_added_while_busy_comes_again_after_done() -> None:
    queue: queueing.WorkQueue[str] = queueing.WorkQueue()
    queue.add("a")
    await queue.get()
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert len(queue) == 1


async def test_the_earliest_time_wins() -> None:
    queue: queueing.WorkQueue[str] = queueing.WorkQueue()
    queue.add_after("a", 60)
    queue.add_after("a", 0.001)
    queue.add_after("a", 30)
    async with asyncio.timeout(30):
        assert await queue.get() == "a"
    queue.close()


def test_delays_grow_to_the_limit() -> None:
    delays = [backoff.delay_after(n, first=0.1, limit=60) for n in (0, 1, 5, 1000)]
    assert 0.08 <= delays[0] <= 0.12
    assert 0.16 <= delays[1] <= 0.24
    assert 2.5 <= delays[2] <= 3.9
    assert 48 <= delays[3] <= 72


async def run(queue: queueing.WorkQueue[str], reconcile: object, enough: Callable[[], bool]) -> None:
    """Have three workers go on until they did enough, and a moment longer to see that they do no more."""
    task = asyncio.create_task(queueing.run_workers(queue, reconcile, 3))
    async with asyncio.timeout(30):
        while not enough():
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.02)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("error", [ValueError("bug"), errors.Unreachable("away"), errors.Conflict({}, 409)])
async def test_a_failed_key_is_retried_and_others_go_on(error: Exception) -> None:
    queue: queueing.WorkQueue[str] = queueing.WorkQueue(first_delay=0.001)
    calls: list[str] = []

    async def reconcile(key: str) -> None:
        calls.append(key)
        if key == "bad" and calls.count("bad") < 3:
            raise error

    queue.add("bad")
    queue.add("good")
    await run(queue, reconcile, lambda: calls.count("bad") >= 3 and "good" in calls)
    assert calls.count("bad") == 3
    assert calls.count("good") == 1


async def test_never_two_workers_on_one_key() -> None:
    queue: queueing.WorkQueue[str] = queueing.WorkQueue()
    running: list[str] = []
    twice: list[str] = []
    done = 0

    async def reconcile(key: str) -> None:
        nonlocal done
        if key in running:  # noted, not asserted: a worker survives what goes wrong here
            twice.append(key)
        running.append(key)
        queue.add(key)
        await asyncio.sleep(0.001)
        running.remove(key)
        done += 1

    queue.add("a")
    queue.add("b")
    await run(queue, reconcile, lambda: done > 4)
    assert not twice


async def test_a_result_asks_for_another_look() -> None:
    queue: queueing.WorkQueue[str] = queueing.WorkQueue()
    calls = 0

    async def reconcile(key: str) -> float | None:
        nonlocal calls
        calls += 1
        return 0.001 if calls < 3 else None

    queue.add("a")
    await run(queue, reconcile, lambda: calls >= 3)
    assert calls == 3
