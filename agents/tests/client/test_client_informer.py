"""The informer's store equals the collection, whatever happens to connections and history."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricenter.client import Informer, ObjectList, errors, informer, resources


def obj(name: str, version: int, uid: str = "u", **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": uid, "resourceVersion": str(version), "labels": labels}}


class Script:
    """Plays the API: lists and watches answer in the order given; after the last one everything hangs."""

    def __init__(self, *steps: Any) -> None:
        self.steps = list(steps)
        self.lists: list[str] = []
        self.watches: list[str] = []

    async def list(self, res: object, namespace: object, *, resource_version: str, **_: object) -> ObjectList:
        self.lists.append(resource_version)
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return ObjectList(*step)

    async def watch(
        self, res: object, namespace: object, resource_version: str, **_: object
    ) -> AsyncIterator[tuple[str, Any]]:
        self.watches.append(resource_version)
        if not self.steps:
            await asyncio.Event().wait()
        for event in self.steps.pop(0):
            if isinstance(event, Exception):
                raise event
            yield event


async def play(script: Script, informed: Informer) -> None:
    task = asyncio.create_task(informed.run())
    while script.steps or not script.watches:
        await asyncio.sleep(0)
    for _ in range(10):
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def watched(script: Script) -> tuple[Informer, list[tuple[str, str]]]:
    informed = Informer(script, resources.NODES)
    seen: list[tuple[str, str]] = []
    informed.add_handler(lambda event, old, new: seen.append((event, new["metadata"]["name"])))
    return informed, seen


async def test_list_then_watch() -> None:
    script = Script(
        ([obj("a", 1), obj("b", 2)], "2"),
        [("MODIFIED", obj("a", 3)), ("DELETED", obj("b", 4)), ("ADDED", obj("c", 5)), ("BOOKMARK", obj("", 9))],
    )
    informed, seen = watched(script)
    await play(script, informed)
    assert seen == [("ADDED", "a"), ("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b"), ("ADDED", "c")]
    assert set(informed.store) == {"a", "c"}
    assert script.lists == ["0"]
    assert script.watches == ["2", "9"], "the watch resumes from the bookmark, without a list"


async def test_a_lost_history_is_listed_anew_and_only_differences_are_told() -> None:
    script = Script(
        ([obj("a", 1), obj("b", 2), obj("c", 3, uid="old")], "3"),
        [errors.Gone({}, 410)],
        ([obj("a", 1), obj("c", 8, uid="new"), obj("d", 9)], "9"),
    )
    informed, seen = watched(script)
    await play(script, informed)
    assert seen[3:] == [("DELETED", "b"), ("DELETED", "c"), ("ADDED", "c"), ("ADDED", "d")]
    assert script.lists == ["0", ""], "after a 410 the newest state is asked for"


async def test_the_last_store_stays_while_the_api_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(informer.Backoff, "next", lambda self: 0.0)
    away = [errors.Unreachable("reset")]
    script = Script(([obj("a", 1)], "1"), away, away, [("ADDED", obj("b", 2))])
    informed, _ = watched(script)
    await play(script, informed)
    assert set(informed.store) == {"a", "b"}
    assert len(script.lists) == 1
    assert script.watches[:4] == ["1", "1", "1", "2"] or script.watches[:3] == ["1", "1", "1"]


async def test_indexes_follow_the_store() -> None:
    script = Script(
        ([obj("a", 1, app="x"), obj("b", 2, app="x")], "2"),
        [("MODIFIED", obj("a", 3, app="y")), ("DELETED", obj("b", 4, app="x"))],
    )
    informed, _ = watched(script)
    informed.add_index("app", lambda o: o["metadata"]["labels"].values())
    await play(script, informed)
    assert informed.by_index("app", "x") == []
    assert [o["metadata"]["name"] for o in informed.by_index("app", "y")] == ["a"]


async def test_a_failing_handler_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    script = Script(([obj("a", 1)], "1"))
    informed = Informer(script, resources.NODES)
    seen: list[str] = []

    def broken(event: str, old: object, new: object) -> None:
        raise ValueError("no")

    informed.add_handler(broken)
    informed.add_handler(lambda event, old, new: seen.append(event))
    await play(script, informed)
    assert seen == ["ADDED"]
    assert "handler failed" in caplog.text


async def test_a_late_handler_hears_of_what_exists() -> None:
    script = Script(([obj("a", 1)], "1"))
    informed = Informer(script, resources.NODES)
    await play(script, informed)
    seen: list[str] = []
    informed.add_handler(lambda event, old, new: seen.append(event))
    assert seen == ["ADDED"]


@given(st.lists(st.dictionaries(st.sampled_from("abcd"), st.integers(1, 5)), min_size=1, max_size=5))
def test_events_of_relists_always_add_up_to_the_store(states: list[dict[str, int]]) -> None:
    informed = Informer(None, resources.NODES)
    replayed: dict[str, str] = {}

    def follow(event: str, old: Any, new: Any) -> None:
        name = new["metadata"]["name"]
        if event == "DELETED":
            del replayed[name]
        else:
            assert (event == "ADDED") == (name not in replayed)
            replayed[name] = new["metadata"]["resourceVersion"]

    informed.add_handler(follow)
    informed.add_index("all", lambda o: ["all"])
    for state in states:
        informed._replace({name: obj(name, version) for name, version in state.items()})
        assert replayed == {name: str(version) for name, version in state.items()}
        assert {o["metadata"]["name"] for o in informed.by_index("all", "all")} == set(state)
