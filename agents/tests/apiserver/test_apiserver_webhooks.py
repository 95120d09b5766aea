"""Admission webhooks: real calls over HTTPS to a webhook server on loopback, found through its Service."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from apiserver_harness import Peer, Running, free_port

pytestmark = pytest.mark.etcd

Object = dict[str, Any]
Decide = Callable[[Object], Object]

_CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1"
_MAPS = "/api/v1/namespaces/default/configmaps"


class WebhookServer:
    """Answers reviews as `decisions` (by path) say, and remembers the requests."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.decisions: dict[str, Decide] = {}
        self.asked: list[tuple[str, Object]] = []
        self.headers: list[Any] = []

    async def handle(self, http: web.BaseRequest) -> web.StreamResponse:
        review = orjson.loads(await http.read())
        self.asked.append((http.path, review["request"]))
        self.headers.append(http.headers)
        decision = self.decisions[http.path](review["request"])
        if "until" in decision:
            await decision.pop("until")()
        if "body" in decision:
            return web.Response(body=decision["body"], status=decision.get("code", 200))
        response = {"uid": review["request"]["uid"], "allowed": True, **decision}
        return web.json_response({"kind": "AdmissionReview", "apiVersion": review["apiVersion"], "response": response})

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def hook(self, path: str, **changes: Any) -> Object:
        service = {"name": self.peer.name, "namespace": self.peer.namespace, "path": path}
        rules = [{"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}]
        return {
            "name": f"{path.strip('/')}.example.com",
            "clientConfig": {"service": service, "caBundle": self.peer.bundle},
            "rules": rules,
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "timeoutSeconds": 30,
            **changes,
        }


def patch(*operations: Object) -> Object:
    return {"patchType": "JSONPatch", "patch": base64.b64encode(orjson.dumps(operations)).decode()}


@pytest.fixture
async def hooks(server: Running, tmp_path: Path) -> AsyncIterator[WebhookServer]:
    made = WebhookServer(Peer(tmp_path / "webhook", "hook"))
    await made.peer.join(server)
    async with made.peer.serving(made.handle):
        yield made


async def configure(server: Running, kind: str, *webhooks: Object, name: str = "test") -> None:
    body = {"metadata": {"name": name}, "webhooks": list(webhooks)}
    code, answer = await server.call("POST", f"{_CONFIGURATIONS}/{kind}webhookconfigurations", body)
    assert code == 201, answer
    await server.parts.fresh.wait()


async def create(server: Running, name: str, **changes: Any) -> tuple[int, Object]:
    query = changes.pop("query", "")
    return await server.call("POST", _MAPS + query, {"metadata": {"name": name, **changes}, "data": {"a": "b"}})


async def test_a_mutating_webhook_changes_objects(server: Running, hooks: WebhookServer) -> None:
    hooks.decisions["/mutate"] = lambda request: {
        **patch(
            {"op": "add", "path": "/data/added", "value": request["operation"]},
            {"op": "replace", "path": "/metadata/name", "value": "other"},
        ),
        "warnings": ["look out"],
    }
    await configure(server, "mutating", hooks.hook("/mutate"))
    async with server.session.post(
        server.base + _MAPS, json={"metadata": {"name": "one"}, "data": {"a": "b"}}
    ) as answer:
        assert answer.headers["Warning"] == '299 - "look out"'
        obj = await answer.json()
    assert obj["data"] == {"a": "b", "added": "CREATE"}
    assert obj["metadata"]["name"] == "one"
    request = hooks.asked[0][1]
    assert request["resource"] == {"group": "", "version": "v1", "resource": "configmaps"}
    assert request["requestKind"] == request["kind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
    assert (request["name"], request["namespace"], request["operation"]) == ("one", "default", "CREATE")
    assert request["userInfo"]["username"] == "admin"
    assert request["object"]["data"] == {"a": "b"}
    assert request["oldObject"] is None
    assert request["dryRun"] is False
    assert request["options"]["kind"] == "CreateOptions"
    assert hooks.headers[0]["Host"] == "hook.default.svc"
    merge = {"data": {"c": "d"}}
    code, obj = await server.call("PATCH", f"{_MAPS}/one", merge, Content_Type="application/merge-patch+json")
    assert (code, obj["data"]) == (200, {"a": "b", "added": "UPDATE", "c": "d"})
    assert hooks.asked[1][1]["oldObject"]["data"]["added"] == "CREATE"


async def test_webhooks_see_new_objects_as_upstreams_do(server: Running, hooks: WebhookServer) -> None:
    """Mutating ones before the server has set anything, validating ones as they will be stored."""
    label = {"op": "add", "path": "/metadata/labels", "value": {"by": "hook"}}
    phase = {"op": "add", "path": "/status", "value": {"phase": "Succeeded"}}
    hooks.decisions |= {"/mutate": lambda _: patch(label, phase), "/validate": lambda _: {}}
    rules = [{"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}]
    await configure(server, "mutating", hooks.hook("/mutate", rules=rules))
    await configure(server, "validating", hooks.hook("/validate", rules=rules))
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    assert (await server.call("POST", accounts, {"metadata": {"name": "default"}}))[0] == 201
    spec = {"containers": [{"name": "c", "image": "busybox"}], "automountServiceAccountToken": False}
    metadata = {"generateName": "web-", "uid": "mine", "generation": 7, "creationTimestamp": "2001-01-01T00:00:00Z"}
    code, stored = await server.call("POST", "/api/v1/namespaces/default/pods", {"metadata": metadata, "spec": spec})
    assert code == 201, stored
    before, after = hooks.asked[0][1], hooks.asked[1][1]
    assert "name" not in before
    assert before["object"]["metadata"].keys() == {"generateName", "namespace", "managedFields"}
    assert before["object"]["spec"]["dnsPolicy"] == "ClusterFirst"
    assert before["object"]["spec"]["serviceAccountName"] == "default"
    stored["metadata"].pop("resourceVersion")
    assert after["object"] == stored
    assert after["name"] == stored["metadata"]["name"]
    assert stored["metadata"]["name"].startswith("web-")
    assert stored["metadata"]["uid"] not in ("", "mine")
    assert (stored["metadata"]["labels"], stored["metadata"]["generation"]) == ({"by": "hook"}, 1)
    assert stored["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    owned = stored["metadata"]["managedFields"][0]["fieldsV1"]
    assert "f:labels" not in owned["f:metadata"], "what webhooks add is nobody's"
    assert {"f:dnsPolicy", "f:containers"} <= owned["f:spec"].keys()
    assert owned["f:spec"].keys().isdisjoint({"f:serviceAccountName", "f:tolerations", "f:priority"})


async def test_what_a_webhook_changes_counts_for_the_generation(server: Running, hooks: WebhookServer) -> None:
    hooks.decisions["/mutate"] = lambda request: (
        patch(
            {"op": "replace", "path": "/spec/replicas", "value": 3},
            {"op": "add", "path": "/status", "value": {"replicas": 5}},
        )
        if request["operation"] == "UPDATE"
        else {}
    )
    rules = [{"operations": ["*"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["replicasets"]}]
    await configure(server, "mutating", hooks.hook("/mutate", rules=rules))
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}
    path = "/apis/apps/v1/namespaces/default/replicasets"
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    code, obj = await server.call("POST", path, {"metadata": {"name": "set"}, "spec": spec})
    assert (code, obj["metadata"]["generation"]) == (201, 1)
    patched = {"metadata": {"labels": {"x": "y"}}}
    code, obj = await server.call("PATCH", f"{path}/set", patched, Content_Type="application/merge-patch+json")
    assert (code, obj["spec"]["replicas"], obj["metadata"]["generation"], obj["status"]) == (200, 3, 2, {"replicas": 0})
    code, obj = await server.call("PATCH", f"{path}/set", patched, Content_Type="application/merge-patch+json")
    assert (code, obj["metadata"]["generation"]) == (200, 2)


async def test_a_validating_webhook_refuses(server: Running, hooks: WebhookServer) -> None:
    def decide(request: Object) -> Object:
        if request["operation"] == "DELETE":
            assert request["object"] is None
            return {"allowed": request["oldObject"]["data"]["a"] != "b"}
        if request["name"] == "bad":
            return {"allowed": False, "status": {"message": "no", "code": 409, "reason": "Conflict"}}
        return {}

    hooks.decisions["/check"] = decide
    await configure(server, "validating", hooks.hook("/check"))
    code, status = await create(server, "bad")
    denied = 'admission webhook "check.example.com" denied the request'
    assert (code, status["reason"], status["message"]) == (409, "Conflict", f"{denied}: no")
    assert (await create(server, "good"))[0] == 201
    code, status = await server.call("DELETE", f"{_MAPS}/good")
    assert (code, status["message"]) == (400, f"{denied} without explanation")
    assert (await server.call("GET", f"{_MAPS}/good"))[0] == 200
    hooks.decisions["/check"] = lambda _: {}
    assert (await server.call("DELETE", f"{_MAPS}/good"))[0] == 200


@pytest.mark.parametrize(
    ("decision", "reason"),
    [
        ({"until": asyncio.Event().wait}, "context deadline exceeded"),
        ({"body": b"oops", "code": 500}, 'an error on the server ("oops") has prevented the request from succeeding'),
        ({"body": b"{"}, "received invalid webhook response: couldn't get version/kind"),
        ({"uid": "x"}, 'received invalid webhook response: expected response.uid="'),
        ({"patch": "AA=="}, "validating webhook may not return response.patch"),
    ],
)
async def test_the_failure_policy_decides_when_a_webhook_cannot_be_asked(
    server: Running, hooks: WebhookServer, decision: Object, reason: str
) -> None:
    hooks.decisions["/fails"] = lambda _: dict(decision)
    await configure(server, "validating", hooks.hook("/fails", timeoutSeconds=1 if "until" in decision else 30))
    code, status = await create(server, "one")
    assert (code, status["reason"]) == (500, "InternalError")
    assert status["message"].startswith('Internal error occurred: failed calling webhook "fails.example.com": ')
    assert reason in status["message"]
    path = f"{_CONFIGURATIONS}/validatingwebhookconfigurations/test"
    change = [{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]
    assert (await server.call("PATCH", path, change, Content_Type="application/json-patch+json"))[0] == 200
    await server.parts.fresh.wait()
    assert (await create(server, "one"))[0] == 201


async def test_what_cannot_be_reached_is_named(server: Running, hooks: WebhookServer) -> None:
    service = {"name": "missing", "namespace": "default"}
    unknown = hooks.hook("/a", clientConfig={"service": service, "caBundle": hooks.peer.bundle})
    await configure(server, "validating", unknown)
    _, status = await create(server, "one")
    url = 'Post "https://missing.default.svc:443/?timeout=30s"'
    assert status["message"].endswith(f'failed to call webhook: {url}: service "missing" not found')
    await server.call("DELETE", f"{_CONFIGURATIONS}/validatingwebhookconfigurations/test")
    other = base64.b64encode((server.parts.config.client_ca).read_bytes()).decode()
    stranger = hooks.hook("/a")
    stranger["clientConfig"] = {**stranger["clientConfig"], "caBundle": other}
    await configure(server, "validating", stranger)
    _, status = await create(server, "one")
    assert "tls: failed to verify certificate: x509: " in status["message"]
    await server.call("DELETE", f"{_CONFIGURATIONS}/validatingwebhookconfigurations/test")
    nobody = hooks.hook("/a", clientConfig={"url": f"https://127.0.0.1:{free_port()}/a"})
    await configure(server, "validating", nobody)
    _, status = await create(server, "one")
    assert status["message"].endswith(": connect: connection refused")
    assert hooks.asked == []


async def test_webhooks_are_called_for_what_they_match(server: Running, hooks: WebhookServer) -> None:
    everything = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}
    paths = ("/all", "/labelled", "/elsewhere", "/condition", "/status", "/hpa")
    hooks.decisions = dict.fromkeys(paths, lambda _: {})
    scaler = {**everything, "apiGroups": ["autoscaling"], "apiVersions": ["v1"], "resources": ["*"]}
    condition = {"name": "not-me", "expression": "object.metadata.name != 'spared' && request.operation == 'CREATE'"}
    await configure(
        server,
        "validating",
        hooks.hook("/all", rules=[everything]),
        hooks.hook("/labelled", objectSelector={"matchLabels": {"a": "b"}}),
        hooks.hook("/elsewhere", namespaceSelector={"matchLabels": {"kubernetes.io/metadata.name": "other"}}),
        hooks.hook("/condition", matchConditions=[condition]),
        hooks.hook("/status", rules=[{**everything, "resources": ["namespaces/status", "nodes"]}]),
        hooks.hook("/hpa", rules=[scaler]),
    )

    async def called(method: str, path: str, body: Object) -> set[str]:
        hooks.asked.clear()
        code, answer = await server.call(method, path, body)
        assert code in (200, 201), answer
        return set(hooks.paths())

    assert await called("POST", _MAPS, {"metadata": {"name": "spared"}}) == {"/all"}
    labels = {"name": "two", "labels": {"a": "b"}}
    assert await called("POST", _MAPS, {"metadata": labels}) == {"/all", "/labelled", "/condition"}
    assert await called("POST", "/api/v1/namespaces", {"metadata": {"name": "other"}}) == {"/all"}
    elsewhere = "/api/v1/namespaces/other/configmaps"
    assert await called("POST", elsewhere, {"metadata": {"name": "a"}}) == {"/all", "/elsewhere", "/condition"}
    assert await called("POST", "/api/v1/nodes", {"metadata": {"name": "n"}}) == {"/all", "/status"}
    policy = {"metadata": {"name": "own"}, "webhooks": []}
    assert await called("POST", f"{_CONFIGURATIONS}/mutatingwebhookconfigurations", policy) == set()
    # An equivalent version: the webhook sees the one it asks for.
    spec = {"scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}, "maxReplicas": 3}
    path = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
    assert await called("POST", path, {"metadata": {"name": "h"}, "spec": spec}) == {"/all", "/hpa"}
    seen = next(request for name, request in hooks.asked if name == "/hpa")
    assert seen["kind"]["version"] == seen["resource"]["version"] == "v1"
    assert seen["requestKind"]["version"] == "v2"
    assert seen["object"]["apiVersion"] == "autoscaling/v1"


async def test_dry_runs_spare_webhooks_with_side_effects(server: Running, hooks: WebhookServer) -> None:
    hooks.decisions["/dry"] = lambda _: {}
    await configure(server, "validating", hooks.hook("/dry", sideEffects="NoneOnDryRun"))
    assert (await create(server, "one", query="?dryRun=All"))[0] == 201
    assert hooks.asked[0][1]["dryRun"] is True
    assert hooks.asked[0][1]["options"]["dryRun"] == ["All"]


async def test_webhooks_are_called_again_for_later_changes(server: Running, hooks: WebhookServer) -> None:
    def first(request: Object) -> Object:
        seen = request["object"]["data"].get("second", "")
        return patch({"op": "add", "path": "/data/first", "value": f"saw {seen}"})

    hooks.decisions["/first"] = first
    hooks.decisions["/second"] = lambda _: patch({"op": "add", "path": "/data/second", "value": "b"})
    await configure(server, "mutating", hooks.hook("/first", reinvocationPolicy="IfNeeded"), hooks.hook("/second"))
    code, obj = await create(server, "one")
    assert (code, obj["data"]) == (201, {"a": "b", "first": "saw b", "second": "b"})
    assert hooks.paths() == ["/first", "/second", "/first"]


async def test_mutations_are_defaulted_and_validated(server: Running, hooks: WebhookServer) -> None:
    container = {"name": "side", "image": "x"}
    hooks.decisions["/pods"] = lambda _: patch({"op": "add", "path": "/spec/containers/-", "value": container})
    rules = [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}]
    await configure(server, "mutating", hooks.hook("/pods", rules=rules))
    account = {"metadata": {"name": "default"}}
    await server.call("POST", "/api/v1/namespaces/default/serviceaccounts", account)
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "main", "image": "y"}]}}
    code, obj = await server.call("POST", "/api/v1/namespaces/default/pods", pod)
    assert code == 201, obj
    assert [item["name"] for item in obj["spec"]["containers"]] == ["main", "side"]
    assert obj["spec"]["containers"][1]["imagePullPolicy"] == "Always"
    hooks.decisions["/pods"] = lambda _: patch({"op": "remove", "path": "/spec/containers"})
    pod["metadata"] = {"name": "q"}
    code, status = await server.call("POST", "/api/v1/namespaces/default/pods", pod)
    assert (code, status["reason"]) == (422, "Invalid")


async def test_what_a_patch_cannot_mean_is_refused_or_dropped(server: Running, hooks: WebhookServer) -> None:
    await configure(server, "mutating", hooks.hook("/mutate"))
    hooks.decisions["/mutate"] = lambda _: patch({"op": "add", "path": "/unknown", "value": 5})
    code, made = await create(server, "one")
    assert code == 201
    assert "unknown" not in made
    merge = {"patchType": "MergePatch", "patch": base64.b64encode(b"{}").decode()}
    hooks.decisions["/mutate"] = lambda _: merge
    code, status = await create(server, "two")
    assert code == 500
    assert "received undecodable patch in webhook response: " in status["message"]


async def test_scale_and_eviction_are_seen_as_what_they_are(server: Running, hooks: WebhookServer) -> None:
    hooks.decisions["/sub"] = lambda request: (
        patch({"op": "replace", "path": "/spec/replicas", "value": 2}) if request["subResource"] == "scale" else {}
    )
    rules = [{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/scale", "pods/eviction"]}]
    await configure(server, "mutating", hooks.hook("/sub", rules=rules))
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    path = "/apis/apps/v1/namespaces/default/replicasets"
    code, answer = await server.call("POST", path, {"metadata": {"name": "r"}, "spec": spec})
    assert code == 201, answer
    body = {"spec": {"replicas": 5}}
    code, scale = await server.call("PATCH", f"{path}/r/scale", body, Content_Type="application/merge-patch+json")
    assert (code, scale["spec"]["replicas"]) == (200, 2)
    request = hooks.asked[0][1]
    assert request["kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    assert request["resource"]["resource"] == "replicasets"
    assert (request["object"]["kind"], request["object"]["spec"]["replicas"]) == ("Scale", 5)


async def test_connections_are_admitted_too(server: Running, hooks: WebhookServer) -> None:
    hooks.decisions["/exec"] = lambda _: {"allowed": False, "status": {"message": "hands off", "code": 403}}
    rules = [{"operations": ["CONNECT"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods/exec"]}]
    await configure(server, "validating", hooks.hook("/exec", rules=rules))
    path = "/api/v1/namespaces/default/pods/web/exec?command=ls&command=-l&container=c&stdin=true&tty=false"
    code, status = await server.call("POST", path)
    assert (code, status["message"]) == (403, 'admission webhook "exec.example.com" denied the request: hands off')
    request = hooks.asked[0][1]
    assert (request["operation"], request["subResource"], request["name"]) == ("CONNECT", "exec", "web")
    assert request["kind"] == {"group": "", "version": "v1", "kind": "PodExecOptions"}
    expected = {"kind": "PodExecOptions", "apiVersion": "v1", "stdin": True, "container": "c", "command": ["ls", "-l"]}
    assert request["object"] == expected


async def test_calls_are_counted_and_warnings_reach_refused_clients(server: Running, hooks: WebhookServer) -> None:
    hooks.decisions["/no"] = lambda _: {"allowed": False, "warnings": ["careful"]}
    await configure(server, "validating", hooks.hook("/no"))
    async with server.session.post(server.base + _MAPS, json={"metadata": {"name": "one"}}) as answer:
        assert (answer.status, answer.headers["Warning"]) == (400, '299 - "careful"')
    async with server.session.get(server.base + "/metrics") as answer:
        page = await answer.text()
    labels = '{code="400",name="no.example.com",operation="CREATE",rejected="true",type="validating"}'
    assert f"apiserver_admission_webhook_request_total{labels} 1.0" in page
    where = 'name="no.example.com",operation="CREATE"'
    refused = f'{{error_type="no_error",{where},rejection_code="400",type="validating"}}'
    assert f"apiserver_admission_webhook_rejection_count{refused} 1.0" in page


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"name": "short"}, "webhooks[0].name", "should be a domain with at least three segments separated by dots"),
        ({"sideEffects": "Some"}, "webhooks[0].sideEffects", 'supported values: "None", "NoneOnDryRun"'),
        ({"clientConfig": {"url": "http://a"}}, "webhooks[0].clientConfig.url", "'https' is the only allowed URL"),
        ({"timeoutSeconds": 31}, "webhooks[0].timeoutSeconds", "the timeout value must be between 1 and 30 seconds"),
        ({"admissionReviewVersions": ["v2"]}, "webhooks[0].admissionReviewVersions", "must include at least one of"),
        ({"matchConditions": [{"name": "a", "expression": "1 +"}]}, "webhooks[0].matchConditions[0].expression",
         "compilation failed: ERROR: <input>:1:4: Syntax error"),
        ({"matchConditions": [{"name": "a", "expression": "'x'"}]}, "webhooks[0].matchConditions[0].expression",
         "must evaluate to bool"),
        ({"matchConditions": [{"name": "a", "expression": "params.x"}]}, "webhooks[0].matchConditions[0].expression",
         "undeclared reference to 'params.x'"),
    ],
)  # fmt: skip
async def test_configurations_are_validated(
    server: Running, hooks: WebhookServer, changes: Object, field: str, message: str
) -> None:
    body = {"metadata": {"name": "bad"}, "webhooks": [hooks.hook("/a", **changes)]}
    code, status = await server.call("POST", f"{_CONFIGURATIONS}/validatingwebhookconfigurations", body)
    assert code == 422, status
    assert status["details"]["causes"][0]["field"] == field
    assert message in status["message"]


async def test_validating_webhooks_are_asked_at_once(server: Running, hooks: WebhookServer) -> None:
    names = [f"/slow{number}" for number in range(6)]
    together = asyncio.Barrier(len(names))  # each answers when all have been asked
    hooks.decisions = dict.fromkeys(names, lambda _: {"until": together.wait})
    await configure(server, "validating", *(hooks.hook(name) for name in names))
    code, status = await create(server, "one")
    assert code == 201, status
