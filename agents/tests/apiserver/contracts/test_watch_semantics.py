"""Watches: what begins them, what they show of changes, what ends them.

What k8s.io/apiserver pkg/storage/testing (watcher_tests.go) and KEP-3157 ask, through HTTP on a real server.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import orjson
import pytest
from apiserver_harness import Running

pytestmark = pytest.mark.etcd

ROOT = "/api/v1/configmaps"
HERE = "/api/v1/namespaces/default/configmaps"
LIST = "watch=1&resourceVersionMatch=NotOlderThan"
MARK = "&allowWatchBookmarks=true"


def config_map(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}


async def put(server: Running, name: str, path: str = HERE, **labels: str) -> int:
    """Create or change; the resource version."""
    body = config_map(name, **labels)
    code, made = await server.call("POST", path, body)
    if code == 409:
        code, made = await server.call("PUT", f"{path}/{name}", body)
    assert code in (200, 201), made
    return int(made["metadata"]["resourceVersion"])


async def delete(server: Running, name: str, path: str = HERE) -> None:
    code, _ = await server.call("DELETE", f"{path}/{name}")
    assert code == 200


async def now(server: Running) -> int:
    _, body = await server.call("GET", f"{HERE}?limit=1")
    return int(body["metadata"]["resourceVersion"])


@pytest.fixture
async def elsewhere(server: Running) -> str:
    """A namespace whose name begins as `default` does."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default-bad"}}
    code, _ = await server.call("POST", "/api/v1/namespaces", body)
    assert code == 201
    return "/api/v1/namespaces/default-bad/configmaps"


# --- what begins a watch ---


@pytest.mark.parametrize("bookmarks", [True, False])
@pytest.mark.parametrize("version", ["", "0", "1", "now"])
@pytest.mark.parametrize("initial", [True, False])
async def test_what_a_watch_begins_with(server: Running, *, initial: bool, version: str, bookmarks: bool) -> None:
    """RunWatchSemantics: the table of sendInitialEvents, resource version and bookmarks."""
    made = [("ADDED", name, await put(server, name)) for name in ("a", "b", "c")]
    at = await now(server)
    asked = {"now": str(at), "1": str(made[0][2] - 1)}.get(version, version)
    query = f"{LIST}&sendInitialEvents={str(initial).lower()}&resourceVersion={asked}"
    async with server.watch(f"{HERE}?{query}{MARK if bookmarks else ''}") as events:
        # Without initial events an old version means that what came after it is still to be told.
        first = made if initial or version == "1" else []
        assert await events.short(len(first)) == first
        if initial and bookmarks:
            event = await events.next()
            assert event is not None
            metadata = event["object"]["metadata"]
            assert (event["type"], event["object"]["kind"]) == ("BOOKMARK", "ConfigMap")
            assert metadata["annotations"] == {"k8s.io/initial-events-end": "true"}
            assert int(metadata["resourceVersion"]) >= at
        after = [("ADDED", name, await put(server, name)) for name in ("d", "e")]
        assert await events.short(2) == after
        assert await events.silent()


@pytest.mark.parametrize("version", ["", "0"])
async def test_a_watch_without_a_version_begins_with_what_is_there(server: Running, version: str) -> None:
    """RunTestWatchFromZero, also of an object whose earlier versions are compacted."""
    await put(server, "x")
    changed = await put(server, "x", step="2")
    await server.parts.etcd.compact(changed)
    await server.parts.fresh.wait()
    async with server.watch(f"{HERE}?watch=1&resourceVersion={version}&fieldSelector=metadata.name%3Dx") as events:
        assert await events.short(1) == [("ADDED", "x", changed)]
        again = await put(server, "x", step="3")
        assert await events.short(1) == [("MODIFIED", "x", again)]


async def test_the_end_of_the_initial_events_is_at_the_revision_of_the_whole_store(
    server: Running, elsewhere: str
) -> None:
    """RunWatchSemanticInitialEventsExtended and RunWatchListMatchSingle."""
    first = await put(server, "a")
    await put(server, "b")
    last = await put(server, "a", elsewhere)
    query = f"{LIST}&sendInitialEvents=true{MARK}&fieldSelector=metadata.name%3Da"
    async with server.watch(f"{HERE}?{query}") as events:
        assert await events.short(2) == [("ADDED", "a", first), ("BOOKMARK", "", last)]
        assert await events.silent()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("sendInitialEvents=true", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
        ("resourceVersionMatch=NotOlderThan", "forbidden for watch unless sendInitialEvents is provided"),
        ("sendInitialEvents=true&resourceVersionMatch=Exact", 'Unsupported value: "Exact"'),
        ("sendInitialEvents=true&resourceVersionMatch=NotOlderThan&continue=x", "forbidden when continue is provided"),
    ],
)
async def test_a_watch_that_cannot_be_meant_is_refused(server: Running, query: str, message: str) -> None:
    code, body = await server.call("GET", f"{HERE}?watch=1&{query}")
    assert (code, body["reason"]) == (422, "Invalid")
    assert message in body["message"]


