"""/metrics has upstream's names and tells the truth; health checks can be asked one by one."""

from __future__ import annotations

import asyncio
from pathlib import Path

from apiserver_harness import Running, client_session
from prometheus_client.parser import text_string_to_metric_families

PODS = "/api/v1/namespaces/default/pods"


async def samples(server: Running, name: str, /, **labels: str) -> list[float]:
    """The values of a metric whose labels are at least these."""
    async with server.session.get(f"{server.base}/metrics") as answer:
        assert answer.status == 200
        families = list(text_string_to_metric_families(await answer.text()))
    return [
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]


async def test_requests_are_counted_by_what_they_ask_and_how_it_ends(server: Running) -> None:
    for _ in range(3):
        await server.call("GET", PODS)
    await server.call("POST", "/api/v1/namespaces/default/configmaps?dryRun=All", {"metadata": {"name": "a"}})
    await server.call("GET", f"{PODS}/missing")
    where = {"group": "", "version": "v1", "resource": "pods", "component": "apiserver"}
    assert await samples(server, "apiserver_request_total", verb="LIST", code="200", scope="namespace", **where) == [3]
    name = "apiserver_request_duration_seconds_count"
    assert await samples(server, name, verb="LIST", scope="namespace", **where) == [3]
    posted = await samples(
        server, "apiserver_request_total", verb="POST", dry_run="All", resource="configmaps", code="201"
    )
    assert posted == [1]
    assert sum(await samples(server, "apiserver_request_total", verb="GET", code="404")) == 1


async def test_watches_in_flight_and_gone_are_seen(server: Running) -> None:
    answer = await server.session.get(f"{server.base}{PODS}?watch=1")
    assert await samples(server, "apiserver_longrunning_requests", verb="WATCH", resource="pods") == [1]
    assert await samples(server, "apiserver_registered_watchers", kind="Pod") == [1]
    assert await samples(server, "apiserver_current_inflight_requests", request_kind="readOnly") == [1]
    answer.close()
    async with asyncio.timeout(120):
        while await samples(server, "apiserver_longrunning_requests", verb="WATCH", resource="pods") != [0]:
            await asyncio.sleep(0.05)
    assert await samples(server, "apiserver_registered_watchers", kind="Pod") == [0]
    assert await samples(server, "apiserver_request_total", verb="WATCH", resource="pods", code="200") == [1]


async def test_nobody_makes_labels_up(server: Running, pki: Path) -> None:
    """What is counted by its place is there, and asked for by somebody who may have it: labels are never forgotten."""
    async with client_session(pki) as session:
        stranger = Running(server.parts, session)
        for query, credentials in (("watch=1", "Bearer none"), ("timeout=x", ""), ("", "Bearer none")):
            await stranger.call("GET", f"/apis/made.up/v1/things?{query}", Authorization=credentials)
    await server.call("POST", f"{PODS}/p/made.up?dryRun=x", {})
    async with server.session.get(f"{server.base}/metrics") as answer:
        text = await answer.text()
    assert "made.up" not in text
    assert sum(await samples(server, "apiserver_request_total", code="401")) == 2


async def test_the_store_and_the_process_are_seen(server: Running, pki: Path) -> None:
    assert (await samples(server, "apiserver_storage_objects", resource="namespaces"))[0] == 4
    assert (await samples(server, "apiserver_storage_objects", resource="clusterroles.rbac.authorization.k8s.io"))[
        0
    ] > 20
    assert sum(await samples(server, "etcd_request_duration_seconds_count", operation="txn")) > 20
    assert (await samples(server, "process_resident_memory_bytes"))[0] > 1e6
    assert await samples(server, "kubernetes_build_info", major="1", minor="33") == [1]
    async with client_session(pki) as session:
        await Running(server.parts, session).call("GET", PODS, Authorization="Bearer none")
    assert await samples(server, "authentication_attempts", result="error") == [1]
    assert sum(await samples(server, "authentication_attempts", result="success")) > 5
    assert sum(await samples(server, "authenticated_user_requests", username="admin")) > 5


