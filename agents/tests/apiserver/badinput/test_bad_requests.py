"""Requests that nobody should send: a clear Status for them, and no effect on others."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
import yarl
from apiserver_harness import Running

from tricenter.apiserver import connections, errors
from tricenter.apiserver.protobuf import decode

pytestmark = pytest.mark.etcd

HERE = "/api/v1/namespaces/default/configmaps"
JSON, YAML = "application/json", "application/yaml"
MERGE, STRATEGIC, PATCH, APPLY = (
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/json-patch+json",
    "application/apply-patch+yaml",
)
X = b'{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x"}'


@pytest.fixture(autouse=True)
def no_traceback(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing unforeseen happens inside the server."""
    yield
    assert not [record for record in caplog.records if record.exc_info and record.levelno >= logging.ERROR]


async def sent(server: Running, method: str, path: str, body: bytes, media: str) -> tuple[int, Any]:
    return await server.call(method, path, body, Content_Type=media)


@pytest.mark.parametrize(
    ("body", "media", "code", "message"),
    [
        (b"", JSON, 400, "unrecognized"),
        (b"{", JSON, 400, "unrecognized"),
        (X, JSON, 400, "unrecognized"),
        (X + b"}}", JSON, 400, "unrecognized"),
        (b"null", JSON, 400, "not an object"),
        (b"[1]", JSON, 400, "not an object"),
        (b'"text"', JSON, 400, "not an object"),
        (b'{"kind":"ConfigMap","apiVersion":"v1","metadata":[]}', JSON, 400, "metadata is not an object"),
        (b'{"kind":"Secret","apiVersion":"v1","metadata":{"name":"x"}}', JSON, 400, "does not match the expected API"),
        (
            b'{"kind":"ConfigMap","apiVersion":"v2","metadata":{"name":"x"}}',
            JSON,
            400,
            "does not match the expected API",
        ),
        (b'{"kind":{},"apiVersion":[],"metadata":{"name":"x"}}', JSON, 400, ""),
        (b'{"metadata":{"name":"\xff\xfe"}}', JSON, 400, "unrecognized"),
        (b'{"metadata":{"name":"\\ud800"}}', JSON, 400, "unrecognized"),
        (
            b'{"metadata":{"name":7}}',
            JSON,
            400,
            "cannot unmarshal number into Go struct field ObjectMeta.metadata.name",
        ),
        (b'{"metadata":{"name":"UPPER_case"}}', JSON, 422, "metadata.name: Invalid value"),
        (b'{"metadata":{"name":"' + b"x" * 300 + b'"}}', JSON, 422, "metadata.name"),
        (b'{"metadata":{}}', JSON, 422, "name or generateName is required"),
        (b'{"metadata":{"name":"x","labels":{"a b":"c"}}}', JSON, 422, "metadata.labels"),
        (b'{"metadata":{"name":"x","labels":["a"]}}', JSON, 400, "of type map[string]string"),
        (b'{"metadata":{"name":"x"},"data":{"a":1}}', JSON, 400, "ConfigMap.data of type string"),
        (X + b',"data":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, JSON, 400, ""),
        (X + b',"data":' + b'{"a":' * 600 + b"1" + b"}" * 601, JSON, 400, "exceeded max depth"),
        (X + b',"data":' + b'{"a":' * 240 + b"1" + b"}" * 241, JSON, 400, ""),
        (X + b',"data":' + b"[" * 100_000, JSON, 400, "unrecognized"),
        (b"a: [1, 2", YAML, 400, "error converting YAML to JSON"),
        (b"a: \xff\xfe", YAML, 400, "error converting YAML to JSON"),
        (b"a: &a [1]\nb: [*a, *a]\n", YAML, 400, "aliases are not accepted"),
        (b"a: " + b"[" * 5000, YAML, 400, "nested too deeply"),
        (b"- " * 1_000_000, YAML, 400, "nested too deeply"),
        (b"[{b: " * 100_000, YAML, 400, "nested too deeply"),
        (b"? " * 100_000, YAML, 400, "a key of a map is no scalar"),
        (b"%TAG !a! b\n" * 200_000 + b"--- {}", YAML, 400, "too many directives"),
        (b"? {a: 1}\n: b\n", YAML, 400, "error converting YAML to JSON"),
        (b"!!python/object/apply:os.system ['true']", YAML, 400, "error converting YAML to JSON"),
        (b"--- {}\n--- {}\n", YAML, 400, "error converting YAML to JSON"),
        (b"\0\1\2", "application/vnd.kubernetes.protobuf", 400, ""),
        (b"k8s\0" + b"\xff" * 50, "application/vnd.kubernetes.protobuf", 400, ""),
        (X + b"}", "text/html", 415, "unknown format"),
        (X + b"}", "application/vnd.ms-excel", 415, "unknown format"),
        (X + b',"data":{"a":"' + b"x" * (3 << 20) + b'"}}', JSON, 413, "limit is 3145728"),
    ],
)
async def test_a_body_that_is_no_object(server: Running, body: bytes, media: str, code: int, message: str) -> None:
    got, answer = await sent(server, "POST", HERE, body, media)
    assert (answer["kind"], answer.get("status"), answer.get("code")) == ("Status", "Failure", got), answer
    assert got == code, answer
    assert message in answer["message"]
    assert (await server.call("GET", f"{HERE}/x"))[0] == 404


@pytest.mark.parametrize(
    ("body", "media", "says"),
    [
        (X + b',"data":{"a":"1","a":"2"}}', JSON, 'duplicate field "data.a"'),
        (X + b',"data":{"a":"1"},"data":{"b":"2"}}', JSON, 'duplicate field "data"'),
        (X + b',"colour":"red"}', JSON, 'unknown field "colour"'),
        (b"metadata:\n  name: x\ndata:\n  a: '1'\n  a: '2'\n", YAML, 'line 5: key "a" already set in map'),
    ],
)
async def test_what_is_said_twice_or_unknown(server: Running, body: bytes, media: str, says: str) -> None:
    """KEP-2885: fieldValidation is Warn when nothing is said."""
    code, answer = await sent(server, "POST", f"{HERE}?fieldValidation=Strict", body, media)
    assert (code, answer["reason"]) == (400, "BadRequest")
    assert (
        answer["message"]
        == f'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: {says}'
    )
    for level, warned in (("Ignore", []), ("Warn", [f'299 - "{says}"'.replace('"', '\\"')]), ("", [says])):
        headers = {"Content-Type": media}
        url = f"{server.base}{HERE}?dryRun=All&fieldValidation={level}"
        async with server.session.post(url, data=body, headers=headers) as response:
            assert response.status == 201
            assert len(response.headers.getall("Warning", [])) == len(warned)
    code, answer = await sent(server, "POST", f"{HERE}?fieldValidation=Perhaps", body, media)
    assert (code, answer["details"]["causes"][0]["field"]) == (422, "fieldValidation")


@pytest.mark.parametrize(
    ("body", "media", "code", "message"),
    [
        (b"{", MERGE, 400, ""),
        (b"[]", MERGE, 400, ""),
        (b'"x"', STRATEGIC, 400, ""),
        (b"{}", PATCH, 400, "cannot unmarshal object"),
        (b'[{"op":"fly","path":"/data"}]', PATCH, 422, ""),
        (b'[{"op":{},"path":"/data"}]', PATCH, 422, ""),
        (b'{"metadata":{"$patch":[{}]}}', STRATEGIC, 422, ""),
        (b'{"data":{"$retainKeys":[[]],"a":"b"}}', STRATEGIC, 422, ""),
        (b'[{"op":"remove","path":"/nowhere"}]', PATCH, 422, ""),
        (b'[{"op":"add"}]', PATCH, 422, ""),
        (b"[7]", PATCH, 422, ""),
        (b'[{"op":"add","path":"data","value":1}]', PATCH, 422, ""),
        (b'[{"op":"replace","path":"","value":7}]', PATCH, 400, ""),
        (b'[{"op":"test","path":"/data/v","value":"other"}]', PATCH, 422, ""),
        (b"[" + b",".join([b'{"op":"test","path":"/a"}'] * 10_001) + b"]", PATCH, 413, "maximum operations"),
        (b'{"data":7}', MERGE, 422, "cannot unmarshal number into Go struct field ConfigMap.data"),
        (b'{"metadata":{"name":"other"}}', MERGE, 400, "does not match"),
        (b'{"data":' + b'{"a":' * 300 + b"1" + b"}" * 301, MERGE, 400, "exceeded max depth"),
        (b'{"data":{"$patch":"explode"}}', STRATEGIC, 400, ""),
        (b"{}", APPLY, 400, "fieldManager"),
        (b"{}", "text/plain", 415, "unknown format"),
        (b"\xff", MERGE, 400, ""),
    ],
)
async def test_a_patch_that_is_none(server: Running, body: bytes, media: str, code: int, message: str) -> None:
    made = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "p"}, "data": {"v": "1"}}
    _, before = await server.call("POST", HERE, made)
    got, answer = await sent(server, "PATCH", f"{HERE}/p", body, media)
    assert got in {400, 413, 415, 422}, answer
    assert (answer["kind"], answer["status"]) == ("Status", "Failure")
    assert got == code or {got, code} == {400, 422}, answer
    assert message in answer["message"]
    assert (await server.call("GET", f"{HERE}/p"))[1] == before


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", f"{HERE}/a%00b", 404),
        ("GET", f"{HERE}/%2e%2e", 404),
        ("GET", f"{HERE}/..%2f..%2fsecrets", 404),
        ("GET", "/api/v1/namespaces/default/configmaps//x", 404),
        ("GET", "/api/v9/pods", 404),
        ("GET", "/apis/none.example.com/v1/things", 404),
        ("GET", "/" + "a/" * 2000, 404),
        ("GET", f"{HERE}/x/status/y", 404),
        ("GET", f"{HERE}?labelSelector=%ff%fe", 400),
        ("GET", f"{HERE}?labelSelector=((((", 400),
        ("GET", f"{HERE}?labelSelector=a%20in%20(", 400),
        ("GET", f"{HERE}?limit=-1", 200),
        ("GET", f"{HERE}?limit=99999999999999999999", 400),
        ("GET", f"{HERE}?limit=" + "9" * 5000, 400),
        ("GET", f"{HERE}?limit=1_0", 400),
        ("GET", f"{HERE}?resourceVersion=" + "9" * 5000, 400),
        ("GET", f"{HERE}?timeoutSeconds=x&watch=1", 400),
        ("GET", f"{HERE}?resourceVersion=99999999999999999999999", 400),
        ("PUT", HERE, 405),
        ("POST", f"{HERE}/x", 405),
        ("OPTIONS", HERE, 405),
        ("DELETE", f"{HERE}/x?gracePeriodSeconds=soon", 400),
        ("DELETE", f"{HERE}/x?propagationPolicy=Sideways", 422),
        ("DELETE", f"{HERE}/x?dryRun=Perhaps", 422),
    ],
)
async def test_a_path_or_parameter_that_means_nothing(server: Running, method: str, path: str, code: int) -> None:
    headers = {"Content-Type": JSON}
    url = yarl.URL(server.base + path, encoded=True)
    async with server.session.request(method, url, headers=headers, data=b"{}" if method[0] == "P" else None) as answer:
        body = await answer.json(content_type=None)
    assert (answer.status, body["kind"]) == (code, "Status" if code != 200 else "ConfigMapList"), body


