"""Custom resources through a real server: they come, live and go with their definition."""

from __future__ import annotations

import asyncio
import copy
import json
from typing import Any

import orjson
import pytest
from apiserver_harness import Running
from crd_samples import CRDS, CRONTABS, GROUP, crontab, crontab_crd, defined, gone, until, version

from tricenter.apiserver.resources import CRDS as CRD_RESOURCE

pytestmark = pytest.mark.etcd


async def test_a_definition_is_served_and_its_objects_live(server: Running) -> None:
    code, _ = await server.call("GET", CRONTABS)
    assert code == 404
    crd = await defined(server)
    assert crd["status"]["acceptedNames"]["listKind"] == "CronTabList"
    assert crd["status"]["storedVersions"] == ["v1"]
    code, made = await server.call("POST", CRONTABS, crontab("a", cronSpec="* * *", unknown=1))
    assert code == 201
    assert made["spec"] == {"cronSpec": "* * *", "image": "busybox"}
    assert made["metadata"]["generation"] == 1
    code, found = await server.call("GET", CRONTABS)
    assert (found["kind"], [item["metadata"]["name"] for item in found["items"]]) == ("CronTabList", ["a"])
    made["spec"]["replicas"] = 2
    code, changed = await server.call("PUT", f"{CRONTABS}/a", made)
    assert (code, changed["metadata"]["generation"]) == (200, 2)
    code, late = await server.call("PUT", f"{CRONTABS}/a", made)
    assert (code, late["reason"]) == (409, "Conflict")
    code, body = await server.call("DELETE", f"{CRONTABS}/a")
    assert (code, body["status"]) == (200, "Success")


async def test_the_second_server_serves_what_the_first_was_told_at_once(server: Running, second: Running) -> None:
    await defined(server)
    code, made = await second.call("POST", CRONTABS, crontab("a"))
    assert code == 201, made
    code, _ = await server.call("GET", f"{CRONTABS}/a")
    assert code == 200
    await server.call("DELETE", f"{CRDS}/crontabs.{GROUP}")
    await gone(second, CRONTABS)


async def test_all_versions_are_served_each_by_its_schema(server: Running) -> None:
    old = version("v1beta1", storage=False)
    old = copy.deepcopy(old)
    old["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"] = {
        "cronSpec": {"type": "string"},
        "color": {"type": "string", "default": "red"},
    }
    await defined(server, crontab_crd(version(), old))
    beta = CRONTABS.replace("/v1/", "/v1beta1/")
    code, made = await server.call("POST", beta, crontab("a", version="v1beta1", cronSpec="x"))
    assert code == 201, made
    assert (made["apiVersion"], made["spec"]) == (f"{GROUP}/v1beta1", {"cronSpec": "x", "color": "red"})
    _, main = await server.call("GET", f"{CRONTABS}/a")
    assert (main["apiVersion"], main["spec"]) == (f"{GROUP}/v1", {"cronSpec": "x", "image": "busybox"})
    _, listed = await server.call("GET", beta)
    assert listed["items"][0]["spec"] == {"cronSpec": "x", "color": "red"}
    _, discovered = await server.call("GET", f"/apis/{GROUP}")
    assert discovered["preferredVersion"]["version"] == "v1"


async def test_a_changed_schema_changes_what_stored_objects_show(server: Running) -> None:
    crd = await defined(server)
    await server.call("POST", CRONTABS, crontab("a", cronSpec="x"))
    fields = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    fields["tier"] = {"type": "string", "default": "gold"}
    code, _ = await server.call("PUT", f"{CRDS}/crontabs.{GROUP}", crd)
    assert code == 200
    async with asyncio.timeout(120):
        while "tier" not in (found := (await server.call("GET", f"{CRONTABS}/a"))[1])["spec"]:
            await asyncio.sleep(0.02)
    assert found["spec"] == {"cronSpec": "x", "image": "busybox", "tier": "gold"}


async def test_a_definition_takes_its_objects_with_it(server: Running, second: Running) -> None:
    await defined(server)
    for number in range(30):
        code, _ = await server.call("POST", CRONTABS, crontab(f"a{number}"))
        assert code == 201
    held = {**crontab("held"), "metadata": {"name": "held", "finalizers": ["example.com/wait"]}}
    code, _ = await server.call("POST", CRONTABS, held)
    assert code == 201
    path = f"{CRDS}/crontabs.{GROUP}"
    code, _ = await server.call("DELETE", path)
    assert code == 200
    await until(server, f"crontabs.{GROUP}", "Terminating")
    async with asyncio.timeout(120):
        while len((left := (await second.call("GET", CRONTABS))[1])["items"]) > 1:
            await asyncio.sleep(0.02)
    assert left["items"][0]["metadata"]["name"] == "held"
    assert left["items"][0]["metadata"]["deletionTimestamp"]
    code, refused = await server.call("POST", CRONTABS, crontab("late"))
    assert (code, refused["reason"]) == (405, "MethodNotAllowed")
    assert refused["message"] == "create not allowed while custom resource definition is terminating"
    patch = {"metadata": {"finalizers": None}}
    code, _ = await server.call("PATCH", f"{CRONTABS}/held", patch, Content_Type="application/merge-patch+json")
    assert code == 200
    await gone(server, path)
    await gone(second, CRONTABS)
    listed = await server.parts.store.page(f"/registry/{GROUP}/")
    assert not listed.items


