"""Random requests made of our own OpenAPI v3: whatever comes, the answer is a Status and the server goes on.

TRICENTER_FUZZ_EXAMPLES sets how many requests of each sort are made (default 120).
"""

from __future__ import annotations

import logging
import os
from typing import Any

import orjson
import pytest
import yarl
from apiserver_harness import Running
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.etcd

EXAMPLES = int(os.environ.get("TRICENTER_FUZZ_EXAMPLES", "120"))
GROUPS = ("api/v1", "apis/apps/v1", "apis/batch/v1", "apis/networking.k8s.io/v1", "apis/rbac.authorization.k8s.io/v1")
MEDIA = {
    "POST": ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf"),
    "PUT": ("application/json", "application/yaml"),
    "PATCH": (
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
        "application/json-patch+json",
        "application/apply-patch+yaml",
    ),
    "DELETE": ("application/json",),
}
fuzzed = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
WORDS = st.sampled_from(
    ["", "x", "0", "1", "-1", "true", "*", "a.b/c", "10Gi", "5%", "Always", "2026-01-01T00:00:00Z", "\0", "ü"]
)


class Api:
    """What the server says that it takes."""

    def __init__(self, documents: list[dict[str, Any]]) -> None:
        self.schemas: dict[str, Any] = {}
        self.operations: list[tuple[str, str, Any]] = []
        for document in documents:
            self.schemas |= document["components"]["schemas"]
            for path, item in sorted(document["paths"].items()):
                if any(word in path for word in ("/proxy", "/exec", "/attach", "/portforward", "/log", "/watch/")):
                    continue
                for method in ("post", "put", "patch", "delete"):
                    if method in item:
                        content = item[method].get("requestBody", {}).get("content", {})
                        kind = item.get("post", item.get("put", {})).get("requestBody", {}).get("content", content)
                        found = next((media["schema"] for media in kind.values() if "schema" in media), {})
                        self.operations.append((method.upper(), path, found))

    def value(self, schema: Any, depth: int = 0) -> st.SearchStrategy[Any]:
        """Something that mostly has the schema's shape."""
        if depth > 5:
            return ANY
        if "allOf" in schema:
            schema = schema["allOf"][0]
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return st.deferred(lambda: self.value(self.schemas.get(name, {}), depth + 1))
        kind = schema.get("type")
        if kind == "object" and schema.get("properties"):
            fields = {
                name: self.value(field, depth + 1) for name, field in schema["properties"].items() if name != "status"
            }
            chosen = st.lists(st.sampled_from(sorted(fields)), max_size=4, unique=True)
            return chosen.flatmap(lambda names: st.fixed_dictionaries({name: fields[name] for name in names})) | ANY
        if kind == "object":
            inner = self.value(schema.get("additionalProperties") or {}, depth + 1)
            return st.dictionaries(WORDS, inner, max_size=2) | ANY
        if kind == "array":
            return st.lists(self.value(schema.get("items", {}), depth + 1), max_size=2) | ANY
        plain = {
            "string": WORDS,
            "integer": st.integers(-5, 70_000),
            "boolean": st.booleans(),
            "number": st.floats(-5, 5),
        }
        return plain.get(kind, ANY) | ANY


@pytest.fixture
async def api(server: Running) -> Api:
    documents = []
    for group in GROUPS:
        code, document = await server.call("GET", f"/openapi/v3/{group}")
        assert code == 200
        documents.append(document)
    found = Api(documents)
    assert len(found.operations) > 200
    account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
    await server.call("POST", "/api/v1/namespaces/default/serviceaccounts", account)
    return found


_AS_UPSTREAM = (b"resourceVersion should not be set on objects to be created", b"failed to create typed patch object")
"""What upstream answers with 500, too, though the client is to blame."""


async def holds(
    server: Running, caplog: pytest.LogCaptureFixture, method: str, path: str, body: bytes, media: str
) -> None:
    """Send a request; it is answered with a Status or an object, and nothing unforeseen happens inside."""
    caplog.clear()
    headers = {"Content-Type": media}
    url = yarl.URL(server.base + path, encoded=True)
    async with server.session.request(method, url, data=body, headers=headers) as answer:
        text = await answer.read()
    unforeseen = answer.status == 500 and not any(words in text for words in _AS_UPSTREAM)
    assert not unforeseen, (method, path, body, text)
    if answer.status >= 400:
        status = orjson.loads(text)
        assert (status["kind"], status["code"], bool(status["message"])) == ("Status", answer.status, True)
    wrong = [record for record in caplog.records if record.exc_info and record.levelno >= logging.ERROR]
    assert not wrong, (method, path, body, wrong)