@pytest.mark.parametrize(
    ("body", "media"),
    [
        (b'{"dryRun":7}', JSON),
        (b'{"preconditions":[1]}', JSON),
        (b'{"preconditions":{"uid":{}}}', JSON),
        (b'{"gracePeriodSeconds":"soon"}', JSON),
        (b'{"gracePeriodSeconds":1e400}', JSON),
        (b'{"propagationPolicy":{}}', JSON),
        (b"orphanDependents: [1]", YAML),
        (b"[]", JSON),
    ],
)
async def test_options_of_a_delete_that_are_none(server: Running, body: bytes, media: str) -> None:
    made = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "d"}}
    await server.call("POST", HERE, made)
    for path in (HERE, f"{HERE}/d"):
        code, answer = await sent(server, "DELETE", path, body, media)
        assert (code, answer["kind"], answer["reason"]) == (400, "Status", "BadRequest"), answer
    assert (await server.call("GET", f"{HERE}/d"))[0] == 200


async def test_an_end_that_is_too_far_away_for_a_calendar(server: Running) -> None:
    made = {"kind": "ConfigMap", "metadata": {"name": "kept", "finalizers": ["example.com/wait"]}}
    assert (await server.call("POST", HERE, made))[0] == 201
    assert (await server.call("DELETE", f"{HERE}/kept", {"gracePeriodSeconds": 2**63 - 1}))[0] == 200
    for far in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        lease = {"metadata": {"name": f"far{far[0]}"}, "spec": {"renewTime": far, "acquireTime": far}}
        code, answer = await server.call("POST", "/apis/coordination.k8s.io/v1/namespaces/default/leases", lease)
        assert (code, answer["kind"]) == (201, "Lease"), answer
    async with server.watch(f"{HERE}?watch=1&timeoutSeconds={2**63 - 1}") as events:
        assert await events.next() is not None


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/apis/apps/v1/namespaces/default/deployments/x/scale", b'{"spec":7}'),
        ("POST", "/api/v1/namespaces/default/pods/x/binding", b'{"target":[1]}'),
        ("POST", "/api/v1/namespaces/default/pods/x/eviction", b'{"deleteOptions":"now"}'),
        ("POST", "/api/v1/namespaces/default/serviceaccounts/x/token", b'{"spec":[]}'),
        ("POST", "/api/v1/namespaces/default/serviceaccounts/x/token", b'{"spec":{"boundObjectRef":{"name":{}}}}'),
        ("PUT", "/api/v1/namespaces/default/finalize", b'{"spec":{"finalizers":{}}}'),
    ],
)
async def test_a_subresource_of_another_shape(server: Running, method: str, path: str, body: bytes) -> None:
    code, answer = await sent(server, method, path, body, JSON)
    assert (code, answer["reason"]) == (400, "BadRequest"), answer
    assert "cannot be handled as a" in answer["message"]