async def test_names_that_are_taken_are_not_accepted(server: Running) -> None:
    await defined(server)
    code, _ = await server.call("POST", CRDS, crontab_crd(plural="others", singular="other", kind="Other"))
    assert code == 201
    crd = await until(server, f"others.{GROUP}", "NamesAccepted", "False")
    found = {item["type"]: item for item in crd["status"]["conditions"]}
    assert (found["NamesAccepted"]["reason"], found["NamesAccepted"]["message"]) == (
        "ShortNamesConflict",
        '"ct" is already in use',
    )
    assert found["Established"]["reason"] == "NotAccepted"
    code, _ = await server.call("GET", f"/apis/{GROUP}/v1/others")
    assert code == 404
    await server.call("DELETE", f"{CRDS}/crontabs.{GROUP}")
    await until(server, f"others.{GROUP}", "Established")


async def test_watches_see_custom_resources(server: Running, second: Running) -> None:
    await defined(server)
    seen: list[tuple[str, Any]] = []

    async def follow() -> None:
        async with second.session.get(f"{second.base}{CRONTABS}?watch=1&resourceVersion=0") as answer:
            async for line in answer.content:
                event = orjson.loads(line)
                seen.append((event["type"], event["object"]["metadata"]["name"]))
                if len(seen) == 3:
                    return

    await second.call("GET", CRONTABS)
    task = asyncio.create_task(follow())
    _, made = await server.call("POST", CRONTABS, crontab("a"))
    made["spec"]["mode"] = "fast"
    await server.call("PUT", f"{CRONTABS}/a", made)
    await server.call("DELETE", f"{CRONTABS}/a")
    await asyncio.wait_for(task, 120)
    assert seen == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_many_definitions_come_and_go_on_two_servers(server: Running, second: Running) -> None:
    servers = (server, second)

    async def live(number: int) -> None:
        here, there = servers[number % 2], servers[(number + 1) % 2]
        crd = crontab_crd(plural=f"tabs{number}", singular=f"tab{number}", kind=f"Tab{number}", shortNames=[])
        path = f"/apis/{GROUP}/v1/namespaces/default/tabs{number}"
        await defined(here, crd)
        obj = {**crontab("a"), "kind": f"Tab{number}"}
        code, made = await there.call("POST", path, obj)
        assert code == 201, made
        code, _ = await here.call("DELETE", f"{CRDS}/tabs{number}.{GROUP}")
        assert code == 200
        await gone(there, f"{CRDS}/tabs{number}.{GROUP}")
        await gone(here, path)

    await asyncio.gather(*(live(number) for number in range(8)))
    for one in servers:
        code, _ = await one.call("GET", f"/apis/{GROUP}")
        assert code == 404
        assert one.parts.resources.custom() == []
    assert not (await server.parts.store.page(f"/registry/{GROUP}/")).items


async def test_only_what_has_no_definition_any_more_is_swept(server: Running) -> None:
    store = server.parts.store
    await defined(server)
    code, _ = await server.call("POST", CRONTABS, crontab("a"))
    assert code == 201
    prefix, key = f"/registry/{GROUP}/crontabs/", server.parts.resources[CRD_RESOURCE].key("", f"crontabs.{GROUP}")
    await store.clear(prefix, unless=key)
    assert len((await store.page(prefix)).items) == 1
    await store.clear(prefix, unless="/registry/none")
    assert not (await store.page(prefix)).items


async def test_what_nests_too_deeply_is_refused_and_harms_nobody(server: Running) -> None:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(450):
        schema = {"type": "object", "properties": {"a": schema}}
    crd = crontab_crd(version())
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema
    code, body = await server.call("POST", CRDS, json.dumps(crd).encode(), Content_Type="application/json")
    assert (code, body["reason"]) == (400, "BadRequest")
    await defined(server)


async def test_versions_that_a_webhook_would_convert_are_not_served(server: Running) -> None:
    crd = crontab_crd(version(), version("v1beta1", storage=False))
    client = {"url": "https://127.0.0.1:1/convert"}
    crd["spec"]["conversion"] = {
        "strategy": "Webhook",
        "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1"]},
    }
    await defined(server, crd)
    code, _ = await server.call("GET", CRONTABS)
    assert code == 200
    code, _ = await server.call("GET", CRONTABS.replace("/v1/", "/v1beta1/"))
    assert code == 404
