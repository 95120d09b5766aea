"""The controllers at a real server: what they write is accepted, and together they do what workloads ask for.

The test plays the kubelets: pods become ready, or end as their label says.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from apiserver_harness import Running

from tricenter.apimachinery import times
from tricenter.client import Client, errors
from tricenter.client.events import Recorder
from tricenter.client.resources import (
    CONFIGMAPS,
    CONTROLLERREVISIONS,
    CRONJOBS,
    DAEMONSETS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    NODES,
    PERSISTENTVOLUMECLAIMS,
    PODDISRUPTIONBUDGETS,
    PODS,
    RESOURCEQUOTAS,
    STATEFULSETS,
    Resource,
)
from tricenter.controllers import garbage, garbage_collector
from tricenter.controllers.config import Config
from tricenter.controllers.context import Context, Informers
from tricenter.controllers.main import control
from tricenter.runtime.config import ApiConfig

pytestmark = pytest.mark.etcd

PATIENCE = 300.0
ENDS = "ends"


@pytest.fixture
async def api(server: Running, pki: Path) -> AsyncIterator[Client]:
    """A client of a server at which all controllers work and whose pods run."""
    reach = ApiConfig(server=server.base, ca=pki / "ca.crt", cert=pki / "admin.crt", key=pki / "admin.key")
    config = Config(api=reach, center_pod_cidrs={}, root_ca=pki / "ca.crt", metrics_port=0)
    async with Client(reach) as client:
        recorder = Recorder(client, "controllers", "test")
        context = Context(client, Informers(client), recorder, config)
        tasks = {asyncio.create_task(control(context)), asyncio.create_task(kubelets(client))}
        yield client
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await recorder.close()


async def kubelets(client: Client) -> None:
    """Make pods run that wait."""
    while True:
        for pod in (await client.list(PODS)).items:
            if pod["status"]["phase"] == "Pending" and "deletionTimestamp" not in pod["metadata"]:
                await run(client, pod)
        await asyncio.sleep(0.1)


async def run(client: Client, pod: Any) -> None:
    phase = (pod["metadata"].get("labels") or {}).get(ENDS, "Running")
    now = times.now_rfc3339()
    ready = {"type": "Ready", "status": str(phase == "Running"), "lastTransitionTime": now}
    status = {"phase": phase, "startTime": now, "conditions": [ready]}
    try:
        await client.patch(
            PODS, pod["metadata"]["name"], {"status": status}, pod["metadata"]["namespace"], subresource="status"
        )
    except errors.ClientError:
        return  # it is gone, or will be found again


async def until(question: Callable[[], Awaitable[Any]]) -> Any:
    """The first answer that is true."""
    async with asyncio.timeout(PATIENCE):
        while not (answer := await question()):
            await asyncio.sleep(0.05)
    return answer


def spec(image: str = "i", **more: Any) -> Any:
    return {"automountServiceAccountToken": False, "containers": [{"name": "c", "image": image}], **more}


def template(app: str, image: str = "i", **labels: str) -> Any:
    return {"metadata": {"labels": {"app": app, **labels}}, "spec": spec(image)}


def named(name: str, body: Any) -> Any:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": body}


async def status(client: Client, res: Any, name: str) -> Any:
    return (await client.get(res, name, "default")).get("status") or {}


async def pods_of(client: Client, app: str) -> list[Any]:
    return (await client.list(PODS, "default", label_selector=f"app={app}")).items


async def account(client: Client) -> None:
    """Pods are refused until the controllers have made the account that they run as."""

    async def made() -> bool:
        try:
            await client.create(PODS, named("first", spec()))
        except errors.Forbidden:
            return False
        return True

    await until(made)
    await client.delete(PODS, "first", "default", grace_seconds=0)


async def test_owners_are_judged_while_others_are_still_looked_for(
    server: Running, pki: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resource that is gone is not asked for, though a new one whose server does not answer takes its time."""
    monkeypatch.setattr(garbage_collector, "_SYNC_SECONDS", 1.0)
    reach = ApiConfig(server=server.base, ca=pki / "ca.crt", cert=pki / "admin.crt", key=pki / "admin.key")
    config = Config(api=reach, center_pod_cidrs={}, root_ca=pki / "ca.crt", metrics_port=0)
    silent = {Resource("made.up", "v1", f"things{number}", f"Thing{number}", True) for number in range(5)}
    owned: Any = {"metadata": {"name": "x", "namespace": "default"}}
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "1"}
    async with Client(reach) as client, asyncio.TaskGroup() as group:
        informers = Informers(client)
        await informers.run(group)
        collector = garbage_collector.GarbageCollector(
            Context(client, informers, Recorder(client, "controllers", "test"), config)
        )
        await collector._follow({DEPLOYMENTS})
        assert await collector._owner_state(owner, owned) is garbage.OwnerState.ABSENT
        began = asyncio.get_running_loop().time()
        following = asyncio.create_task(collector._follow(silent))
        await asyncio.sleep(0.1)
        assert not following.done()
        assert await collector._owner_state(owner, owned) is garbage.OwnerState.SOLID
        await following
        assert asyncio.get_running_loop().time() - began < 4
        informers.drop(DEPLOYMENTS)


