"""What holds for objects of custom resources: fields, status, scale, patches, apply, selectors, tables, discovery."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from apiserver_harness import Running
from crd_samples import CRDS, CRONTABS, GROUP, crontab, crontab_crd, defined, version

from tricenter.apimachinery import openapi
from tricenter.apimachinery.kinds import Kind
from tricenter.apiserver.cache.mirror import Mirror
from tricenter.apiserver.cache.resource import ResourceCache

pytestmark = pytest.mark.etcd

MERGE = "application/merge-patch+json"
PRESERVE = "x-kubernetes-preserve-unknown-fields"
APPLY = "application/apply-patch+yaml"


async def headers(server: Running, method: str, path: str, body: Any) -> tuple[int, list[str]]:
    async with server.session.request(method, server.base + path, json=body) as answer:
        return answer.status, answer.headers.getall("Warning", [])


async def test_unknown_and_wrong_fields(server: Running) -> None:
    await defined(server)
    code, warned = await headers(server, "POST", CRONTABS, crontab("a", color="red"))
    assert (code, warned) == (201, ['299 - "unknown field \\"spec.color\\""'])
    code, strict = await server.call("POST", f"{CRONTABS}?fieldValidation=Strict", crontab("b", color="red"))
    assert (code, strict["message"]) == (
        400,
        'CronTab in version "v1" cannot be handled as a CronTab: strict decoding error: unknown field "spec.color"',
    )
    code, wrong = await server.call("POST", CRONTABS, crontab("c", replicas="many", mode="x"))
    assert (code, wrong["reason"]) == (422, "Invalid")
    causes = {item["field"]: (item["reason"], item["message"]) for item in wrong["details"]["causes"]}
    assert causes == {
        "spec.replicas": (
            "FieldValueTypeInvalid",
            'Invalid value: "string": spec.replicas in body must be of type integer: "string"',
        ),
        ".spec.replicas": (
            "FieldValueInvalid",
            "Invalid value: 0: .spec.replicas accessor error: many is of the type string, expected int64",
        ),
        "spec.mode": ("FieldValueNotSupported", 'Unsupported value: "x": supported values: "fast", "slow"'),
    }
    code, _ = await server.call("POST", CRONTABS, {**crontab("d"), "metadata": {"name": "Not A Name"}})
    assert code == 422


async def test_status_is_a_world_of_its_own(server: Running) -> None:
    await defined(server)
    _, made = await server.call("POST", CRONTABS, {**crontab("a"), "status": {"phase": "x"}})
    assert "status" not in made
    body = copy.deepcopy(made)
    body["status"] = {"phase": "up", "replicas": 3}
    body["spec"]["cronSpec"] = "changed"
    body["metadata"]["labels"] = {"a": "b"}
    code, after = await server.call("PUT", f"{CRONTABS}/a/status", body)
    assert code == 200
    assert (after["status"], after["spec"], after["metadata"].get("labels")) == (
        {"phase": "up", "replicas": 3},
        made["spec"],
        None,
    )
    assert after["metadata"]["generation"] == 1
    patch = {"spec": {"cronSpec": "new"}, "status": {"phase": "down"}}
    _, patched = await server.call("PATCH", f"{CRONTABS}/a", patch, Content_Type=MERGE)
    assert (patched["spec"]["cronSpec"], patched["status"]["phase"]) == ("new", "up")
    assert patched["metadata"]["generation"] == 2
    code, bad = await server.call("PATCH", f"{CRONTABS}/a/status", {"status": {"replicas": "x"}}, Content_Type=MERGE)
    assert (code, bad["details"]["causes"][0]["field"]) == (422, "status.replicas")


async def test_scale_reads_and_writes_where_the_definition_says(server: Running) -> None:
    await defined(server)
    await server.call("POST", CRONTABS, crontab("a", replicas=2))
    status = {"status": {"replicas": 1, "labelSelector": "app=a"}}
    await server.call("PATCH", f"{CRONTABS}/a/status", status, Content_Type=MERGE)
    code, scale = await server.call("GET", f"{CRONTABS}/a/scale")
    assert (code, scale["kind"], scale["spec"], scale["status"]) == (
        200,
        "Scale",
        {"replicas": 2},
        {"replicas": 1, "selector": "app=a"},
    )
    code, scaled = await server.call("PATCH", f"{CRONTABS}/a/scale", {"spec": {"replicas": 4}}, Content_Type=MERGE)
    assert (code, scaled["spec"]["replicas"]) == (200, 4)
    _, found = await server.call("GET", f"{CRONTABS}/a")
    assert found["spec"]["replicas"] == 4
    code, refused = await server.call("PATCH", f"{CRONTABS}/a/scale", {"spec": {"replicas": 40}}, Content_Type=MERGE)
    assert (code, refused["details"]["causes"][0]["field"]) == (422, "spec.replicas")
    other = {"kind": "Scale", "metadata": {"name": "b"}, "spec": {"replicas": 1}}
    code, refused = await server.call("PUT", f"{CRONTABS}/a/scale", other)
    assert (code, refused["message"]) == (400, "the name of the object (b) does not match the name on the URL (a)")


async def test_patches_and_updates(server: Running) -> None:
    await defined(server)
    _, made = await server.call("POST", CRONTABS, crontab("a"))
    code, refused = await server.call(
        "PATCH", f"{CRONTABS}/a", {"spec": {}}, Content_Type="application/strategic-merge-patch+json"
    )
    assert (code, refused["reason"]) == (415, "UnsupportedMediaType")
    assert "strategic" not in refused["message"]
    operations = [{"op": "add", "path": "/spec/ports", "value": [{"name": "http", "number": 80}]}]
    code, patched = await server.call("PATCH", f"{CRONTABS}/a", operations, Content_Type="application/json-patch+json")
    assert (code, patched["spec"]["ports"]) == (200, [{"name": "http", "number": 80}])
    made["metadata"].pop("resourceVersion")
    code, blind = await server.call("PUT", f"{CRONTABS}/a", made)
    assert code == 422
    assert blind["message"].endswith(
        '"a" is invalid: metadata.resourceVersion: Invalid value: 0x0: must be specified for an update'
    )
    code, _ = await server.call("DELETE", f"{CRONTABS}/a?dryRun=All")
    assert code == 200
    code, _ = await server.call("GET", f"{CRONTABS}/a")
    assert code == 200


async def test_apply_merges_lists_by_the_keys_of_the_schema(server: Running) -> None:
    await defined(server)

    async def apply(manager: str, more: str = "", **spec: Any) -> tuple[int, Any]:
        path = f"{CRONTABS}/a?fieldManager={manager}{more}"
        return await server.call("PATCH", path, crontab("a", **spec), Content_Type=APPLY)

    code, _ = await apply("one", ports=[{"name": "http", "number": 80}], cronSpec="x")
    assert code == 201
    code, both = await apply("two", ports=[{"name": "https", "number": 443}])
    assert code == 200
    assert [port["name"] for port in both["spec"]["ports"]] == ["http", "https"]
    code, conflict = await apply("two", cronSpec="y")
    assert (code, conflict["reason"]) == (409, "Conflict")
    cause = {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".spec.cronSpec"}
    assert conflict["details"]["causes"] == [cause]
    code, forced = await apply("two", "&force=true", cronSpec="y")
    assert (code, forced["spec"]["cronSpec"]) == (200, "y")
    assert [port["name"] for port in forced["spec"]["ports"]] == ["http"]


async def test_selectors_tables_and_pages(server: Running) -> None:
    await defined(server)
    for number in range(6):
        obj = crontab(f"a{number}", mode="fast" if number % 2 else "slow", cronSpec=f"{number} *", replicas=1)
        obj["metadata"]["labels"] = {"odd": str(number % 2)}
        await server.call("POST", CRONTABS, obj)
    _, fast = await server.call("GET", f"{CRONTABS}?fieldSelector=spec.mode=fast")
    assert [item["metadata"]["name"] for item in fast["items"]] == ["a1", "a3", "a5"]
    _, even = await server.call("GET", f"{CRONTABS}?labelSelector=odd=0&fieldSelector=metadata.name!=a0")
    assert [item["metadata"]["name"] for item in even["items"]] == ["a2", "a4"]
    code, unknown = await server.call("GET", f"{CRONTABS}?fieldSelector=spec.image=x")
    assert (code, "field label not supported: spec.image" in unknown["message"]) == (400, True)
    _, page = await server.call("GET", f"{CRONTABS}?limit=4")
    _, rest = await server.call("GET", f"{CRONTABS}?limit=4&continue={page['metadata']['continue']}")
    assert [item["metadata"]["name"] for item in rest["items"]] == ["a4", "a5"]
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    _, table = await server.call("GET", CRONTABS, Accept=accept)
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Spec", "Replicas", "Age"]
    assert table["rows"][1]["cells"][:3] == ["a1", "1 *", 1]
    code, left = await server.call("DELETE", f"{CRONTABS}?labelSelector=odd=1")
    assert (code, len(left["items"])) == (200, 3)
    _, found = await server.call("GET", CRONTABS)
    assert [item["metadata"]["name"] for item in found["items"]] == ["a0", "a2", "a4"]


async def test_discovery_and_openapi_follow_definitions(server: Running, second: Running) -> None:
    _, before = await server.call("GET", "/openapi/v3")
    old = version("v1beta1", storage=False, deprecated=True)
    await defined(server, crontab_crd(version(subresources={"status": {}}), old, categories=["all"]))
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    _, groups = await second.call("GET", "/apis", Accept=accept)
    group = next(item for item in groups["items"] if item["metadata"]["name"] == GROUP)
    assert [item["version"] for item in group["versions"]] == ["v1", "v1beta1"]
    resource = group["versions"][0]["resources"][0]
    assert (resource["resource"], resource["shortNames"], resource["categories"], resource["singularResource"]) == (
        "crontabs",
        ["ct"],
        ["all"],
        "crontab",
    )
    assert [item["subresource"] for item in resource["subresources"]] == ["status"]
    _, index = await second.call("GET", "/openapi/v3")
    assert set(index["paths"]) - set(before["paths"]) == {f"apis/{GROUP}/v1", f"apis/{GROUP}/v1beta1"}
    code, document = await second.call("GET", index["paths"][f"apis/{GROUP}/v1"]["serverRelativeURL"])
    assert code == 200
    schema = document["components"]["schemas"]["com.example.stable.v1.CronTab"]
    assert schema["properties"]["spec"]["properties"]["replicas"]["maximum"] == 10
    _, swagger = await second.call("GET", "/openapi/v2")
    assert "com.example.stable.v1.CronTab" in swagger["definitions"]
    assert "io.k8s.api.core.v1.Pod" in swagger["definitions"]
    code, warned = await headers(server, "GET", CRONTABS.replace("v1", "v1beta1"), None)
    assert (code, warned) == (200, [f'299 - "{GROUP}/v1beta1 CronTab is deprecated"'])
    await server.call("DELETE", f"{CRDS}/crontabs.{GROUP}")
    async with asyncio.timeout(120):
        while f"apis/{GROUP}/v1" in (index := (await second.call("GET", "/openapi/v3"))[1])["paths"]:
            await asyncio.sleep(0.02)
    assert index == before
    _, swagger = await second.call("GET", "/openapi/v2")
    assert "com.example.stable.v1.CronTab" not in swagger["definitions"]


async def test_openapi_leaves_open_what_may_hold_anything(server: Running) -> None:
    anything = version()
    fields = {"pod": {"type": "object", "x-kubernetes-embedded-resource": True, PRESERVE: True}}
    anything["schema"] = {"openAPIV3Schema": {"type": "object", PRESERVE: True, "properties": fields}}
    await defined(server, crontab_crd(anything))
    _, swagger = await server.call("GET", "/openapi/v2")
    name = "com.example.stable.v1.CronTab"
    assert set(swagger["definitions"][name]) == {"type", "x-kubernetes-group-version-kind"}
    _, document = await server.call("GET", f"/openapi/v3/apis/{GROUP}/v1")
    schema = document["components"]["schemas"][name]
    assert schema["properties"]["metadata"]["description"].startswith("Standard object's metadata. More info: ")
    assert set(schema["properties"]["pod"]["properties"]) == {"apiVersion", "kind", "metadata"}
    assert schema["properties"]["pod"]["required"] == ["kind", "apiVersion"]


async def test_openapi_waits_for_what_is_established(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    adopt = Mirror.adopt

    async def slow(mirror: Mirror, cache: ResourceCache) -> None:
        await asyncio.sleep(0.5)
        await adopt(mirror, cache)

    monkeypatch.setattr(Mirror, "adopt", slow)
    await defined(server)
    _, swagger = await server.call("GET", "/openapi/v2")
    assert "com.example.stable.v1.CronTab" in swagger["definitions"]


async def test_openapi_remembers_nothing_older_than_what_is_served(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, go = openapi.v2_bytes, threading.Event()

    def slow(custom: Sequence[Kind] = ()) -> bytes:
        go.wait(60)
        return make(custom)

    monkeypatch.setattr(openapi, "v2_bytes", slow)
    async with asyncio.TaskGroup() as group:
        for _ in range(2):  # the second waits for the first
            group.create_task(server.call("GET", "/openapi/v2"))
        await asyncio.sleep(0.2)
        await defined(server)
        code, _ = await server.call("GET", CRONTABS)
        go.set()
    assert code == 200
    _, swagger = await server.call("GET", "/openapi/v2")
    assert "com.example.stable.v1.CronTab" in swagger["definitions"]


async def test_warnings_generated_names_and_finalizers(server: Running) -> None:
    await defined(server)
    obj = {**crontab(""), "metadata": {"generateName": "gen-", "finalizers": ["mine"]}}
    code, warned = await headers(server, "POST", CRONTABS, obj)
    assert code == 201
    assert "prefer a domain-qualified finalizer name" in warned[0]
    _, found = await server.call("GET", CRONTABS)
    name = found["items"][0]["metadata"]["name"]
    assert name.startswith("gen-")
    await server.call("DELETE", f"{CRONTABS}/{name}")
    _, held = await server.call("GET", f"{CRONTABS}/{name}")
    assert held["metadata"]["deletionTimestamp"]
    patch = {"metadata": {"finalizers": None}}
    await server.call("PATCH", f"{CRONTABS}/{name}", patch, Content_Type=MERGE)
    code, _ = await server.call("GET", f"{CRONTABS}/{name}")
    assert code == 404


async def test_rules_in_cel(server: Running) -> None:
    ruled = copy.deepcopy(version())
    fields = ruled["schema"]["openAPIV3Schema"]["properties"]["spec"]
    fields["x-kubernetes-validations"] = [{"rule": "self.replicas < 8 || self.mode == 'slow'", "fieldPath": ".mode"}]
    frozen = {"rule": "self == oldSelf", "message": "image is immutable", "reason": "FieldValueForbidden"}
    fields["properties"]["image"]["x-kubernetes-validations"] = [frozen]
    await defined(server, crontab_crd(ruled))
    code, refused = await server.call("POST", CRONTABS, crontab("a", replicas=9, mode="fast"))
    assert (code, refused["details"]["causes"]) == (
        422,
        [
            {
                "reason": "FieldValueInvalid",
                "message": "Invalid value: \"object\": failed rule: self.replicas < 8 || self.mode == 'slow'",
                "field": "spec.mode",
            }
        ],
    )
    code, made = await server.call("POST", CRONTABS, crontab("a", replicas=9, mode="slow"))
    assert code == 201
    made["spec"]["image"] = "other"
    code, refused = await server.call("PUT", f"{CRONTABS}/a", made)
    assert (code, refused["message"]) == (
        422,
        f'CronTab.{GROUP} "a" is invalid: spec.image: Forbidden: image is immutable',
    )
    fields["x-kubernetes-validations"] = [{"rule": "self.nothing > 1"}]
    code, refused = await server.call("POST", f"{CRDS}?dryRun=All", crontab_crd(ruled, plural="others"))
    assert code == 422
    assert "x-kubernetes-validations[0].rule" in refused["details"]["causes"][0]["field"]
    assert "undefined field 'nothing'" in refused["message"]
