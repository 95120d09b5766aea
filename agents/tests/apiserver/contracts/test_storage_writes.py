"""Writes: preconditions, conflicts, retries, expiry, and values that cannot be read.

What the write contracts of k8s.io/apiserver pkg/storage/testing (store_tests.go) check, through HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from aetcd import rpc
from apiserver_harness import Running

pytestmark = pytest.mark.etcd

HERE = "/api/v1/namespaces/default/configmaps"
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"
MERGE = "application/merge-patch+json"


def config_map(name: str = "x", value: str = "1", **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, **metadata},
        "data": {"v": value},
    }


async def made(server: Running, name: str = "x", **metadata: Any) -> dict[str, Any]:
    code, body = await server.call("POST", HERE, config_map(name, **metadata))
    assert code == 201, body
    found: dict[str, Any] = body
    return found


async def test_a_create_may_not_say_which_version(server: Running) -> None:
    """RunTestCreate: resourceVersion should not be set on objects to be created."""
    code, body = await server.call("POST", HERE, config_map(resourceVersion="5"))
    assert (code, body["message"]) == (500, "resourceVersion should not be set on objects to be created")


async def test_an_update_from_an_old_version_loses(server: Running) -> None:
    obj = await made(server)
    assert (await server.call("PUT", f"{HERE}/x", {**obj, "data": {"v": "2"}}))[0] == 200
    code, body = await server.call("PUT", f"{HERE}/x", {**obj, "data": {"v": "3"}})
    assert (code, body["reason"]) == (409, "Conflict")
    assert body["message"] == f'Operation cannot be fulfilled on configmaps "x": {MODIFIED}'
    assert body["details"] == {"name": "x", "kind": "configmaps"}


async def test_an_update_of_another_incarnation_is_refused(server: Running) -> None:
    obj = await made(server)
    await server.call("DELETE", f"{HERE}/x")
    code, body = await server.call("PUT", f"{HERE}/x", obj)
    # The uid is looked at before it matters that there is no such object.
    assert (code, body["reason"]) == (409, "Conflict")
    head = 'Operation cannot be fulfilled on configmaps "x": StorageError: invalid object, Code: 4'
    where = "Key: /registry/configmaps/default/x, ResourceVersion: 0"
    why = f"Precondition failed: UID in precondition: {obj['metadata']['uid']}, UID in object meta: "
    assert body["message"] == f"{head}, {where}, AdditionalErrorMsg: {why}"
    bare = {key: value for key, value in obj["metadata"].items() if key != "uid"}
    code, body = await server.call("PUT", f"{HERE}/x", {**obj, "metadata": bare})
    assert (code, body["reason"]) == (404, "NotFound")
    again = await made(server)
    code, body = await server.call(
        "PUT", f"{HERE}/x", {**again, "metadata": {**again["metadata"], "uid": obj["metadata"]["uid"]}}
    )
    assert (code, body["reason"]) == (409, "Conflict")
    wanted, have = obj["metadata"]["uid"], again["metadata"]["uid"]
    assert f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {have}" in body["message"]


async def test_of_many_updates_from_one_version_exactly_one_wins(server: Running) -> None:
    for round_ in range(5):
        obj = await made(server, f"x{round_}")
        path = f"{HERE}/x{round_}"
        answers = await asyncio.gather(
            *(server.call("PUT", path, {**obj, "data": {"v": str(number)}}) for number in range(2, 18))
        )
        assert sorted(code for code, _ in answers) == [200] + [409] * 15
        (winner,) = [body for code, body in answers if code == 200]
        assert (await server.call("GET", path))[1] == winner


async def test_patches_without_a_version_are_all_done(server: Running) -> None:
    """RunTestGuaranteedUpdateWithConflict: a patch that names no version is tried again."""
    await made(server)
    answers = await asyncio.gather(
        *(server.call("PATCH", f"{HERE}/x", {"data": {f"k{number}": "1"}}, Content_Type=MERGE) for number in range(12))
    )
    assert {code for code, _ in answers} == {200}
    _, obj = await server.call("GET", f"{HERE}/x")
    assert sorted(obj["data"]) == sorted(["v", *(f"k{number}" for number in range(12))])
    versions = [int(body["metadata"]["resourceVersion"]) for _, body in answers]
    assert len(set(versions)) == 12


async def test_a_patch_with_a_version_is_done_on_that_one_only(server: Running) -> None:
    obj = await made(server)
    patch = {"metadata": {"resourceVersion": obj["metadata"]["resourceVersion"]}, "data": {"v": "2"}}
    assert (await server.call("PATCH", f"{HERE}/x", patch, Content_Type=MERGE))[0] == 200
    code, body = await server.call("PATCH", f"{HERE}/x", patch, Content_Type=MERGE)
    assert (code, body["reason"]) == (409, "Conflict")
    assert MODIFIED in body["message"]


async def test_an_update_that_changes_nothing_is_no_write(server: Running) -> None:
    """RunTestGuaranteedUpdate: no event, the same version."""
    obj = await made(server)
    code, same = await server.call("PUT", f"{HERE}/x", obj)
    assert (code, same["metadata"]["resourceVersion"]) == (200, obj["metadata"]["resourceVersion"])
    at = obj["metadata"]["resourceVersion"]
    async with server.watch(f"{HERE}?watch=1&resourceVersion={at}") as events:
        assert await events.silent()


async def test_a_delete_keeps_to_its_preconditions(server: Running) -> None:
    """RunTestConditionalDelete, RunTestPreconditionalDeleteWithSuggestion."""
    obj = await made(server)
    uid, version = obj["metadata"]["uid"], obj["metadata"]["resourceVersion"]
    for what, field, right, hint in (
        ("UID", "uid", uid, "deleted and then recreated"),
        ("ResourceVersion", "resourceVersion", version, "modified"),
    ):
        code, body = await server.call("DELETE", f"{HERE}/x", {"preconditions": {field: "1"}})
        assert (code, body["reason"]) == (409, "Conflict")
        differ = f"the {what} in the precondition (1) does not match the {what} in record ({right})"
        text = f"{differ}. The object might have been {hint}"
        assert body["message"] == f'Operation cannot be fulfilled on ConfigMap "x": {text}'
    met = {"preconditions": {"uid": uid, "resourceVersion": version}}
    assert (await server.call("DELETE", f"{HERE}/x", met))[0] == 200
    code, body = await server.call("DELETE", f"{HERE}/x", met)
    assert (code, body["message"]) == (404, 'configmaps "x" not found')


async def test_of_many_deletes_one_succeeds(server: Running) -> None:
    await made(server)
    answers = await asyncio.gather(*(server.call("DELETE", f"{HERE}/x") for _ in range(8)))
    assert sorted(code for code, _ in answers) == [200] + [404] * 7


async def test_a_delete_and_an_update_at_once_leave_one_truth(server: Running) -> None:
    """RunTestDeleteWithConflict."""
    for round_ in range(10):
        obj = await made(server, f"x{round_}")
        path = f"{HERE}/x{round_}"
        version = obj["metadata"]["resourceVersion"]
        (updated, _), (deleted, _) = await asyncio.gather(
            server.call("PUT", path, {**obj, "data": {"v": "2"}}),
            server.call("DELETE", path, {"preconditions": {"resourceVersion": version}}),
        )
        left, _ = await server.call("GET", path)
        assert (updated, deleted, left) in {(200, 409, 200), (404, 200, 404), (409, 200, 404)}


async def test_a_collection_is_deleted_by_its_selection_alone(server: Running) -> None:
    for name, labels in (("a", {"x": "1"}), ("b", {"x": "1"}), ("c", {"x": "2"})):
        await made(server, name, labels=labels)
    await made(server, "kept", labels={"x": "1"}, finalizers=["example.com/hold"])
    code, body = await server.call("DELETE", f"{HERE}?labelSelector=x%3D1")
    assert (code, body["kind"]) == (200, "ConfigMapList")
    assert [item["metadata"]["name"] for item in body["items"]] == ["a", "b", "kept"]
    _, left = await server.call("GET", HERE)
    names = {item["metadata"]["name"]: item["metadata"] for item in left["items"]}
    assert set(names) == {"c", "kept"}
    assert names["kept"]["deletionTimestamp"]


async def test_namespaces_and_names_with_a_common_beginning_are_apart(server: Running) -> None:
    """RunTestGetListNonRecursive, RunTestKeySchema."""
    code, _ = await server.call("POST", "/api/v1/namespaces", {"kind": "Namespace", "metadata": {"name": "defaul"}})
    assert code == 201
    await made(server, "ab")
    await made(server, "a")
    other = "/api/v1/namespaces/defaul/configmaps"
    assert (await server.call("GET", f"{other}/a"))[0] == 404
    assert (await server.call("DELETE", other))[1]["items"] == []
    assert (await server.call("DELETE", f"{HERE}/a"))[0] == 200
    assert (await server.call("GET", f"{HERE}/ab"))[0] == 200


async def test_an_event_goes_when_its_time_is_over(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """RunTestCreateWithTTL: whoever watches is told, after everything that came before."""
    events = "/api/v1/namespaces/default/events"
    monkeypatch.setattr("tricenter.apiserver.storage.leases._SHARED_SECONDS", 1)
    server.parts.writes._leases._ttl = 1
    involved = {"kind": "Pod", "namespace": "default", "name": "p"}
    body = {"kind": "Event", "apiVersion": "v1", "metadata": {"name": "e"}, "involvedObject": involved}
    code, made_ = await server.call("POST", events, body)
    assert code == 201, made_
    at = int(made_["metadata"]["resourceVersion"])
    async with server.watch(f"{events}?watch=1&resourceVersion={at}") as seen:
        event = await seen.next()
        assert event is not None
        assert (event["type"], event["object"]["metadata"]["name"]) == ("DELETED", "e")
        assert int(event["object"]["metadata"]["resourceVersion"]) > at
    assert (await server.call("GET", f"{events}/e"))[0] == 404


# --- values that cannot be read ---


_BROKEN = {
    b"\xff\xfe no JSON": "is no object",
    b'["a list"]': "is no object",
    b'{"kind":"ConfigMap"}': "is no object",
    b'{"metadata":{"labels":["a"]}}': "is no object",
    b"k8s:enc:aesgcm:v1:other:noise": "the configuration has no key for it",
}
"""Values, and what is said of them."""


@pytest.fixture(params=_BROKEN)
async def broken(server: Running, request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    """A server whose store has one value that is no object, between two that are."""
    for name in ("a", "c"):
        await made(server, name)
    obj = await made(server, "b")
    await raw(server, "b", request.param)
    yield server
    assert obj["metadata"]["name"] == "b"


async def raw(server: Running, name: str, value: bytes) -> None:
    put = rpc.RequestOp(request_put=rpc.PutRequest(key=f"/registry/configmaps/default/{name}".encode(), value=value))
    await server.parts.etcd.txn(rpc.TxnRequest(success=[put]))
    await server.parts.fresh.wait()


async def test_a_value_that_is_no_object_is_an_error_of_its_own(
    broken: Running, request: pytest.FixtureRequest
) -> None:
    """RunTestTransformationFailure, RunTestGetListWithErrorAggregation."""
    code, body = await broken.call("GET", f"{HERE}/b")
    assert (code, body["reason"]) == (500, "InternalError")
    assert "/registry/configmaps/default/b" in body["message"]
    for method, data in (("PUT", config_map("b")), ("DELETE", None)):
        code, body = await broken.call(method, f"{HERE}/b", data)
        assert (code, body["reason"]) == (500, "InternalError")
        assert _BROKEN[request.node.callspec.params["broken"]] in body["message"]
    for path in (HERE, "/api/v1/configmaps", f"{HERE}?resourceVersion=0", f"{HERE}?limit=1", f"{HERE}?labelSelector=x"):
        code, body = await broken.call("GET", path)
        # A list without it would say that it does not exist.
        assert (code, body["reason"]) == (500, "StoreReadError")
        assert [cause["field"] for cause in body["details"]["causes"]] == ["/registry/configmaps/default/b"]
    at = await broken.parts.fresh.revision()
    code, body = await broken.call("GET", f"{HERE}?resourceVersion={at}&resourceVersionMatch=Exact")
    assert (code, body["reason"]) == (500, "StoreReadError")
    # Everything else goes on.
    for path in (f"{HERE}/a", f"{HERE}/c", "/api/v1/namespaces/kube-system/configmaps", "/api/v1/secrets", "/readyz"):
        async with broken.session.get(broken.base + path) as answer:
            assert answer.status == 200, path
    assert (await broken.call("PUT", f"{HERE}/a", config_map("a", "2")))[0] == 200


async def test_watchers_are_not_told_that_a_damaged_object_is_gone(server: Running) -> None:
    """Until it is mended or really gone: a controller must not act on a deletion that did not happen."""
    obj = await made(server)
    at = int(obj["metadata"]["resourceVersion"])
    key = b"/registry/configmaps/default/x"
    good = (await server.parts.etcd.range(rpc.RangeRequest(key=key))).kvs[0].value
    async with server.watch(f"{HERE}?watch=1&resourceVersion={at}") as events:
        await raw(server, "x", b"damaged")
        await raw(server, "x", good)
        ((kind, name, revision),) = await events.short(1)
        assert (kind, name, revision) == ("MODIFIED", "x", at + 2)
        await raw(server, "x", b"damaged")
        await server.parts.etcd.txn(
            rpc.TxnRequest(success=[rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key=key))])
        )
        assert await events.short(1) == [("DELETED", "x", at + 4)]
    assert (await server.call("GET", HERE))[0] == 200


async def test_a_server_reads_a_store_with_damaged_values_anew(broken: Running) -> None:
    broken.parts.mirror.revision = 0
    await broken.parts.mirror._load()
    assert (await broken.call("GET", f"{HERE}/a"))[0] == 200
    assert (await broken.call("GET", HERE))[1]["reason"] == "StoreReadError"


async def test_a_value_larger_than_etcd_takes_is_refused(server: Running) -> None:
    role: dict[str, Any] = {"kind": "Role", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "x"}}
    role["rules"] = [{"apiGroups": [""], "resources": ["x" * 2_000_000], "verbs": ["get"]}]
    path = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles"
    code, body = await server.call("POST", path, orjson.dumps(role), Content_Type="application/json")
    assert (code, body["reason"]) == (413, "RequestEntityTooLarge")
    assert body["message"] == "etcdserver: request is too large"