async def test_a_watch_of_a_name_refuses_a_selector_of_another(server: Running) -> None:
    code, body = await server.call(
        "GET", "/api/v1/watch/namespaces/default/configmaps/a?fieldSelector=metadata.name%3Db"
    )
    assert (code, body["message"]) == (400, "fieldSelector metadata.name doesn't match requested name")


# --- what a watch shows ---

ENTERS = [("create", {}), ("label", {"x": "1"}), ("label", {"x": "1", "y": "2"}), ("label", {}), ("delete", {})]


@pytest.mark.parametrize(
    ("selector", "seen"),
    [
        ("", ["ADDED", "MODIFIED", "MODIFIED", "MODIFIED", "DELETED"]),
        ("labelSelector=x%3D1", [None, "ADDED", "MODIFIED", "DELETED", None]),
        ("labelSelector=x%21%3D1", ["ADDED", "DELETED", None, "ADDED", "DELETED"]),
        ("labelSelector=y", [None, None, "ADDED", "DELETED", None]),
        ("fieldSelector=metadata.name%3Dfoo", ["ADDED", "MODIFIED", "MODIFIED", "MODIFIED", "DELETED"]),
        ("fieldSelector=metadata.name%3Dfoo&labelSelector=x", [None, "ADDED", "MODIFIED", "DELETED", None]),
        ("fieldSelector=metadata.name%21%3Dfoo", [None] * 5),
    ],
)
@pytest.mark.parametrize("path", [HERE, ROOT])
async def test_an_object_moves_in_and_out_of_a_selection(
    server: Running, elsewhere: str, path: str, selector: str, seen: list[str | None]
) -> None:
    """RunTestWatch, RunTestClusterScopedWatch, RunTestNamespaceScopedWatch."""
    at = await now(server)
    async with server.watch(f"{path}?watch=1&resourceVersion={at}&{selector}") as events:
        if path == HERE:
            await put(server, "foo", elsewhere, x="1", y="2")
        last = 0
        for (action, labels), want in zip(ENTERS, seen, strict=True):
            if action == "delete":
                await delete(server, "foo")
                revision = await now(server)
            else:
                revision = await put(server, "foo", **labels)
            if want is not None:
                event = await events.next()
                assert event is not None
                assert event["type"] == want
                # An object that leaves is shown as it was, at the revision at which it left.
                assert int(event["object"]["metadata"]["resourceVersion"]) == revision > last
                last = revision
        assert await events.silent()


async def test_pods_are_watched_by_their_node(server: Running) -> None:
    account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
    await server.call("POST", "/api/v1/namespaces/default/serviceaccounts", account)
    at = await now(server)
    query = f"watch=1&resourceVersion={at}&fieldSelector=spec.nodeName"
    async with (
        server.watch(f"/api/v1/pods?{query}%3Dn1") as mine,
        server.watch(f"/api/v1/pods?{query}%21%3Dn1") as rest,
    ):
        pods = "/api/v1/namespaces/default/pods"
        spec = {"containers": [{"name": "c", "image": "i"}], "automountServiceAccountToken": False}
        await server.call("POST", pods, {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}, "spec": spec})
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": {"name": "n1"}}
        await server.call("POST", f"{pods}/p/binding", binding)
        ((left, *_), (came, *_)) = (await rest.short(2))[1], (await mine.short(1))[0]
        assert (left, came) == ("DELETED", "ADDED")


async def test_a_watch_resumes_from_any_revision_it_saw(server: Running) -> None:
    """RunTestWatchFromNonZero, RunTestDeleteTriggerWatch: from each revision exactly the rest, in order."""
    at = await now(server)
    for step in range(6):
        await put(server, f"x{step % 2}", step=str(step))
    await delete(server, "x0")
    async with server.watch(f"{HERE}?watch=1&resourceVersion={at}") as events:
        whole = await events.short(7)
    assert [kind for kind, *_ in whole] == ["ADDED"] * 2 + ["MODIFIED"] * 4 + ["DELETED"]
    for index, (_, _, revision) in enumerate(whole):
        async with server.watch(f"{HERE}?watch=1&resourceVersion={revision}") as events:
            assert await events.short(6 - index) == whole[index + 1 :]


async def test_a_revision_that_is_not_yet_is_waited_for_in_silence(server: Running) -> None:
    """A client that comes from a server which is ahead hears nothing twice."""
    ahead = await now(server) + 2
    async with server.watch(f"{HERE}?watch=1&resourceVersion={ahead}{MARK}") as events:
        seen = [await put(server, name) for name in ("a", "b", "c", "d")]
        assert seen[1] == ahead
        assert await events.short(2) == [("ADDED", "c", seen[2]), ("ADDED", "d", seen[3])]