async def test_admission_is_timed_by_plugin_and_by_step(server: Running) -> None:
    maps = "/api/v1/namespaces/default/configmaps"
    assert (await server.call("POST", maps, {"metadata": {"name": "a"}}))[0] == 201
    assert (await server.call("POST", "/api/v1/namespaces/none/configmaps", {"metadata": {"name": "a"}}))[0] == 404
    name = "apiserver_admission_controller_admission_duration_seconds_count"
    lifecycle = {"name": "NamespaceLifecycle", "type": "admit", "operation": "CREATE"}
    assert (await samples(server, name, rejected="true", **lifecycle)) == [1]
    made = await samples(server, name, rejected="false", **lifecycle)
    assert made == await samples(server, name, name="MutatingAdmissionWebhook", operation="CREATE", rejected="false")
    assert made[0] >= 1
    name = "apiserver_admission_step_admission_duration_seconds_bucket"
    assert await samples(server, name, type="admit", operation="CREATE", rejected="true", le="+Inf") == [1]
    assert await samples(server, name, type="validate", operation="CREATE", rejected="false", le="+Inf") == made


async def test_answers_and_events_are_measured(server: Running) -> None:
    maps = "/api/v1/namespaces/default/configmaps"
    kind = {"group": "", "version": "v1", "kind": "ConfigMap"}
    began = await samples(server, "apiserver_watch_cache_events_received_total", resource="configmaps")
    async with server.session.get(f"{server.base}{maps}?watch=1") as watch:
        first = [
            await watch.content.readline() for _ in server.parts.resources["", "configmaps"].objects.keys("default")
        ]
        for name in ("a", "b"):
            await server.call("POST", maps, {"metadata": {"name": name}, "data": {"text": "x" * 3000}})
        events = [*first, await watch.content.readline(), await watch.content.readline()]
    assert await samples(server, "apiserver_watch_events_total", **kind) == [len(events)]
    assert await samples(server, "apiserver_watch_events_sizes_sum", **kind) == [sum(map(len, events))]
    buckets = "apiserver_watch_events_sizes_bucket"
    small = await samples(server, buckets, le="2048.0", **kind)
    assert (await samples(server, buckets, le="4096.0", **kind))[0] - small[0] == 2
    received = await samples(server, "apiserver_watch_cache_events_received_total", resource="configmaps")
    assert received[0] - began[0] == 2
    assert await samples(server, "apiserver_storage_list_total", resource="configmaps") == [1]
    async with server.session.get(server.base + maps) as answer:
        size = len(await answer.read())
    where = {"verb": "LIST", "resource": "configmaps"}
    assert await samples(server, "apiserver_response_sizes_sum", **where) == [size]
    await server.call("GET", "/api/v1/namespaces/default/endpoints")
    assert await samples(server, "apiserver_requested_deprecated_apis", resource="endpoints", version="v1") == [1]


async def text(server: Running, path: str) -> tuple[int, list[str]]:
    async with server.session.get(server.base + path) as answer:
        return answer.status, (await answer.text()).splitlines()


async def test_health_by_check(server: Running) -> None:
    assert await text(server, "/livez") == (200, ["ok"])
    code, lines = await text(server, "/readyz?verbose")
    assert (code, lines[-1]) == (200, "readyz check passed")
    assert "[+]etcd ok" in lines
    server.parts.health.bootstrapped.clear()
    code, lines = await text(server, "/readyz")
    assert (code, lines[-1]) == (500, "readyz check failed")
    assert "[-]poststarthook/bootstrap failed: reason withheld" in lines
    assert (await text(server, "/readyz?exclude=poststarthook/bootstrap"))[0] == 200
    assert (await text(server, "/readyz/etcd")) == (200, ["ok"])
    assert (await text(server, "/readyz/nothing"))[0] == 404
    assert (await text(server, "/livez"))[0] == 200
    _, lines = await text(server, "/livez?verbose&exclude=nothing")
    assert 'warn: some health checks cannot be excluded: no matches for "nothing"' in lines


async def test_version(server: Running) -> None:
    code, version = await server.call("GET", "/version")
    assert (code, version["major"], version["minor"]) == (200, "1", "33")
