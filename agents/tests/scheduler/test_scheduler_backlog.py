"""The order in which pods are tried, and when a refused one comes back."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tricenter.scheduler.backlog import FIRST_DELAY, LONGEST_DELAY, PARKED_AT_MOST, Backlog
from tricenter.scheduler.state import State
from tricenter.scheduler.watching import Watching


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def backlog(clock: Clock) -> Backlog:
    return Backlog(clock)


async def nothing(backlog: Backlog) -> bool:
    try:
        async with asyncio.timeout(0.01):
            await backlog.pop()
    except TimeoutError:
        return True
    return False


async def test_priority_first_then_age(backlog: Backlog, clock: Clock, pod: Any) -> None:
    for name, priority in (("old", 0), ("new", 0), ("urgent", 1000)):
        backlog.add(pod(name, priority=priority))
        clock.now += 1
    assert [(await backlog.pop()).pod.name for _ in range(3)] == ["urgent", "old", "new"]


async def test_a_parked_pod_waits_for_a_change_and_rests(backlog: Backlog, clock: Clock, pod: Any) -> None:
    backlog.add(pod("a"))
    backlog.park(await backlog.pop(), backlog.moves)
    clock.now += LONGEST_DELAY
    assert await nothing(backlog)
    backlog.site_changed()
    assert (await backlog.pop()).attempts == 2


async def test_thousands_that_are_parked_do_not_hold_up_the_others(backlog: Backlog, pod: Any) -> None:
    for number in range(30_000):
        backlog.add(pod(f"p{number}"))
        backlog.park(await backlog.pop(), backlog.moves)
    for number in range(300):
        backlog.add(pod(f"q{number}"))
    began = time.process_time()
    for _ in range(300):
        backlog.remove((await backlog.pop()).pod.uid)
    assert time.process_time() - began < 0.5


async def test_a_change_does_not_shorten_the_rest(backlog: Backlog, clock: Clock, pod: Any) -> None:
    backlog.add(pod("a"))
    backlog.park(await backlog.pop(), backlog.moves)
    backlog.site_changed()
    assert await nothing(backlog)
    clock.now += FIRST_DELAY
    assert (await backlog.pop()).pod.name == "a"


async def test_a_change_during_the_decision_is_not_missed(backlog: Backlog, clock: Clock, pod: Any) -> None:
    backlog.add(pod("a"))
    moves = backlog.moves
    waiting = await backlog.pop()
    backlog.site_changed()
    backlog.park(waiting, moves)
    clock.now += FIRST_DELAY
    assert (await backlog.pop()).pod.name == "a"


async def test_nobody_waits_for_ever(backlog: Backlog, clock: Clock, pod: Any) -> None:
    backlog.add(pod("a"))
    backlog.park(await backlog.pop(), backlog.moves)
    clock.now += PARKED_AT_MOST
    assert (await backlog.pop()).pod.name == "a"


async def test_a_removed_pod_never_comes(backlog: Backlog, pod: Any) -> None:
    first = pod("a")
    backlog.add(first)
    backlog.remove(first.uid)
    assert await nothing(backlog)
    assert len(backlog) == 0


async def test_a_pod_in_hand_is_not_handed_out_twice(backlog: Backlog, pod: Any) -> None:
    first = pod("a")
    backlog.add(first)
    await backlog.pop()
    backlog.add(first)
    assert await nothing(backlog)


async def test_a_pod_removed_while_in_hand_is_not_parked(backlog: Backlog, pod: Any) -> None:
    first = pod("a")
    backlog.add(first)
    waiting = await backlog.pop()
    backlog.remove(first.uid)
    backlog.park(waiting, backlog.moves)
    backlog.retry(waiting)
    assert first.uid not in backlog


def obj(info: Any, **spec: Any) -> dict[str, Any]:
    return info.obj | {"spec": info.obj["spec"] | spec}


def test_watching_moves_pods_between_backlog_and_state(backlog: Backlog, pod: Any) -> None:
    state = State()
    watching = Watching(state, backlog, "default-scheduler")
    info = pod("a", cpu="1")
    watching.pod("ADDED", None, info.obj)
    assert info.uid in backlog
    bound = obj(info, nodeName="n1")
    watching.pod("MODIFIED", info.obj, bound)
    assert info.uid not in backlog
    assert state.nodes["n1"].requested["cpu"] == 1000
    watching.pod("MODIFIED", bound, bound | {"status": {"phase": "Succeeded"}})
    assert "n1" not in state.nodes, "a finished pod uses nothing"


def test_stale_news_of_an_assumed_pod_do_not_place_it_twice(backlog: Backlog, pod: Any) -> None:
    state = State()
    watching = Watching(state, backlog, "default-scheduler")
    info = pod("a")
    state.place(info, "n1")
    watching.pod("MODIFIED", info.obj, info.obj)
    assert info.uid not in backlog


@pytest.mark.parametrize("spec", [{"schedulerName": "other"}, {"schedulingGates": [{"name": "g"}]}])
def test_pods_that_are_not_ours_are_left_alone(backlog: Backlog, pod: Any, spec: dict[str, Any]) -> None:
    watching = Watching(State(), backlog, "default-scheduler")
    watching.pod("ADDED", None, pod(**spec).obj)
    assert len(backlog) == 0


def test_pods_on_a_node_are_counted_before_the_node_is_known(backlog: Backlog, pod: Any) -> None:
    state = State()
    watching = Watching(state, backlog, "default-scheduler")
    watching.pod("ADDED", None, obj(pod(cpu="3"), nodeName="n1"))
    node = {"metadata": {"name": "n1"}, "status": {"allocatable": {"cpu": "4", "pods": "10"}}}
    watching.node("ADDED", None, node)
    assert state.nodes["n1"].requested["cpu"] == 3000
    watching.node("DELETED", None, node)
    assert not state.nodes["n1"].present
    assert state.nodes["n1"].requested["cpu"] == 3000


async def test_a_heartbeat_is_no_change(backlog: Backlog, pod: Any) -> None:
    watching = Watching(State(), backlog, "default-scheduler")
    node = {"metadata": {"name": "n1"}, "status": {"allocatable": {"cpu": "4"}}}
    watching.node("ADDED", None, node)
    moves = backlog.moves
    watching.node("MODIFIED", None, node | {"metadata": {"name": "n1", "resourceVersion": "9"}})
    assert backlog.moves == moves
    watching.node("MODIFIED", None, {"metadata": {"name": "n1"}, "status": {"allocatable": {"cpu": "8"}}})
    assert backlog.moves == moves + 1
