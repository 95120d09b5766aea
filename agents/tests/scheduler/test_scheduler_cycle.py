"""Decisions become bindings; what fails is taken back and tried again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from scheduling_site import Site

from tricenter.apimachinery import selectors
from tricenter.client import errors
from tricenter.scheduler import backlog
from tricenter.scheduler.cycle import Cycle


class Api:
    """Answers bindings with what the test prepares."""

    STRATEGIC_PATCH = "strategic"

    def __init__(self) -> None:
        self.bound: list[tuple[str, str]] = []
        self.patches: list[Any] = []
        self.failures: list[Exception] = []
        self.stored: Callable[[], Any] = dict

    async def create_subresource(self, res: object, name: str, namespace: str, sub: str, obj: Any) -> Any:
        if self.failures:
            raise self.failures.pop(0)
        self.bound.append((name, obj["target"]["name"]))

    async def get(self, res: object, name: str, namespace: str) -> Any:
        return self.stored()

    async def patch(self, res: object, name: str, patch: Any, namespace: str, **_: object) -> Any:
        self.patches.append(patch)


class Recorder:
    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def event(self, obj: object, kind: str, reason: str, message: str) -> None:
        self.events.append((reason, message))


class Setup:
    def __init__(self, site: Site) -> None:
        self.site, self.api, self.recorder, self.backlog = site, Api(), Recorder(), backlog.Backlog()
        self.cycle = Cycle(self.api, site.state, self.backlog, self.recorder, lambda pod: selectors.NOTHING)

    async def run(self, done: Callable[[], bool]) -> None:
        """Let it work until the condition holds and everybody had another turn."""
        task = asyncio.create_task(self.cycle.run())
        async with asyncio.timeout(120):
            while not done():
                await asyncio.sleep(0.001)
        for _ in range(10):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def setup(site: Site) -> Setup:
    site.node("a", cpu="2")
    return Setup(site)


async def test_a_pod_is_bound_and_counted_at_once(setup: Setup, pod: Any) -> None:
    setup.backlog.add(pod("x", cpu="1"))
    setup.backlog.add(pod("y", cpu="2"))
    await setup.run(lambda: len(setup.recorder.events) == 2 and len(setup.api.patches) == 1)
    assert setup.api.bound == [("x", "a")]
    assert setup.recorder.events[0] == ("Scheduled", "Successfully assigned default/x to a")
    assert ("FailedScheduling", "0/1 nodes are available: 1 Insufficient cpu.") in setup.recorder.events
    (patch,) = setup.api.patches
    assert patch["status"]["conditions"][0]["reason"] == "Unschedulable"


async def test_a_binding_that_failed_is_taken_back_and_tried_again(
    setup: Setup, pod: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "FIRST_DELAY", 0.01)
    info = pod("x", cpu="1")
    setup.api.failures = [errors.ServerError({"message": "down"}, 500)]
    setup.api.stored = lambda: info.obj
    setup.backlog.add(info)
    await setup.run(lambda: bool(setup.api.bound))
    assert setup.api.bound == [("x", "a")]
    assert setup.site.state.nodes["a"].requested["cpu"] == 1000


async def test_a_binding_that_arrived_although_it_failed_is_kept(setup: Setup, pod: Any) -> None:
    info = pod("x", cpu="1")
    setup.api.failures = [errors.Unreachable("reset")]
    setup.api.stored = lambda: info.obj | {"spec": info.obj["spec"] | {"nodeName": "a"}}
    setup.backlog.add(info)
    await setup.run(lambda: not setup.api.failures)
    assert setup.site.state.node_of(info.uid) == "a"
    assert len(setup.backlog) == 0


async def test_a_pod_that_was_deleted_meanwhile_is_forgotten(setup: Setup, pod: Any) -> None:
    def gone() -> Any:
        raise errors.NotFound({}, 404)

    info = pod("x", cpu="1")
    setup.api.failures = [errors.NotFound({}, 404)]
    setup.api.stored = gone
    setup.backlog.add(info)
    await setup.run(lambda: not setup.api.failures)
    assert setup.site.state.node_of(info.uid) is None
    assert len(setup.backlog) == 0