async def test_nulls_in_lists_are_zero_values_as_in_upstreams_decoder(server: Running) -> None:
    """What is stored can be shown: one object must not spoil the list that it is in."""
    endpoints = {
        "metadata": {"name": "e"},
        "subsets": [{"addresses": [{"ip": "10.1.2.3"}, None], "ports": [None]}, None],
    }
    driver = {"metadata": {"name": "d"}, "spec": {"volumeLifecycleModes": ["Persistent", None]}}
    stateful = {"metadata": {"name": "s"}, "spec": {"template": {"spec": {"hostAliases": [None]}}}}
    for path, body in (
        ("/api/v1/namespaces/default/endpoints", endpoints),
        ("/apis/storage.k8s.io/v1/csidrivers", driver),
        ("/apis/apps/v1/namespaces/default/statefulsets", stateful),
    ):
        code, answer = await server.call("POST", path, body)
        assert code in {201, 422}, answer
        table = "application/json;as=Table;v=v1;g=meta.k8s.io"
        assert (await server.call("GET", path, Accept=table))[0] == 200


@pytest.mark.parametrize("fields", [7, [], {"f:metadata": 7}, {"f:metadata": {"f:labels": []}}, {"x": {}}])
async def test_owners_that_cannot_be_read_are_nobody(server: Running, fields: Any) -> None:
    entry = {"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields}
    body = {"metadata": {"name": "owned", "managedFields": [entry]}, "data": {"a": "b"}}
    code, answer = await server.call("POST", f"{HERE}?fieldManager=me", body)
    assert code == 201 or answer["reason"] in {"Invalid", "BadRequest"}, answer
    if code == 201:
        assert [item["manager"] for item in answer["metadata"]["managedFields"]] == ["me"]


async def test_warnings_of_hundreds_of_fields_fit_into_a_head(server: Running) -> None:
    body = {"metadata": {"name": "w"}, **{f"field{number}": 1 for number in range(500)}}
    async with server.session.post(f"{server.base}{HERE}", json=body) as answer:
        warnings = answer.headers.getall("Warning")
    assert answer.status == 201
    assert len(warnings) == 100


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/namespaces/default/secrets", {"metadata": {"name": "x"}, "stringData": "text"}),
        ("/api/v1/namespaces/default/secrets", {"metadata": {"name": "x"}, "stringData": 2**64}),
        ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {"items": 1.5}),
        ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {"items": {"properties": {"a": []}}}),
        ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {"items": [{"type": "string"}]}),
        ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {"additionalProperties": {"properties": {"a": 7}}}),
    ],
)
async def test_what_no_type_holds_is_the_clients_mistake(server: Running, path: str, body: dict[str, Any]) -> None:
    if "metadata" not in body:
        schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "array", **body}}}}
        version = {"name": "v1", "served": True, "storage": True, "schema": schema}
        names = {"plural": "things", "kind": "Thing"}
        spec = {"group": "x.io", "scope": "Namespaced", "names": names, "versions": [version]}
        body = {"metadata": {"name": "things.x.io"}, "spec": spec}
    code, answer = await server.call("POST", path, body)
    assert (code, answer["reason"]) in {(422, "Invalid"), (400, "BadRequest")}, answer


