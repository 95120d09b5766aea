"""Requests that nobody should send: a clear Status for them, and no effect on others."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
import yarl
from apiserver_harness import Running

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
        (b"- " * 20_000, YAML, 400, ""),
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
        ("GET", f"{HERE}?limit=99999999999999999999", 200),
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


# --- connections ---


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
    answer = await asyncio.wait_for(reader.read(), 30)
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
    async with asyncio.timeout(30):
        for number in range(20):
            assert (await server.call("GET", f"{HERE}/big{number}"))[0] == 200
    for _, writer in (*halves, *deaf):
        writer.transport.abort()