@fuzzed
@given(data=st.data())
async def test_objects_of_any_shape(
    server: Running, api: Api, caplog: pytest.LogCaptureFixture, data: st.DataObject
) -> None:
    method, path, schema = data.draw(st.sampled_from(api.operations))
    body = data.draw(api.value(schema))
    if method in {"POST", "PUT"} and isinstance(body, dict) and data.draw(st.booleans()):
        body["metadata"] = {"name": "x"}
        body.pop("kind", None)
        body.pop("apiVersion", None)
    query = data.draw(st.sampled_from(["", "?dryRun=All", "?fieldManager=f&force=true", "?fieldValidation=Strict"]))
    path = path.replace("{namespace}", "default").replace("{name}", "x") + query
    await holds(server, caplog, method, path, _bytes(body), data.draw(st.sampled_from(MEDIA[method])))


@fuzzed
@given(data=st.data())
async def test_patches_of_any_shape(
    server: Running, api: Api, caplog: pytest.LogCaptureFixture, data: st.DataObject
) -> None:
    """Of an object that exists: what is stored after it can be read."""
    name = "/apis/apps/v1/namespaces/default/deployments"
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    await server.call(
        "POST", name, {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "x"}, "spec": spec}
    )
    media = data.draw(st.sampled_from(MEDIA["PATCH"]))
    if media == "application/json-patch+json":
        pointer = st.sampled_from(
            [
                "",
                "/",
                "/spec",
                "/spec/template/spec/containers/0",
                "/spec/template/spec/containers/-",
                "/metadata/labels",
                "/a~2b",
            ]
        )
        step = {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "x"]), "path": pointer | ANY}
        body = data.draw(st.lists(st.fixed_dictionaries(step, optional={"value": ANY, "from": pointer}), max_size=3))
    else:
        body = data.draw(api.value({"$ref": "#/components/schemas/io.k8s.api.apps.v1.Deployment"}))
    await holds(server, caplog, "PATCH", f"{name}/x?fieldManager=f&force=true", _bytes(body), media)
    assert (await server.call("GET", f"{name}/x"))[0] == 200


@fuzzed
@given(
    body=st.binary(max_size=300)
    | st.builds(lambda head, tail: b"k8s\0" + head + tail, st.binary(max_size=40), st.binary(max_size=40)),
    media=st.sampled_from([*MEDIA["POST"], *MEDIA["PATCH"], "text/plain", ""]),
    method=st.sampled_from(["POST", "PUT", "PATCH", "DELETE"]),
)
async def test_bytes_of_any_kind(
    server: Running, caplog: pytest.LogCaptureFixture, body: bytes, media: str, method: str
) -> None:
    path = "/api/v1/namespaces/default/configmaps" + ("" if method == "POST" else "/x")
    await holds(server, caplog, method, path, body, media or "application/octet-stream")


QUERIES = (
    "labelSelector",
    "fieldSelector",
    "limit",
    "continue",
    "resourceVersion",
    "resourceVersionMatch",
    "timeoutSeconds",
    "pretty",
    "sendInitialEvents",
)
PARTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["a=b", "a in (b,c)", "!a", "metadata.name=x", "0", "1", "Exact"]
)


@fuzzed
@given(parts=st.lists(PARTS, max_size=4), query=st.dictionaries(st.sampled_from(QUERIES), PARTS, max_size=3))
async def test_paths_and_parameters_of_any_kind(
    server: Running, caplog: pytest.LogCaptureFixture, parts: list[str], query: dict[str, str]
) -> None:
    for root in ("/api/v1/configmaps", "/api/v1/namespaces/default/" + "/".join(parts), "/" + "/".join(parts)):
        url = yarl.URL.build(path=root, query=query)
        await holds(server, caplog, "GET", str(url), b"", "application/json")


def _bytes(body: Any) -> bytes:
    try:
        return orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:  # integers that JSON has and orjson does not write
        return str(body).encode(errors="replace")
