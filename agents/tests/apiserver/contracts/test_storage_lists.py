"""Lists: the table of resourceVersion by resourceVersionMatch by limit by continue, and walks through pages.

What the list contracts of k8s.io/apiserver pkg/storage/testing (store_tests.go) check, asked through HTTP.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from apiserver_harness import Running

pytestmark = pytest.mark.etcd

PODS = "/api/v1/pods"
FUTURE = str(2**63 - 1)


def pod(name: str, node: str = "") -> dict[str, Any]:
    spec: dict[str, Any] = {"containers": [{"name": "c", "image": "i"}], "automountServiceAccountToken": False}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"name": name}},
        "spec": {**spec, **({"nodeName": node} if node else {})},
    }


def token(start: str, revision: int, version: str = "meta.k8s.io/v1") -> str:
    body = orjson.dumps({"v": version, "rv": revision, "start": start})
    return base64.urlsafe_b64encode(body).decode().rstrip("=")


def decoded(text: str) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return body


@dataclass
class World:
    """Pods in three namespaces, written one after another; what was before the first write is compacted."""

    server: Running
    initial: int
    writes: list[int]
    """Revisions of the eight writes: bar, bar, foo, barfoo, foo, baz (created), first/bar updated, baz deleted."""
    now: int

    async def list(self, path: str = PODS, **query: Any) -> tuple[int, Any]:
        asked = "&".join(f"{key}={value}" for key, value in query.items() if value != "")
        return await self.server.call("GET", f"{path}?{asked}")

    async def names(self, path: str = PODS, **query: Any) -> list[str]:
        code, body = await self.list(path, **query)
        assert code == 200, body
        return [f"{item['metadata']['namespace']}/{item['metadata']['name']}" for item in body["items"]]


@pytest.fixture
async def world(server: Running) -> World:
    for namespace in ("first", "second", "third", "empty"):
        await server.parts.store.create(
            f"/registry/namespaces/{namespace}",
            {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": namespace}, "status": {"phase": "Active"}},
        )
        account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
        code, _ = await server.call("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", account)
        assert code == 201
    _, before = await server.call("GET", PODS)
    writes = []
    for namespace, name in (
        ("first", "bar"),
        ("second", "bar"),
        ("second", "foo"),
        ("third", "barfoo"),
        ("third", "foo"),
        ("second", "baz"),
    ):
        code, made = await server.call("POST", f"/api/v1/namespaces/{namespace}/pods", pod(name))
        assert code == 201, made
        writes.append(int(made["metadata"]["resourceVersion"]))
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "bar"}, "target": {"name": "fake"}}
    code, answer = await server.call("POST", "/api/v1/namespaces/first/pods/bar/binding", binding)
    assert code == 201, answer
    _, changed = await server.call("GET", "/api/v1/namespaces/first/pods/bar")
    writes.append(int(changed["metadata"]["resourceVersion"]))
    code, _ = await server.call("DELETE", "/api/v1/namespaces/second/pods/baz?gracePeriodSeconds=0")
    assert code == 200
    _, body = await server.call("GET", PODS)
    now = int(body["metadata"]["resourceVersion"])
    writes.append(now)
    await server.parts.etcd.compact(writes[0])
    return World(server, int(before["metadata"]["resourceVersion"]), writes, now)


ALL = ["first/bar", "second/bar", "second/foo", "third/barfoo", "third/foo"]
SECOND, FIRST, EMPTY = (f"/api/v1/namespaces/{name}/pods" for name in ("second", "first", "empty"))


async def test_what_a_list_shows_at_which_version(world: World) -> None:
    w = world.writes
    exact: dict[str, Any] = {"resourceVersionMatch": "Exact"}
    older: dict[str, Any] = {"resourceVersionMatch": "NotOlderThan"}
    with_baz = sorted([*ALL, "second/baz"])
    rows: list[tuple[str, dict[str, Any], list[str]]] = [
        (FIRST, {}, ["first/bar"]),
        (FIRST, {"resourceVersion": 0}, ["first/bar"]),
        (FIRST, {"resourceVersion": 0, **older}, ["first/bar"]),
        (FIRST, {"resourceVersion": world.initial, **older}, ["first/bar"]),
        (FIRST, {"resourceVersion": w[0], **exact}, ["first/bar"]),
        (SECOND, {"resourceVersion": w[0], **exact}, []),
        (SECOND, {"resourceVersion": w[1], **exact}, ["second/bar"]),
        (FIRST, {"resourceVersion": world.now}, ["first/bar"]),
        (FIRST, {"resourceVersion": world.now, **exact}, ["first/bar"]),
        (FIRST, {"resourceVersion": world.now, **older}, ["first/bar"]),
        (EMPTY, {}, []),
        (EMPTY, {"resourceVersion": 0}, []),
        (FIRST, {"fieldSelector": "metadata.name!=bar"}, []),
        (PODS, {}, ALL),
        (PODS, {"resourceVersion": world.now, **older}, ALL),
        (PODS, {"resourceVersion": w[0], **exact}, ALL[:1]),
        (PODS, {"resourceVersion": w[2], **exact}, ALL[:3]),
        (PODS, {"resourceVersion": w[4], **exact}, ALL),
        (PODS, {"resourceVersion": w[5], **exact}, with_baz),
        (PODS, {"resourceVersion": w[6], **exact}, with_baz),
        (PODS, {"resourceVersion": w[7], **exact}, ALL),
        (PODS, {"fieldSelector": "metadata.name=foo", "limit": 2}, ["second/foo", "third/foo"]),
        (PODS, {"fieldSelector": "metadata.name=foo", "limit": 5}, ["second/foo", "third/foo"]),
        (PODS, {"fieldSelector": "spec.nodeName=fake", "resourceVersion": world.now, **older}, ["first/bar"]),
        (PODS, {"fieldSelector": "spec.nodeName=fake", "resourceVersion": w[5], **exact}, []),
        (PODS, {"fieldSelector": "metadata.name=baz", "resourceVersion": world.now, **older}, []),
        (PODS, {"labelSelector": "name in (barfoo)", "limit": 2}, ["third/barfoo"]),
        # A limit is not kept at version 0: what the cache has is cheap to give whole.
        (SECOND, {"resourceVersion": 0, "limit": 1}, ["second/bar", "second/foo"]),
        # A limit with a version means exactly that version.
        (PODS, {"resourceVersion": w[1], "limit": 5}, ALL[:2]),
        (SECOND, {"limit": 1, "continue": token("foo", world.now)}, ["second/foo"]),
        (SECOND, {"limit": 1, "continue": token("foo", world.now), "resourceVersion": 0}, ["second/foo"]),
        (PODS, {"continue": token("first/bar\0", w[0]), "limit": 1}, []),
        (PODS, {"continue": token("second/bar\0", w[5]), "limit": 2}, ["second/baz", "second/foo"]),
        (PODS, {"continue": token("second/foo\0", w[6]), "limit": 4}, ["third/barfoo", "third/foo"]),
        (PODS, {"continue": token("first/bar\0", -1)}, ALL[1:]),
        (PODS, {"continue": token("/third/a", world.now)}, ALL[3:]),
        (PODS, {"continue": token("third/a", world.now), "fieldSelector": "metadata.name=foo"}, ALL[4:]),
    ]
    wrong = [(path, query, found) for path, query, want in rows if (found := await world.names(path, **query)) != want]
    assert not wrong


async def test_which_version_a_list_says(world: World) -> None:
    exact: dict[str, Any] = {"resourceVersionMatch": "Exact"}
    rows: list[tuple[dict[str, Any], int]] = [
        ({}, world.now),
        ({"limit": 1}, world.now),
        ({"resourceVersion": world.writes[2], **exact}, world.writes[2]),
        ({"resourceVersion": world.writes[2], "limit": 1}, world.writes[2]),
        ({"continue": token("first/bar\0", world.writes[3])}, world.writes[3]),
        ({"continue": token("first/bar\0", -1)}, world.now),
        ({"resourceVersion": world.writes[2], "resourceVersionMatch": "NotOlderThan"}, world.now),
        ({"resourceVersion": 0}, world.now),
    ]
    for query, want in rows:
        code, body = await world.list(**query)
        assert (code, int(body["metadata"]["resourceVersion"])) == (200, want), query


async def test_a_list_is_as_new_as_writes_outside_its_resource(world: World) -> None:
    """RunTestConsistentList: another key raises the revision that a consistent list says, also of an empty list."""
    for query in ({}, {"continue": token("a", -1)}):
        await world.server.parts.store.create(
            f"/elsewhere/{len(query)}", {"kind": "X", "apiVersion": "v1", "metadata": {}}
        )
        at = await world.server.parts.fresh.revision()
        code, body = await world.list(EMPTY, **query)
        assert (code, body["metadata"]["resourceVersion"]) == (200, str(at))


async def test_what_a_page_says_of_the_rest(world: World) -> None:
    exact: dict[str, Any] = {"resourceVersionMatch": "Exact"}
    w, now = world.writes, world.now
    rows: list[tuple[str, dict[str, Any], str | None, int | None]] = [
        (SECOND, {"limit": 1}, "bar\0", 1),
        (SECOND, {"limit": 1, "resourceVersion": now}, "bar\0", 1),
        (SECOND, {"limit": 1, "resourceVersion": now, **exact}, "bar\0", 1),
        (SECOND, {"limit": 1, "resourceVersion": now, "resourceVersionMatch": "NotOlderThan"}, "bar\0", 1),
        (SECOND, {"limit": 1, "resourceVersion": w[1], **exact}, None, None),
        (SECOND, {"limit": 2}, None, None),
        (PODS, {"limit": 2, "resourceVersion": w[5], **exact}, "second/bar\0", 4),
        (PODS, {"limit": 2, "continue": token("second/bar\0", w[5])}, "second/foo\0", 2),
        (PODS, {"limit": 2, "continue": token("first/bar\0", -1)}, "second/foo\0", 2),
        (PODS, {"limit": 8}, None, None),
        # With a selector nobody knows how much is left.
        (PODS, {"limit": 1, "fieldSelector": "metadata.name=bar"}, "first/bar\0", None),
    ]
    for path, query, start, left in rows:
        code, body = await world.list(path, **query)
        metadata = body["metadata"]
        assert code == 200, body
        found = decoded(metadata["continue"])["start"] if "continue" in metadata else None
        assert (found, metadata.get("remainingItemCount")) == (start, left), (path, query)
        if found is not None:
            assert decoded(metadata["continue"])["rv"] == int(metadata["resourceVersion"])


async def test_a_walk_through_pages_shows_each_object_once_whatever_happens_meanwhile(world: World) -> None:
    """RunTestListContinuation, also with a selector that leaves objects out."""
    for selector in ("", "metadata.name!=barfoo"):
        found: list[str] = []
        at, cursor = "", ""
        for round_ in range(10):
            code, body = await world.list(limit=1, fieldSelector=selector, **({"continue": cursor} if cursor else {}))
            assert code == 200, body
            assert body["metadata"]["resourceVersion"] == (at := at or body["metadata"]["resourceVersion"])
            found += [f"{item['metadata']['namespace']}/{item['metadata']['name']}" for item in body["items"]]
            name = f"new{round_}{'x' if selector else ''}"
            await world.server.call("POST", FIRST, pod(name))
            cursor = body["metadata"].get("continue", "")
            if not cursor:
                break
        old = [name for name in found if "/new" not in name]
        assert old == [name for name in ALL if not selector or name != "third/barfoo"]
        assert len(found) == len(set(found))
        assert not {name for name in found if name.endswith("x")}


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("resourceVersion=abc", 400, 'Invalid value: "abc"'),
        ("resourceVersion=-1", 400, 'Invalid value: "-1"'),
        ("resourceVersion=1&continue={token}", 400, "specifying resource version is not allowed when using continue"),
        (
            "resourceVersionMatch=Exact",
            422,
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        ("resourceVersion=0&resourceVersionMatch=Invalid", 422, 'resourceVersionMatch: Unsupported value: "Invalid"'),
        ("resourceVersion=0&resourceVersionMatch=Exact", 422, '"exact" is forbidden for resourceVersion "0"'),
        ("resourceVersion=0&resourceVersionMatch=NotOlderThan&continue={token}", 422, "when continue is provided"),
        ("sendInitialEvents=true", 422, "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"),
        ("limit=1_0", 400, 'strconv.ParseInt: parsing "1_0": invalid syntax'),
        ("limit=ten", 400, 'strconv.ParseInt: parsing "ten": invalid syntax'),
        ("continue=broken", 400, "invalid continue token: continue key is not valid"),
        ("continue={empty}", 400, "encoded start key empty"),
        ("continue={nowhen}", 400, "incorrect encoded start resourceVersion"),
        ("continue={climbs}", 400, "continue key is not valid: ../../secrets/"),
        ("continue={other}", 400, "does not recognize this encoded version v9"),
        ("fieldSelector=metadata.name%3D%3D%3D", 400, "invalid"),
        ("fieldSelector=spec.colour%3Dred", 400, "field label not supported: spec.colour"),
        ("labelSelector=a%20in%20b", 400, "unable to parse requirement"),
    ],
)
async def test_a_list_that_cannot_be_meant_is_refused(server: Running, query: str, code: int, message: str) -> None:
    tokens = {
        "token": token("a", 5),
        "empty": token("", 5),
        "nowhen": token("a", 0),
        "climbs": token("../../secrets/", 5),
        "other": token("a", 5, "v9"),
    }
    got, body = await server.call("GET", f"{PODS}?{query.format(**tokens)}")
    assert (got, body["reason"]) == (code, "BadRequest" if code == 400 else "Invalid")
    assert message in body["message"]


@pytest.mark.parametrize(
    "query", [f"resourceVersion={FUTURE}&resourceVersionMatch=Exact", f"resourceVersion={FUTURE}&limit=1"]
)
async def test_an_exact_version_that_is_not_yet(server: Running, query: str) -> None:
    code, body = await server.call("GET", f"{PODS}?{query}")
    assert (code, body["reason"]) == (504, "Timeout")
    assert body["message"].startswith(f"Timeout: Too large resource version: {FUTURE}, current: ")
    assert body["details"]["causes"] == [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]


async def test_a_version_that_is_not_yet_is_waited_for_and_given_up(world: World) -> None:
    ahead = world.now + 1000
    for path in (f"{PODS}?resourceVersion={ahead}", f"{FIRST}/bar?resourceVersion={ahead}"):
        code, body = await world.server.call("GET", path)
        assert (code, body["reason"], body["details"]["retryAfterSeconds"]) == (504, "Timeout", 1)
        assert body["message"] == f"Timeout: Too large resource version: {ahead}, current: {world.now}"


async def test_a_version_that_is_forgotten(world: World) -> None:
    code, body = await world.list(resourceVersion=world.initial, resourceVersionMatch="Exact")
    assert (code, body["reason"]) == (410, "Expired")
    assert body["message"] == "The resourceVersion for the provided list is too old."


async def test_an_expired_token_comes_with_one_that_goes_on(world: World) -> None:
    """RunTestListInconsistentContinuation."""
    _, first = await world.list(limit=1)
    cursor = first["metadata"]["continue"]
    assert [item["metadata"]["name"] for item in first["items"]] == ["bar"]
    await world.server.call("POST", SECOND, pod("a-late"))
    await world.server.parts.etcd.compact(await world.server.parts.fresh.wait())
    code, gone = await world.list(**{"continue": cursor})
    assert (code, gone["reason"]) == (410, "Expired")
    assert gone["message"].startswith(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list "
        "without the continue parameter, or use the continue token in this response to retrieve the remainder"
    )
    fresh = gone["metadata"]["continue"]
    assert decoded(fresh) == {"v": "meta.k8s.io/v1", "rv": -1, "start": "first/bar\0"}
    code, second = await world.list(limit=2, **{"continue": fresh})
    assert code == 200
    assert [item["metadata"]["name"] for item in second["items"]] == ["a-late", "bar"]
    code, third = await world.list(**{"continue": second["metadata"]["continue"]})
    assert third["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]
    assert [item["metadata"]["name"] for item in third["items"]] == ["foo", "barfoo", "foo"]


async def test_a_namespace_is_not_a_prefix_of_another(world: World) -> None:
    """RunTestGetListRecursivePrefix: `sec` and `second` have nothing in common but letters."""
    for path in ("/api/v1/namespaces/sec/pods", "/api/v1/namespaces/second-2/pods"):
        for query in ({}, {"resourceVersion": 0}, {"resourceVersion": world.now, "resourceVersionMatch": "Exact"}):
            assert await world.names(path, **query) == []
    # A token of one namespace shows nothing of another.
    leak = token("../first/", world.now)
    code, _ = await world.list(SECOND, **{"continue": leak})
    assert code == 400
    assert await world.names(SECOND, **{"continue": token("a", world.now)}) == ["second/bar", "second/foo"]