async def test_a_quota_takes_and_gives_back(api: Client) -> None:
    await account(api)
    await api.create(RESOURCEQUOTAS, named("q", {"hard": {"pods": "1"}}))

    async def used() -> Any:
        return (await status(api, RESOURCEQUOTAS, "q")).get("used")

    async def room() -> bool:
        return bool(await used() == {"pods": "0"})

    await until(room)
    await api.create(PODS, named("a", spec()))
    with pytest.raises(errors.Forbidden, match="exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"):
        await api.create(PODS, named("b", spec()))
    await api.delete(PODS, "a", "default", grace_seconds=0)
    await until(room)
    await api.create(PODS, named("b", spec()))


async def test_a_job_counts_its_pods_and_ends(api: Client) -> None:
    await account(api)
    body = {"completions": 3, "parallelism": 2, "template": template("j", **{ENDS: "Succeeded"})}
    body["template"]["spec"]["restartPolicy"] = "Never"
    await api.create(JOBS, named("j", body))

    async def complete() -> Any:
        found = await status(api, JOBS, "j")
        return found if any(item["type"] == "Complete" for item in found.get("conditions") or ()) else None

    found = await until(complete)
    assert (found["succeeded"], found["uncountedTerminatedPods"]) == (3, {})
    pods = await pods_of(api, "j")
    assert [pod["metadata"].get("finalizers") for pod in pods] == [None] * 3
    await api.delete(JOBS, "j", "default", propagation="Background")

    async def gone() -> bool:
        return not await pods_of(api, "j")

    await until(gone)


async def test_a_stateful_set_rolls_and_keeps_its_claims(api: Client) -> None:
    await account(api)
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    body = {
        "replicas": 2,
        "serviceName": "s",
        "selector": {"matchLabels": {"app": "s"}},
        "template": template("s"),
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
    }
    await api.create(STATEFULSETS, named("s", body))

    async def settled() -> Any:
        found = await status(api, STATEFULSETS, "s")
        done = found.get("readyReplicas") == found.get("updatedReplicas") == 2
        return found if done and found["currentRevision"] == found["updateRevision"] else None

    first = await until(settled)
    assert sorted(pod["metadata"]["name"] for pod in await pods_of(api, "s")) == ["s-0", "s-1"]
    claims = (await api.list(PERSISTENTVOLUMECLAIMS, "default")).items
    assert sorted(item["metadata"]["name"] for item in claims) == ["data-s-0", "data-s-1"]
    await api.patch(STATEFULSETS, "s", {"spec": {"template": template("s", "j")}}, "default")

    async def updated() -> bool:
        found = await settled()
        return bool(found and found["updateRevision"] != first["updateRevision"])

    await until(updated)
    assert {pod["spec"]["containers"][0]["image"] for pod in await pods_of(api, "s")} == {"j"}
    revisions = (await api.list(CONTROLLERREVISIONS, "default")).items
    assert sorted(item["revision"] for item in revisions) == [1, 2]