async def test_an_apply_of_another_shape(server: Running) -> None:
    path = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers"
    spec = {"maxReplicas": 2, "scaleTargetRef": {"kind": "Deployment", "name": "x", "apiVersion": "apps/v1"}}
    assert (await server.call("POST", path, {"metadata": {"name": "h"}, "spec": spec}))[0] == 201
    body = b'{"metadata":{"name":"h","annotations":1e22}}'
    code, answer = await sent(server, "PATCH", f"{path}/h?fieldManager=a", body, APPLY)
    assert code in {400, 422}, answer


async def test_a_megabyte_of_yaml_lets_others_pass(server: Running) -> None:
    lines = b"".join(b"  k%d: v\n" % number for number in range(80_000))
    slow = asyncio.ensure_future(
        sent(server, "POST", f"{HERE}?dryRun=All", b"metadata: {name: slow}\ndata:\n" + lines, YAML)
    )
    passed = 0
    while not slow.done():
        assert (await server.call("GET", "/version"))[0] == 200
        passed += 1
    assert (await slow)[0] == 201
    assert passed > 3, "the server did nothing else meanwhile"


async def test_much_is_sent_as_yaml_too(server: Running) -> None:
    for name, size in (("small", 10), ("large", 100_000)):
        body = {"kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "x: y\n" * (size // 5)}}
        await server.call("POST", HERE, body)
        async with server.session.get(f"{server.base}{HERE}/{name}", headers={"Accept": YAML}) as answer:
            assert answer.content_type == YAML
            assert yaml.safe_load(await answer.text())["data"] == body["data"]


# --- connections ---


def _part(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


@pytest.mark.parametrize("seconds", [b"\x80\xb0\x9d\xc2\xdf\x08", b"\xff\xff\xff\xff\xff\xff\xff\xff\x3f"])
def test_a_time_in_protobuf_that_no_calendar_has(seconds: bytes) -> None:
    """The year 11476, and one that the C library has no room for."""
    created = _part(1, _part(8, b"\x08" + seconds))
    body = b"k8s\0" + _part(1, _part(1, b"v1") + _part(2, b"ConfigMap")) + _part(2, created)
    with pytest.raises(errors.BadRequest, match="not valid Kubernetes protobuf"):
        decode.decode(body)


async def connected(server: Running) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = server.session.connector._ssl  # type: ignore[union-attr]
    assert isinstance(context, ssl.SSLContext)
    return await asyncio.open_connection("127.0.0.1", server.parts.config.port, ssl=context)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01 no request at all\r\n\r\n",
        b"GET\r\n\r\n",
        b"BREW /api HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api HTTP/9.9\r\n\r\n",
        b"POST /api/v1/nodes HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"POST /api/v1/nodes HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /api/v1/nodes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /api HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_refused_without_a_word_about_the_inside(server: Running, raw: bytes) -> None:
    reader, writer = await connected(server)
    writer.write(raw)
    answer = await asyncio.wait_for(reader.read(), 120)
    assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
    assert b"Traceback" not in answer
    writer.close()


async def test_clients_that_stop_halfway_disturb_nobody(server: Running) -> None:
    """Half a body, then nothing, or the end; a list that is never read: others are served as before."""
    for number in range(60):
        body = {"kind": "ConfigMap", "metadata": {"name": f"big{number}"}, "data": {"a": "x" * 100_000}}
        assert (await server.call("POST", HERE, body))[0] == 201
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"
    halves = [await connected(server) for _ in range(10)]
    for number, (_, writer) in enumerate(halves):
        writer.write(head % HERE.encode())
        await writer.drain()
        if number % 2:
            writer.transport.abort()
    deaf = [await connected(server) for _ in range(10)]
    for _, writer in deaf:
        writer.write(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % HERE.encode())
        await writer.drain()
    async with asyncio.timeout(120):
        for number in range(20):
            assert (await server.call("GET", f"{HERE}/big{number}"))[0] == 200
    for _, writer in (*halves, *deaf):
        writer.transport.abort()


async def test_a_bomb_of_gzip_is_left_alone_once_it_is_refused(server: Running) -> None:
    squeeze = zlib.compressobj(9, wbits=31)
    bomb = squeeze.compress(b" " * 50_000_000) + squeeze.flush()
    for body, code in ((bomb, 413), (b"\x1f\x8bxx", 400), (bomb[:100], 400)):
        began = time.process_time()
        url = f"{server.base}{HERE}"
        async with server.session.post(
            url, data=body, headers={"Content-Encoding": "gzip", "Content-Type": JSON}
        ) as answer:
            assert (answer.status, (await answer.json())["kind"]) == (code, "Status")
        assert (await server.call("GET", "/version"))[0] == 200
        assert time.process_time() - began < 1, "the server inflated the rest, too"


@pytest.mark.parametrize("name", [b"\xff", b"a\xc3\xa4\x80"])
async def test_a_user_whose_name_is_no_text(server: Running, name: bytes) -> None:
    reader, writer = await connected(server)
    writer.write(b"GET %b HTTP/1.1\r\nHost: x\r\nImpersonate-User: %b\r\n\r\n" % (HERE.encode(), name))
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 120)
    assert head.startswith(b"HTTP/1.1 400")
    assert b'"kind":"Status"' in await reader.read(1000)
    writer.close()


async def test_a_connection_without_a_request_ends(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    good = await connected(server)
    good[1].write(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await good[0].readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    monkeypatch.setattr(connections, "_HEAD_SECONDS", 0.5)
    silent, half, kept = [await connected(server) for _ in range(3)]
    half[1].write(b"GET /version HTTP/1.1\r\nHo")
    kept[1].write(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await kept[0].readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    await kept[0].readuntil(b"}")
    kept[1].write(b"GET /version HTTP/1.1\r\nHo")
    for reader, _ in (silent, half, kept):
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            assert await asyncio.wait_for(reader.read(), 120) == b""
    good[1].write(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"HTTP/1.1 200" in await asyncio.wait_for(good[0].read(10_000), 120) + await good[0].read(10_000)
    for _, writer in (silent, half, kept, good):
        writer.transport.abort()


async def test_what_is_no_http_leaves_a_line_in_the_log(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    reader, writer = await connected(server)
    writer.write(b"GET\r\n\r\n")
    said = await asyncio.wait_for(reader.read(), 120)
    assert said.startswith(b"HTTP/1.0 400")
    assert b"Content-Type: text/plain; charset=utf-8" in said, "Go's net/http answers so, too"
    assert not [record for record in caplog.records if record.exc_info]
    writer.close()
