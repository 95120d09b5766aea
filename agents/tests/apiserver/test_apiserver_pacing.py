"""Watches hear of an event at once while there is time, and of several together while there is none."""

from __future__ import annotations

import asyncio
import time

import pytest
from simulated_time import simulated

from tricenter.apiserver.cache import pacing
from tricenter.apiserver.cache.pacing import Pace

BUSY = 0.008


async def woken(pace: Pace, work: float = 0.0) -> float:
    """Wait for a round, work as a delivery does; when it began."""
    sleeper = asyncio.get_running_loop().create_future()
    pace.wake(sleeper)
    await sleeper
    began = time.monotonic()
    time.sleep(work)  # noqa: ASYNC251  # a delivery holds up the loop
    return began


@simulated
async def test_a_watch_is_woken_at_once() -> None:
    pace, began = Pace(), time.monotonic()
    for _ in range(50):
        await woken(pace)
    assert time.monotonic() == began


@simulated
async def test_events_gather_after_a_round_that_took_long() -> None:
    pace = Pace()
    first = await woken(pace, BUSY)
    early = asyncio.create_task(woken(pace))
    await asyncio.sleep(BUSY / 2)
    late = asyncio.create_task(woken(pace))
    assert await early - first == pytest.approx(2 * BUSY)
    await asyncio.sleep(0)
    assert late.done()


@simulated
async def test_what_comes_during_a_round_has_another() -> None:
    pace = Pace()

    async def again() -> float:
        await woken(pace, BUSY)
        return await woken(pace)

    began = time.monotonic()
    assert await again() - began == pytest.approx(2 * BUSY)


@simulated
async def test_a_round_is_never_far_away() -> None:
    pace = Pace()
    first = await woken(pace, 0.3)
    assert await woken(pace) - first == pytest.approx(0.3 + pacing._LONGEST)


@simulated
async def test_a_sleeper_that_has_gone_does_not_stop_the_others() -> None:
    pace = Pace()
    gone = asyncio.create_task(woken(pace))
    stays = asyncio.create_task(woken(pace))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == time.monotonic()