async def test_a_daemon_set_is_on_every_node_and_rolls(api: Client) -> None:
    await account(api)
    for name in ("n1", "n2"):
        ready = {"type": "Ready", "status": "True"}
        await api.create(NODES, {"metadata": {"name": name}, "status": {"conditions": [ready]}})
    body = {"selector": {"matchLabels": {"app": "d"}}, "template": template("d")}
    await api.create(DAEMONSETS, named("d", body))

    async def rolled() -> bool:
        made = await api.get(DAEMONSETS, "d", "default")
        found = made.get("status") or {}
        counts = (found.get("updatedNumberScheduled"), found.get("numberAvailable"), found.get("numberReady"))
        return found.get("observedGeneration") == made["metadata"]["generation"] and counts == (2, 2, 2)

    await until(rolled)
    await api.patch(DAEMONSETS, "d", {"spec": {"template": template("d", "j")}}, "default")
    await until(rolled)
    assert {pod["spec"]["containers"][0]["image"] for pod in await pods_of(api, "d")} == {"j"}


async def test_a_budget_lets_one_pod_go_at_a_time(server: Running, api: Client) -> None:
    await account(api)
    body = {"replicas": 3, "selector": {"matchLabels": {"app": "w"}}, "template": template("w")}
    await api.create(DEPLOYMENTS, named("w", body))
    wanted = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "w"}}}
    await api.create(PODDISRUPTIONBUDGETS, named("b", wanted))

    async def one() -> bool:
        found = await status(api, PODDISRUPTIONBUDGETS, "b")
        return bool((found.get("disruptionsAllowed"), found.get("expectedPods")) == (1, 3))

    await until(one)
    first, second, _ = [pod["metadata"]["name"] for pod in await pods_of(api, "w")]

    async def evict(name: str) -> int:
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": "default"}}
        return (await server.call("POST", f"/api/v1/namespaces/default/pods/{name}/eviction", body))[0]

    assert sorted(await asyncio.gather(evict(first), evict(second))) == [201, 429]
    await until(one)


async def test_a_cron_job_makes_what_it_missed_and_forgets_what_is_old(api: Client) -> None:
    await account(api)
    job = {"template": template("c", **{ENDS: "Succeeded"})}
    job["template"]["spec"]["restartPolicy"] = "Never"
    body = {"schedule": "0 0 * * *", "successfulJobsHistoryLimit": 0, "jobTemplate": {"spec": job}}
    await api.create(CRONJOBS, named("c", body))
    await api.patch(
        CRONJOBS, "c", {"status": {"lastScheduleTime": "2026-01-01T00:00:00Z"}}, "default", subresource="status"
    )

    async def seen() -> Any:
        found = await status(api, CRONJOBS, "c")
        return found if found.get("lastSuccessfulTime") and not found.get("active") else None

    found = await until(seen)
    assert found["lastScheduleTime"] > "2026-01-01T00:00:00Z"

    async def forgotten() -> bool:
        return not (await api.list(JOBS, "default")).items

    await until(forgotten)


async def test_a_namespace_loses_its_pods_first(api: Client) -> None:
    """KEP-5080, and upstream's conformance test of it: pods that are left keep the policies that confine them."""
    hold = "example.com/hold"
    await api.create(NAMESPACES, {"metadata": {"name": "going"}, "spec": {"finalizers": ["kubernetes", hold]}})
    await api.create(CONFIGMAPS, {"metadata": {"name": "kept", "namespace": "going"}})
    pod = {"metadata": {"name": "held", "namespace": "going", "finalizers": [hold]}, "spec": spec()}

    async def made() -> bool:
        with contextlib.suppress(errors.Forbidden):  # its account is not there yet
            await api.create(PODS, pod)
            return True
        return False

    async def conditions() -> dict[str, str]:
        found = (await api.get(NAMESPACES, "going"))["status"].get("conditions") or []
        return {item["type"]: item["status"] for item in found}

    async def waits() -> bool:
        return (await conditions()).get("NamespaceFinalizersRemaining") == "True"

    async def empty() -> bool:
        return bool((await api.get(NAMESPACES, "going"))["spec"]["finalizers"] == [hold])

    await until(made)
    await api.delete(NAMESPACES, "going")
    await until(waits)
    assert "deletionTimestamp" in (await api.get(PODS, "held", "going"))["metadata"]
    assert "deletionTimestamp" not in (await api.get(CONFIGMAPS, "kept", "going"))["metadata"]
    await api.patch(PODS, "held", {"metadata": {"finalizers": None}}, "going")
    await until(empty)
    assert (await api.list(CONFIGMAPS, "going")).items == []
    assert set((await conditions()).values()) == {"False"}
