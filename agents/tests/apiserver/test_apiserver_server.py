"""A whole server over a real etcd, seen through HTTP: the promises of the API to its clients."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
from pathlib import Path
from typing import Any

import orjson
import pytest
from apiserver_harness import EtcdProcess, Running, client_session, make_config

from tricenter.apimachinery import times
from tricenter.apiserver import assembly, errors
from tricenter.apiserver.bootstrap import bootstrap
from tricenter.apiserver.registry import addresses
from tricenter.apiserver.registry.allocation import Allocation
from tricenter.apiserver.rest import evicting
from tricenter.apiserver.storage import encoding

pytestmark = pytest.mark.etcd

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
SERVICES = "/api/v1/namespaces/default/services"


def config_map(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {"a": "1"}}


def pod(name: str, **spec: Any) -> dict[str, Any]:
    containers = [{"name": "c", "image": "i"}]
    body = {"automountServiceAccountToken": False, "containers": containers, **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": body}


def service(name: str, **spec: Any) -> dict[str, Any]:
    ports = [{"port": 80}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": ports, **spec}}


async def account(server: Running) -> None:
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    code, _ = await server.call("POST", "/api/v1/namespaces/default/serviceaccounts", body)
    assert code == 201


async def test_an_object_lives(server: Running) -> None:
    code, made = await server.call("POST", CONFIG_MAPS, config_map("x"))
    assert code == 201
    assert made["metadata"]["uid"]
    code, again = await server.call("POST", CONFIG_MAPS, config_map("x"))
    assert (code, again["reason"]) == (409, "AlreadyExists")
    assert again["message"] == 'configmaps "x" already exists'
    made["data"]["a"] = "2"
    code, changed = await server.call("PUT", f"{CONFIG_MAPS}/x", made)
    assert code == 200
    assert changed["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    code, late = await server.call("PUT", f"{CONFIG_MAPS}/x", made)
    assert (code, late["reason"]) == (409, "Conflict")
    code, gone = await server.call("DELETE", f"{CONFIG_MAPS}/x")
    assert (code, gone["status"]) == (200, "Success")
    code, missing = await server.call("GET", f"{CONFIG_MAPS}/x")
    assert (code, missing["message"]) == (404, 'configmaps "x" not found')


async def test_of_concurrent_updates_from_one_version_exactly_one_wins(server: Running) -> None:
    _, made = await server.call("POST", CONFIG_MAPS, config_map("x"))
    bodies = [{**made, "data": {"a": str(number)}} for number in range(2, 12)]
    codes = [
        code for code, _ in await asyncio.gather(*(server.call("PUT", f"{CONFIG_MAPS}/x", body) for body in bodies))
    ]
    assert sorted(codes) == [200] + [409] * 9


async def test_lists_come_in_pages_of_one_snapshot(server: Running) -> None:
    for number in range(7):
        await server.call("POST", CONFIG_MAPS, config_map(f"x{number}"))
    _, first = await server.call("GET", f"{CONFIG_MAPS}?limit=3")
    assert first["metadata"]["remainingItemCount"] == 4
    await server.call("POST", CONFIG_MAPS, config_map("x9"))
    names = [item["metadata"]["name"] for item in first["items"]]
    token = first["metadata"]["continue"]
    while token:
        _, page = await server.call("GET", f"{CONFIG_MAPS}?limit=3&continue={token}")
        assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        names += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue", "")
    assert names == [f"x{number}" for number in range(7)]


async def test_selectors(server: Running) -> None:
    for number in range(4):
        await server.call("POST", CONFIG_MAPS, config_map(f"x{number}", even=str(number % 2 == 0).lower()))
    _, even = await server.call("GET", f"{CONFIG_MAPS}?labelSelector=even%3Dtrue")
    assert [item["metadata"]["name"] for item in even["items"]] == ["x0", "x2"]
    _, one = await server.call("GET", f"{CONFIG_MAPS}?fieldSelector=metadata.name%3Dx1")
    assert [item["metadata"]["name"] for item in one["items"]] == ["x1"]
    code, _ = await server.call("GET", f"{CONFIG_MAPS}?labelSelector=a%3D%3D%3Db")
    assert code == 400
    code, _ = await server.call("GET", f"{CONFIG_MAPS}?fieldSelector=spec.x%3Db")
    assert code == 400


async def events(server: Running, path: str, count: int) -> list[dict[str, Any]]:
    found = []
    async with server.session.get(server.base + path) as answer:
        assert answer.status == 200
        async for line in answer.content:
            found.append(orjson.loads(line))
            if len(found) == count:
                break
    return found


async def test_a_watch_begins_where_a_list_ended(server: Running) -> None:
    await server.call("POST", CONFIG_MAPS, config_map("x"))
    _, listed = await server.call("GET", CONFIG_MAPS)
    version = listed["metadata"]["resourceVersion"]
    watching = asyncio.create_task(events(server, f"{CONFIG_MAPS}?watch=1&resourceVersion={version}", 2))
    await server.call("POST", CONFIG_MAPS, config_map("y"))
    await server.call("DELETE", f"{CONFIG_MAPS}/x")
    found = await asyncio.wait_for(watching, 120)
    assert [(event["type"], event["object"]["metadata"]["name"]) for event in found] == [
        ("ADDED", "y"),
        ("DELETED", "x"),
    ]


async def test_a_streamed_list_ends_with_a_bookmark(server: Running) -> None:
    await server.call("POST", CONFIG_MAPS, config_map("x"))
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    first, mark = await asyncio.wait_for(events(server, f"{CONFIG_MAPS}?{query}", 2), 120)
    assert first["type"] == "ADDED"
    assert mark["type"] == "BOOKMARK"
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_watch_that_is_too_old_is_told_so(server: Running) -> None:
    server.parts.resources["", "configmaps"].objects.history.floor = 2
    (event,) = await asyncio.wait_for(events(server, f"{CONFIG_MAPS}?watch=1&resourceVersion=1", 1), 120)
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


@pytest.mark.parametrize(
    ("media", "patch", "expected"),
    [
        ("application/merge-patch+json", {"data": {"a": None, "b": "2"}}, {"b": "2"}),
        ("application/strategic-merge-patch+json", {"data": {"b": "2"}}, {"a": "1", "b": "2"}),
        ("application/json-patch+json", [{"op": "replace", "path": "/data/a", "value": "3"}], {"a": "3"}),
    ],
)
async def test_patches(server: Running, media: str, patch: Any, expected: dict[str, str]) -> None:
    await server.call("POST", CONFIG_MAPS, config_map("x"))
    code, patched = await server.call("PATCH", f"{CONFIG_MAPS}/x", orjson.dumps(patch), Content_Type=media)
    assert (code, patched["data"]) == (200, expected)


async def test_apply_owns_fields_and_reports_conflicts(server: Running) -> None:
    media = {"Content_Type": "application/apply-patch+yaml"}
    code, _ = await server.call("PATCH", f"{CONFIG_MAPS}/x?fieldManager=one", orjson.dumps(config_map("x")), **media)
    assert code == 201
    other = orjson.dumps({**config_map("x"), "data": {"a": "2"}})
    code, status = await server.call("PATCH", f"{CONFIG_MAPS}/x?fieldManager=two", other, **media)
    assert (code, status["details"]["causes"][0]["field"]) == (409, ".data.a")
    code, forced = await server.call("PATCH", f"{CONFIG_MAPS}/x?fieldManager=two&force=true", other, **media)
    assert (code, forced["data"]) == (200, {"a": "2"})
    code, same = await server.call("PATCH", f"{CONFIG_MAPS}/x?fieldManager=two&force=true", other, **media)
    assert same["metadata"]["resourceVersion"] == forced["metadata"]["resourceVersion"]


@pytest.mark.parametrize(
    ("path", "body", "headers", "code"),
    [
        (CONFIG_MAPS, b"{", {}, 400),
        (CONFIG_MAPS, b"[]", {}, 400),
        (CONFIG_MAPS, b"\xff\xfe", {}, 400),
        (CONFIG_MAPS, b"[" * 100_000, {}, 400),
        (CONFIG_MAPS, b'{"metadata": 3}', {}, 400),
        (CONFIG_MAPS, b'{"metadata": {"name": 3}}', {}, 400),
        (CONFIG_MAPS, b'{"kind": "Pod", "apiVersion": "v1"}', {}, 400),
        (CONFIG_MAPS, b'{"metadata": {"name": "x", "namespace": "other"}}', {}, 400),
        (CONFIG_MAPS, b"a: &a [*a]", {"Content_Type": "application/yaml"}, 400),
        (CONFIG_MAPS, b"k8s\0\xff\xff", {"Content_Type": "application/vnd.kubernetes.protobuf"}, 400),
        (CONFIG_MAPS, b"<a/>", {"Content_Type": "application/xml"}, 415),
        (CONFIG_MAPS, b" " * (3 * 1024 * 1024 + 1), {}, 413),
        (f"{CONFIG_MAPS}?dryRun=maybe", b'{"metadata": {"name": "x"}}', {}, 422),
        (f"{CONFIG_MAPS}?fieldValidation=Strict", b'{"metadata": {"name": "x"}, "dta": {}}', {}, 400),
        ("/api/v1/namespaces/nowhere/configmaps", b'{"metadata": {"name": "x"}}', {}, 404),
        ("/api/v1/namespaces/default/nothings", b"{}", {}, 404),
    ],
)
async def test_bad_input_is_answered_with_a_status(
    server: Running, path: str, body: bytes, headers: dict[str, str], code: int
) -> None:
    headers = {"Content_Type": "application/json", **headers}
    got, status = await server.call("POST", path, body, **headers)
    assert (got, status["kind"], status["code"]) == (code, "Status", code)
    assert "Traceback" not in status["message"]


async def test_unknown_fields_are_dropped_with_a_warning(server: Running) -> None:
    body = {**config_map("x"), "dta": {}}
    async with server.session.post(f"{server.base}{CONFIG_MAPS}?fieldValidation=Warn", json=body) as answer:
        assert answer.headers["Warning"] == '299 - "unknown field \\"dta\\""'
        assert "dta" not in await answer.json()


async def test_dry_run_stores_nothing(server: Running) -> None:
    code, _ = await server.call("POST", f"{CONFIG_MAPS}?dryRun=All", config_map("x"))
    assert code == 201
    code, _ = await server.call("GET", f"{CONFIG_MAPS}/x")
    assert code == 404


# --- pods ---


async def test_a_pod_goes_gracefully_from_its_node(server: Running) -> None:
    await account(server)
    await server.call("POST", PODS, pod("p"))
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "p"},
        "target": {"kind": "Node", "name": "n1"},
    }
    code, _ = await server.call("POST", f"{PODS}/p/binding", binding)
    assert code == 201
    code, _ = await server.call("POST", f"{PODS}/p/binding", binding)
    assert code == 409
    code, marked = await server.call("DELETE", f"{PODS}/p")
    assert (code, marked["metadata"]["deletionGracePeriodSeconds"]) == (200, 30)
    code, _ = await server.call("GET", f"{PODS}/p")
    assert code == 200
    code, _ = await server.call("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 0})
    assert code == 200
    code, _ = await server.call("GET", f"{PODS}/p")
    assert code == 404


async def test_a_pod_that_is_ending_is_only_told_to_hurry(server: Running) -> None:
    """BeforeDelete: a delete that names no time, as controllers send it, does not shorten what a drain has granted."""
    await account(server)
    await server.call("POST", PODS, pod("p", nodeName="n1"))
    _, first = await server.call("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 3600})
    for asked in ({}, {"gracePeriodSeconds": 7200}, {"propagationPolicy": "Orphan"}):
        assert (await server.call("DELETE", f"{PODS}/p", asked)) == (200, first)
    _, hurried = await server.call("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 600})
    ends = [times.parse(item["metadata"]["deletionTimestamp"]) for item in (first, hurried)]
    assert (ends[0] - ends[1]).total_seconds() == 3000
    assert hurried["metadata"]["deletionGracePeriodSeconds"] == 600


async def test_a_pod_without_a_node_goes_at_once(server: Running) -> None:
    await account(server)
    await server.call("POST", PODS, pod("p"))
    await server.call("DELETE", f"{PODS}/p")
    code, _ = await server.call("GET", f"{PODS}/p")
    assert code == 404


async def test_finalizers_keep_an_object(server: Running) -> None:
    body = config_map("x")
    body["metadata"]["finalizers"] = ["example.org/wait"]
    await server.call("POST", CONFIG_MAPS, body)
    code, marked = await server.call("DELETE", f"{CONFIG_MAPS}/x")
    assert code == 200
    assert marked["metadata"]["deletionTimestamp"]
    media = {"Content_Type": "application/merge-patch+json"}
    freed = orjson.dumps({"metadata": {"finalizers": None}})
    code, last = await server.call("PATCH", f"{CONFIG_MAPS}/x", freed, **media)
    assert code == 200
    assert "finalizers" not in last["metadata"]
    code, _ = await server.call("GET", f"{CONFIG_MAPS}/x")
    assert code == 404


async def test_an_eviction_respects_the_budget(server: Running) -> None:
    await account(server)
    await server.call("POST", PODS, {**pod("p"), "metadata": {"name": "p", "labels": {"app": "x"}}})
    _, made = await server.call("GET", f"{PODS}/p")
    ready = {"type": "Ready", "status": "True"}
    await server.call("PUT", f"{PODS}/p/status", {**made, "status": {"phase": "Running", "conditions": [ready]}})
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}
    budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"}, "spec": spec}
    budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
    _, budget = await server.call("POST", budgets, budget)
    status = {
        "observedGeneration": 1,
        "disruptionsAllowed": 0,
        "currentHealthy": 1,
        "desiredHealthy": 1,
        "expectedPods": 1,
    }
    await server.call("PUT", f"{budgets}/b/status", {**budget, "status": status})
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    code, other = await server.call("POST", f"{PODS}/p/eviction", {**eviction, "metadata": {"name": "q"}})
    assert (code, other["message"]) == (400, "name in URL does not match name in Eviction object")
    for query in ("", "?dryRun=All"):
        code, refused = await server.call("POST", f"{PODS}/p/eviction{query}", eviction)
        assert (code, refused["details"]["causes"][0]["reason"]) == (429, "DisruptionBudget")
        assert "retryAfterSeconds" not in refused["details"]
    _, budget = await server.call("GET", f"{budgets}/b")
    await server.call("PUT", f"{budgets}/b/status", {**budget, "status": {**status, "disruptionsAllowed": 1}})
    code, _ = await server.call("POST", f"{PODS}/p/eviction", eviction)
    assert code == 201


async def test_an_eviction_of_one_version_of_a_pod(server: Running) -> None:
    """Preconditions hold for the pod as it was, though the eviction itself changes it (addConditionAndDeletePod)."""
    await account(server)
    _, made = await server.call("POST", PODS, pod("p"))
    metadata = made["metadata"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}

    async def evict(**preconditions: str) -> tuple[int, Any]:
        options = {"preconditions": preconditions}
        return await server.call("POST", f"{PODS}/p/eviction", {**eviction, "deleteOptions": options})

    code, refused = await evict(resourceVersion="1")
    assert (code, refused["reason"]) == (409, "Conflict")
    _, left = await server.call("GET", f"{PODS}/p")
    assert left["metadata"]["resourceVersion"] == metadata["resourceVersion"]
    code, _ = await evict(resourceVersion=metadata["resourceVersion"], uid=metadata["uid"])
    assert code == 201


@pytest.mark.parametrize("policy", ["AlwaysAllow", "IfHealthyBudget"])
async def test_a_pod_that_is_not_ready_goes_without_counting(server: Running, policy: str) -> None:
    """KEP-3017, in a rehearsal too."""
    await account(server)
    _, made = await server.call("POST", PODS, {**pod("p"), "metadata": {"name": "p", "labels": {"app": "x"}}})
    await server.call("PUT", f"{PODS}/p/status", {**made, "status": {"phase": "Running"}})
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}, "unhealthyPodEvictionPolicy": policy}
    budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"}, "spec": spec}
    budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
    _, budget = await server.call("POST", budgets, budget)
    status = {"observedGeneration": 1, "disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1}
    await server.call("PUT", f"{budgets}/b/status", {**budget, "status": {**status, "expectedPods": 1}})
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    for query in ("?dryRun=All", ""):
        assert (await server.call("POST", f"{PODS}/p/eviction{query}", eviction))[0] == 201


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({"disruptionsAllowed": -1}, "pdb disruptions allowed is negative"),
        (
            {"disruptionsAllowed": 1, "disruptedPods": {str(number): "" for number in range(2001)}},
            "DisruptedPods map too big - too many evictions not confirmed by PDB controller",
        ),
    ],
)
def test_a_budget_that_makes_no_sense_forbids_evictions(status: dict[str, Any], why: str) -> None:
    with pytest.raises(errors.Forbidden) as caught:
        evicting.disrupted({"metadata": {"name": "b"}, "status": status}, {"metadata": {"name": "p"}})
    assert caught.value.message == f'poddisruptionbudget.policy "b" is forbidden: {why}'


# --- services ---


async def test_no_two_services_get_the_same_address_or_port(server: Running) -> None:
    made = await asyncio.gather(
        *(server.call("POST", SERVICES, service(f"s{number}", type="NodePort")) for number in range(10))
    )
    assert {code for code, _ in made} == {201}
    assert len({body["spec"]["clusterIP"] for _, body in made}) == 10
    assert len({body["spec"]["ports"][0]["nodePort"] for _, body in made}) == 10


async def test_a_port_for_health_checks_is_taken_as_others_are(server: Running) -> None:
    """allocHealthCheckNodePort: two Services do not share one, and who goes gives back its own only."""
    balanced: dict[str, Any] = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 31999}
    balanced["allocateLoadBalancerNodePorts"] = False  # or the port could be given to it otherwise
    assert (await server.call("POST", SERVICES, service("a", **balanced)))[0] == 201
    code, refused = await server.call("POST", SERVICES, service("b", **balanced))
    text = "failed to allocate requested HealthCheck NodePort 31999: provided port is already allocated"
    assert (code, refused["message"]) == (500, f"Internal error occurred: {text}")
    await server.call("DELETE", f"{SERVICES}/a")
    assert (await server.call("POST", SERVICES, service("b", **balanced)))[0] == 201
    code, refused = await server.call("POST", SERVICES, service("c", **{**balanced, "healthCheckNodePort": 80}))
    assert (code, "not in the valid range" in refused["message"]) == (500, True)


async def test_a_taken_address_is_refused_and_a_freed_one_is_free(server: Running) -> None:
    _, first = await server.call("POST", SERVICES, service("a"))
    address = first["spec"]["clusterIP"]
    code, refused = await server.call("POST", f"{SERVICES}?dryRun=All", service("b", clusterIP=address))
    assert (code, refused["reason"]) == (422, "Invalid"), refused
    code, refused = await server.call("POST", SERVICES, service("b", clusterIP=address))
    assert (code, refused["reason"]) == (422, "Invalid")
    await server.call("DELETE", f"{SERVICES}/a")
    code, second = await server.call("POST", SERVICES, service("b", clusterIP=address))
    assert (code, second["spec"]["clusterIPs"]) == (201, [address])


async def test_a_dry_run_shows_what_a_service_would_get_and_takes_nothing(server: Running) -> None:
    async def claims() -> set[str]:
        pages = [await server.parts.store.page(f"/registry/{place}/") for place in ("ipaddresses", "tricenter")]
        return {key for page in pages for key, _ in page.items}

    _, kept = await server.call("POST", SERVICES, service("kept"))
    before = await claims()
    code, shown = await server.call("POST", f"{SERVICES}?dryRun=All", service("a", type="NodePort"))
    first, _, last = server.parts.config.nodeport_range.partition("-")
    network = ipaddress.ip_network(server.parts.config.service_cidr)
    assert (code, ipaddress.ip_address(shown["spec"]["clusterIP"]) in network) == (201, True)
    assert int(first) <= shown["spec"]["ports"][0]["nodePort"] <= int(last)
    kept["spec"]["type"] = "NodePort"
    code, shown = await server.call("PUT", f"{SERVICES}/kept?dryRun=All", kept)
    assert (code, shown["spec"]["clusterIP"]) == (200, kept["spec"]["clusterIP"])
    assert shown["spec"]["ports"][0]["nodePort"]
    kept["spec"]["ports"][0]["nodePort"] = 80
    code, refused = await server.call("PUT", f"{SERVICES}/kept?dryRun=All", kept)
    assert (code, "not in the valid range" in refused["message"]) == (422, True)
    assert await claims() == before


async def test_an_address_of_another_network_is_refused(server: Running) -> None:
    """Every node rewrites what goes to a cluster address: nobody is to have the address of somebody else for one."""
    network = ipaddress.ip_network(server.parts.config.service_cidr)
    elsewhere = "the provided network does not match the current range"
    outside = f"is not in the valid range. The range of valid IPs is {network}"
    for address, why in (("8.8.8.8", elsewhere), (str(network[0]), outside), (str(network[-1]), outside)):
        code, refused = await server.call("POST", SERVICES, service("a", clusterIP=address))
        assert (code, why in refused["message"]) == (422, True), refused


async def test_an_address_that_is_freed_late_stays_with_who_has_it_by_then(server: Running) -> None:
    config, store, resources = server.parts.config, server.parts.store, server.parts.resources
    allocation = Allocation(store, resources, config.service_cidr, config.nodeport_range)
    _, old = await server.call("POST", SERVICES, service("a"))
    key, place = addresses.key(old["spec"]["clusterIP"]), resources["", "services"].key("default", "a")
    gone = await store.delete(place, int(old["metadata"]["resourceVersion"]))
    held = await store.get(key)
    assert held is not None
    await store.replace(key, encoding.dump(addresses.claim(old["spec"]["clusterIP"], old)), held.revision)
    await allocation.release([key], gone)
    assert await store.get(key) is not None
    await allocation.undo([key])
    assert await store.get(key) is None


async def test_an_update_keeps_address_and_ports(server: Running) -> None:
    _, made = await server.call("POST", SERVICES, service("a", type="NodePort"))
    code, changed = await server.call("PUT", f"{SERVICES}/a", service("a", type="NodePort"))
    assert code == 200
    assert changed["spec"]["clusterIP"] == made["spec"]["clusterIP"]
    assert changed["spec"]["ports"][0]["nodePort"] == made["spec"]["ports"][0]["nodePort"]


# --- who ---


async def test_without_a_certificate_only_health_and_version(server: Running, pki: Path) -> None:
    async with client_session(pki) as anonymous:
        for path, code in (("/readyz", 200), ("/version", 200), ("/api/v1/pods", 403), ("/metrics", 403)):
            async with anonymous.get(server.base + path) as answer:
                assert (path, answer.status) == (path, code)


async def test_a_token_of_a_service_account_works_until_the_account_goes(server: Running, pki: Path) -> None:
    await account(server)
    path = "/api/v1/namespaces/default/serviceaccounts/default"
    code, answered = await server.call("POST", f"{path}/token", {"spec": {"expirationSeconds": 600}})
    assert code == 201
    token = {"Authorization": f"Bearer {answered['status']['token']}"}
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    url = f"{server.base}/apis/authentication.k8s.io/v1/selfsubjectreviews"
    async with client_session(pki) as session:
        async with session.post(url, json=review, headers=token) as answer:
            assert (await answer.json())["status"]["userInfo"]["username"] == "system:serviceaccount:default:default"
        await server.call("DELETE", path)
        await server.parts.fresh.wait()
        async with session.post(url, json=review, headers=token) as answer:
            assert answer.status == 401


async def test_impersonation_needs_permission(server: Running, pki: Path) -> None:
    code, status = await server.call("GET", "/api/v1/nodes", Impersonate_User="alice")
    assert (code, 'User "alice"' in status["message"]) == (403, True)
    async with client_session(pki, "alice") as session:
        headers = {"Impersonate-User": "admin", "Impersonate-Group": "system:masters"}
        async with session.get(f"{server.base}/api/v1/nodes", headers=headers) as answer:
            assert answer.status == 403


# --- forms ---


async def test_tables_and_metadata(server: Running) -> None:
    await server.call("POST", CONFIG_MAPS, config_map("x"))
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    _, shown = await server.call("GET", CONFIG_MAPS, Accept=table)
    assert [column["name"] for column in shown["columnDefinitions"]][:2] == ["Name", "Data"]
    assert shown["rows"][0]["cells"][:2] == ["x", 1]
    partial = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    _, listed = await server.call("GET", CONFIG_MAPS, Accept=partial)
    assert (listed["kind"], "data" in listed["items"][0]) == ("PartialObjectMetadataList", False)
    code, _ = await server.call("GET", CONFIG_MAPS, Accept="text/csv")
    assert code == 406


async def test_protobuf_bodies_are_read(server: Running) -> None:
    # A ConfigMap {metadata: {name: "p"}, data: {"k": "v"}} as client-go encodes it.
    message = b"\x0a\x03\x0a\x01p\x12\x06\x0a\x01k\x12\x01v"
    type_meta = b"\x0a\x02v1\x12\x09ConfigMap"
    unknown = b"\x0a" + bytes([len(type_meta)]) + type_meta + b"\x12" + bytes([len(message)]) + message
    media = "application/vnd.kubernetes.protobuf"
    code, made = await server.call("POST", CONFIG_MAPS, b"k8s\0" + unknown, Content_Type=media)
    assert (code, made["metadata"]["name"], made["data"]) == (201, "p", {"k": "v"})


async def test_secrets_given_as_text(server: Running) -> None:
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "b"}}
    _, made = await server.call("POST", "/api/v1/namespaces/default/secrets", body)
    assert made["data"] == {"a": base64.b64encode(b"b").decode()}
    assert "stringData" not in made


async def test_discovery_names_every_resource(server: Running) -> None:
    aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    _, found = await server.call("GET", "/apis", Accept=aggregated)
    groups = {item["metadata"]["name"] for item in found["items"]}
    assert {"apps", "batch", "networking.k8s.io", "rbac.authorization.k8s.io"} <= groups
    _, plain = await server.call("GET", "/apis/apps/v1")
    named = {item["name"]: item for item in plain["resources"]}
    assert {"deployments", "deployments/scale", "deployments/status"} <= named.keys()
    # What real clusters of that version answer.
    assert named["deployments"]["storageVersionHash"] == "8aSe+NMegvE="
    assert "storageVersionHash" not in named["deployments/scale"]
    _, events = await server.call("GET", "/apis/events.k8s.io/v1")
    assert events["resources"][0]["storageVersionHash"] == "r2yiGXH7wu8="  # of v1, in which they are stored
    _, reviews = await server.call("GET", "/apis/authorization.k8s.io/v1")
    assert not any("storageVersionHash" in item for item in reviews["resources"])


async def test_five_servers_bootstrap_one_store(etcd: EtcdProcess, pki: Path) -> None:
    servers = [assembly.assemble(make_config(etcd, pki)) for _ in range(5)]
    following = [asyncio.create_task(parts.mirror.run()) for parts in servers]
    await asyncio.gather(*(parts.mirror.synced.wait() for parts in servers))
    await asyncio.gather(*(bootstrap.run(parts) for parts in servers))
    for parts in servers:
        await parts.fresh.wait()
    uids = {
        parts.resources["", "services"].objects.entries["/registry/services/specs/default/kubernetes"].body
        for parts in servers
    }
    assert len(uids) == 1
    for task in following:
        task.cancel()
    await asyncio.wait(following)
    for parts in servers:
        await parts.etcd.close()