async def test_initial_events_of_a_revision_that_is_not_yet(server: Running) -> None:
    query = f"{LIST}&sendInitialEvents=true&resourceVersion={await now(server) + 1000}"
    async with server.watch(f"{HERE}?{query}") as events:
        event = await events.next()
        assert event is not None
        assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 504, "Timeout")
        assert event["object"]["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
        assert await events.next() is None


# --- bookmarks and ends ---


async def test_bookmarks_come_before_the_end_only_to_those_who_ask(server: Running, elsewhere: str) -> None:
    """RunTestWatchDispatchBookmarkEvents: also when nothing of the watched kind happens."""
    at = await now(server)
    last = await put(server, "x", elsewhere)
    path = f"{HERE}?watch=1&resourceVersion={at}&timeoutSeconds=3"
    async with server.watch(path) as plain, server.watch(path + MARK) as marked:
        assert await marked.short(1) == [("BOOKMARK", "", last)]
        assert await marked.next() is None
        assert await plain.next() is None


async def test_a_bookmark_is_never_behind_an_event(server: Running) -> None:
    """RunTestOptionalWatchBookmarksWithCorrectResourceVersion."""
    watching = server.parts.watching
    watching._config = replace(watching._config, bookmark_seconds=0.02)
    at = await now(server)
    async with server.watch(f"{HERE}?watch=1&resourceVersion={at}{MARK}") as events:
        writing = asyncio.create_task(_several(server, 40))
        last, marks, changes = at, 0, 0
        while changes < 40:
            ((kind, _, revision),) = await events.short(1)
            assert revision > last or (kind == "BOOKMARK" and revision == last)
            last, marks, changes = revision, marks + (kind == "BOOKMARK"), changes + (kind != "BOOKMARK")
        await writing
    assert marks


async def _several(server: Running, count: int) -> None:
    for number in range(count):
        await put(server, f"x{number}")


async def test_a_watch_ends_when_its_time_is_over(server: Running) -> None:
    began = time.monotonic()
    async with server.watch(f"{HERE}?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dnone") as events:
        assert await events.next() is None
    assert time.monotonic() - began > 0.9


async def test_a_watch_of_a_forgotten_revision_is_an_event(server: Running) -> None:
    server.parts.resources["", "configmaps"].objects.history._limit = 3
    await _several(server, 5)
    await server.parts.fresh.wait()
    async with server.watch(f"{HERE}?watch=1&resourceVersion=1") as events:
        event = await events.next()
        assert event is not None
        assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
        assert event["object"]["message"].startswith("too old resource version: 1 (")
        assert await events.next() is None


async def test_watches_that_nobody_reads_do_not_hold_up_others(server: Running) -> None:
    """RunTestWatcherTimeout, and what is not read does not pile up: the connection goes."""
    watching = server.parts.watching
    watching._config = replace(watching._config, watch_queue_bytes=1_000_000)
    at = await now(server)
    path = f"{HERE}?watch=1&resourceVersion={at}"
    deaf = [await server.session.get(server.base + path) for _ in range(5)]
    body = config_map("big") | {"data": {"big": "x" * 500_000}}
    async with server.watch(path) as events:
        for number in range(40):
            body["metadata"]["name"] = f"big{number}"
            code, _ = await server.call("POST", HERE, body)
            assert code == 201
            event = await events.next()
            assert event is not None
            assert event["object"]["metadata"]["name"] == f"big{number}"
        async with asyncio.timeout(120):
            while len(watching) > 1:
                await asyncio.sleep(0.05)
    for answer in deaf:
        answer.close()


async def test_initial_events_may_be_more_than_a_watch_may_hold(server: Running) -> None:
    watching = server.parts.watching
    watching._config = replace(watching._config, watch_queue_bytes=300_000)
    for number in range(20):
        body = config_map(f"big{number:02}") | {"data": {"big": "x" * 50_000}}
        assert (await server.call("POST", HERE, body))[0] == 201
    query = f"{LIST}&sendInitialEvents=true{MARK}"
    async with server.session.get(f"{server.base}{HERE}?{query}", read_bufsize=1 << 20) as answer:
        lines = [orjson.loads(await asyncio.wait_for(answer.content.readline(), 120)) for _ in range(21)]
    assert [line["object"]["metadata"].get("name", "") for line in lines] == [
        f"big{number:02}" for number in range(20)
    ] + [""]


# --- over a WebSocket ---


async def test_a_websocket_carries_an_event_a_message_until_the_client_goes(server: Running) -> None:
    await put(server, "a")
    await put(server, "b")
    url = f"{server.base}{HERE}?watch=1&resourceVersion=0"
    async with server.session.ws_connect(url, protocols=["base64.binary.k8s.io"]) as socket:
        assert socket.protocol == "base64.binary.k8s.io"
        present = {orjson.loads(await socket.receive_str(timeout=5))["object"]["metadata"]["name"] for _ in range(2)}
        assert present == {"a", "b"}
        await socket.send_str("nobody listens")
        await delete(server, "a")
        event = orjson.loads(await socket.receive_str(timeout=5))
        assert (event["type"], event["object"]["metadata"]["name"]) == ("DELETED", "a")
        assert len(server.parts.watching) == 1
    async with asyncio.timeout(5):
        while len(server.parts.watching):
            await asyncio.sleep(0.01)


async def test_a_websocket_ends_with_its_time(server: Running) -> None:
    async with server.session.ws_connect(f"{server.base}{HERE}?watch=1&timeoutSeconds=1") as socket:
        message = await socket.receive(timeout=10)
        assert message.type.name in ("CLOSE", "CLOSED")
