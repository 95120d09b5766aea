"""What a watch sees of the changes in its resource."""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from tricenter.apimachinery import selectors
from tricenter.apiserver.cache import selectable
from tricenter.apiserver.cache.history import Change
from tricenter.apiserver.cache.pacing import Pace
from tricenter.apiserver.cache.predicate import Predicate
from tricenter.apiserver.cache.resource import ResourceCache
from tricenter.apiserver.cache.watcher import Watcher
from tricenter.apiserver.storage import encoding

PREFIX = "/registry/pods/"


class Pods:
    """A cache of pods and a clock of revisions."""

    def __init__(self, history: int = 100) -> None:
        self.cache = ResourceCache(PREFIX, selectable.extractor("", "pods"), history=history)
        self.cache.replace({}, 10, b"")
        self.revision = 10

    def put(self, name: str, labels: Mapping[str, str] | None = None, *, namespace: str = "a", node: str = "") -> None:
        self.revision += 1
        metadata = {"name": name, "namespace": namespace, "labels": dict(labels or {})}
        obj: dict[str, Any] = {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": {"nodeName": node}}
        key = self.cache.key(namespace, name)
        entry = self.cache.entry(key, encoding.dump(obj), self.revision)
        self.cache.apply(Change(self.revision, self.cache.entries.get(key), entry))

    def delete(self, name: str, *, namespace: str = "a") -> None:
        self.revision += 1
        self.cache.apply(Change(self.revision, self.cache.get(namespace, name), None))

    def watch(self, predicate: Predicate, since: int | None = None, limit: int = 1 << 20) -> Watcher:
        watcher = Watcher(predicate, limit=limit, pace=Pace())
        self.cache.attach(watcher, since)
        return watcher


async def seen(watcher: Watcher) -> list[tuple[str, str, str]]:
    """Type, name and resource version of the events that wait."""
    lines = (await asyncio.wait_for(watcher.take(), 120)).splitlines()
    events = [orjson.loads(line) for line in lines]
    return [
        (event["type"], event["object"]["metadata"]["name"], event["object"]["metadata"]["resourceVersion"])
        for event in events
    ]


async def test_an_object_enters_changes_and_leaves_a_selection() -> None:
    pods = Pods()
    watcher = pods.watch(Predicate(labels=selectors.parse_labels("x=1")))
    pods.put("p")
    pods.put("p", {"x": "1"})
    pods.put("p", {"x": "1", "y": "2"})
    pods.put("p", {"x": "2"})
    pods.put("q", {"x": "1"})
    pods.delete("q")
    assert await seen(watcher) == [
        ("ADDED", "p", "12"),
        ("MODIFIED", "p", "13"),
        ("DELETED", "p", "14"),
        ("ADDED", "q", "15"),
        ("DELETED", "q", "16"),
    ]


async def test_a_deleted_object_is_shown_as_it_was_at_the_revision_of_the_delete() -> None:
    pods = Pods()
    pods.put("p", {"x": "1"})
    watcher = pods.watch(Predicate())
    pods.delete("p")
    assert await seen(watcher) == [("DELETED", "p", "12")]


async def test_a_watch_resumes_without_gap_or_repetition() -> None:
    pods = Pods()
    for number in range(5):
        pods.put(f"p{number}")
    watcher = pods.watch(Predicate(), since=13)
    pods.put("p5")
    assert [name for _, name, _ in await seen(watcher)] == ["p3", "p4", "p5"]


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        (Predicate(namespace="a"), ["p", "p"]),
        (Predicate(namespace="b"), ["q"]),
        (Predicate(node="n1", fields=selectors.parse_fields("spec.nodeName=n1")), ["p"]),
        (Predicate(namespace="b", name="q"), ["q"]),
        (Predicate(name="q"), ["q"]),
    ],
)
async def test_watchers_are_found_by_their_narrowest_condition(predicate: Predicate, expected: list[str]) -> None:
    pods = Pods()
    watcher = pods.watch(predicate)
    pods.put("p")
    pods.put("p", node="n1")
    pods.put("q", namespace="b")
    assert [name for _, name, _ in await seen(watcher)] == expected


async def test_an_encoded_event_is_shared() -> None:
    pods = Pods()
    encoded: list[bytes] = []

    def encode(kind: str, body: bytes) -> bytes:
        encoded.append(body)
        return b"{}\n"

    for _ in range(10):
        watcher = Watcher(Predicate(), limit=1000, pace=Pace(), form="counted", encode=encode)
        pods.cache.attach(watcher, None)
    pods.put("p")
    assert len(encoded) == 1


async def test_a_watch_that_does_not_read_is_dropped_and_others_are_not() -> None:
    pods = Pods()
    slow, quick = pods.watch(Predicate(), limit=1000), pods.watch(Predicate())
    for number in range(20):
        pods.put(f"p{number}")
    assert slow.overflowed
    assert await slow.take() == b""
    assert len(await seen(quick)) == 20


def test_history_forgets_and_says_so() -> None:
    pods = Pods(history=3)
    for number in range(5):
        pods.put(f"p{number}")
    history = pods.cache.history
    assert history.floor == 12
    assert [change.revision for change in history.since(13)] == [14, 15]


async def test_a_fresh_read_ends_watches() -> None:
    pods = Pods()
    watcher = pods.watch(Predicate())
    pods.cache.replace({}, 100, b"{}")
    assert await watcher.take() == b'{"type":"ERROR","object":{}}\n'
    assert await watcher.take() == b""


def test_keys_are_in_order_by_namespace() -> None:
    pods = Pods()
    for namespace, name in (("b", "x"), ("a", "z"), ("a", "y"), ("ab", "x")):
        pods.put(name, namespace=namespace)
    assert [entry.name for entry in pods.cache.select(Predicate(namespace="a"))] == ["y", "z"]
    assert pods.cache.keys() == [f"{PREFIX}a/y", f"{PREFIX}a/z", f"{PREFIX}ab/x", f"{PREFIX}b/x"]
    assert pods.cache.keys(first=f"{PREFIX}a/z\0") == [f"{PREFIX}ab/x", f"{PREFIX}b/x"]
