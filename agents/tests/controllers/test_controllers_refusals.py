"""What the server refuses for one object keeps no other: a webhook, say, that wants it to stay."""

from __future__ import annotations

import asyncio
import datetime as dt
from types import SimpleNamespace
from typing import Any

import pytest

from tricenter.apimachinery import times
from tricenter.client import Resource, errors
from tricenter.client.informer import Informer, key_of
from tricenter.client.resources import (
    CRONJOBS,
    HORIZONTALPODAUTOSCALERS,
    JOBS,
    NODES,
    PODDISRUPTIONBUDGETS,
    PODS,
    RESOURCEQUOTAS,
    Discovery,
)
from tricenter.controllers import (
    autoscalers,
    cronjobs,
    disruptions,
    garbage_collector,
    node_lifecycle,
    podgc,
    resourcequotas,
)
from tricenter.controllers.context import Informers

THINGS = Resource("example.com", "v1", "things", "Thing", True, frozenset({"list", "watch"}))


class Site:
    """A controller, what its informers show, and what it does; nothing may be done to what is called `bad`."""

    def __init__(self, make: Any, **config: Any) -> None:
        self.informers: dict[Resource, Informer] = {}
        self.done: list[str] = []
        self.events: list[str] = []
        self.statuses: list[Any] = []
        self.api: Any = SimpleNamespace(
            delete=self.delete, patch=self.patch, create=self.create, update_status=self.update_status
        )
        known = SimpleNamespace(
            get=lambda res: self.informers.setdefault(res, Informer(self.api, res)),
            known=lambda: list(self.informers.values()),
        )
        recorder = SimpleNamespace(event=lambda _obj, _kind, reason, _text: self.events.append(reason))
        context = SimpleNamespace(api=self.api, informers=known, recorder=recorder, config=SimpleNamespace(**config))
        self.controller = make(context)

    def has(self, res: Resource, name: str, **obj: Any) -> None:
        metadata = {
            "name": name,
            "uid": name,
            "resourceVersion": "1",
            "creationTimestamp": times.now_rfc3339(),
            **obj.pop("metadata", {}),
        }
        if res.namespaced:
            metadata["namespace"] = "d"
        made = {"metadata": metadata, **obj}
        self.informers[res]._put(key_of(made), made)

    async def delete(self, _res: Any, name: str, *_: Any, **__: Any) -> None:
        self.do("delete", name)

    async def patch(self, _res: Any, name: str, *_: Any, **__: Any) -> None:
        self.do("patch", name)

    async def create(self, _res: Any, obj: Any) -> Any:
        self.done.append("create")
        return obj | {"metadata": obj["metadata"] | {"uid": "new"}}

    async def update_status(self, _res: Any, obj: Any) -> None:
        self.statuses.append(obj["status"])

    def do(self, verb: str, name: str) -> None:
        if name == "bad":
            raise errors.Forbidden({"message": "it stays"}, 403)
        self.done.append(f"{verb} {name}")


async def test_pods_that_nobody_takes_care_of() -> None:
    site = Site(podgc.PodGC, terminated_pod_limit=0)
    for name in ("bad", "good"):
        site.has(PODS, name, spec={}, status={"phase": "Failed"})
    await site.controller.sweep(0.0)
    assert site.done == ["delete good"]


async def test_pods_of_a_lost_node() -> None:
    site = Site(node_lifecycle.NodeLifecycle, node_monitor_grace_seconds=40)
    site.has(NODES, "n", spec={}, status={"conditions": [{"type": "Ready", "status": "Unknown"}]})
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    for name in ("bad", "good"):
        site.has(PODS, name, spec={"nodeName": "n"}, status=ready)
    with pytest.raises(errors.Forbidden):
        await site.controller.reconcile("n")
    assert site.done == ["patch n", "patch good"]
    assert len(site.controller._evictions) == 2, "to be evicted they wait for nobody"


async def test_old_jobs_of_a_cron_job() -> None:
    site = Site(cronjobs.CronJobs)
    template = {"spec": {"template": {}}}
    begun = times.rfc3339(times.now() - dt.timedelta(minutes=5))
    spec = {"schedule": "* * * * *", "jobTemplate": template, "successfulJobsHistoryLimit": 0}
    site.has(CRONJOBS, "tick", metadata={"creationTimestamp": begun}, spec=spec)
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "tick", "uid": "tick", "controller": True}
    over = {"conditions": [{"type": "Complete", "status": "True"}]}
    for name in ("bad", "good"):
        site.has(JOBS, name, metadata={"ownerReferences": [owner]}, spec={}, status=over)
    await site.controller.reconcile("d/tick")
    assert site.done == ["delete good", "create"]
    assert "FailedDelete" in site.events
    assert len(site.statuses[0]["active"]) == 1


async def test_a_budget_asks_again_for_a_size_that_it_was_not_told() -> None:
    site = Site(disruptions.Disruptions)
    owner = {"apiVersion": "example.com/v1", "kind": "Thing", "name": "t", "uid": "t", "controller": True}
    running = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    site.has(PODS, "p", metadata={"ownerReferences": [owner], "labels": {"a": "b"}}, spec={}, status=running)
    selector = {"matchLabels": {"a": "b"}}
    site.has(PODDISRUPTIONBUDGETS, "b", spec={"maxUnavailable": 1, "selector": selector})

    async def get(*_: Any) -> Any:
        raise errors.ServerError({"message": "not now"}, 503)

    site.controller._scales = SimpleNamespace(get=get)
    with pytest.raises(errors.ServerError):
        await site.controller.reconcile("d/b")
    (status,) = site.statuses
    assert (status["disruptionsAllowed"], status["conditions"][0]["reason"]) == (0, "SyncFailed")


async def test_a_quota_of_what_cannot_be_listed() -> None:
    """Four of them would keep all workers, and with them all other quotas."""
    site = Site(resourcequotas.ResourceQuotas)

    async def discover() -> Discovery:
        return Discovery([THINGS])

    site.api.discover = discover
    site.has(RESOURCEQUOTAS, "q", spec={"hard": {"count/things.example.com": "1"}})
    assert await site.controller.reconcile("d/q") == 1.0
    site.informers[THINGS]._synced.set()
    assert await site.controller.reconcile("d/q") is None
    assert site.statuses == [{"hard": {"count/things.example.com": "1"}, "used": {"count/things.example.com": "0"}}]


async def test_a_quota_counts_what_a_new_definition_brings() -> None:
    site = Site(resourcequotas.ResourceQuotas)

    async def discover() -> Discovery:
        return Discovery([THINGS])

    site.api.discover = discover
    site.has(RESOURCEQUOTAS, "q", spec={"hard": {"count/things.example.com": "1"}})
    for count in (0, 1):  # the garbage collector drops informers of definitions that have gone
        site.informers[THINGS] = Informer(site.api, THINGS)
        site.informers[THINGS]._synced.set()
        for number in range(count):
            site.has(THINGS, f"t{number}")
        await site.controller.reconcile("d/q")
    assert [status["used"]["count/things.example.com"] for status in site.statuses] == ["0", "1"]


async def test_a_size_that_is_refused_is_told() -> None:
    site = Site(autoscalers.Autoscalers)
    site.has(HORIZONTALPODAUTOSCALERS, "h", spec={"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment"}})

    async def get(*_: Any) -> Any:
        return {"spec": {"replicas": 5}, "status": {"replicas": 5}}

    async def resize(*_: Any) -> None:
        raise errors.Forbidden({"message": "it stays"}, 403)

    site.controller._scales = SimpleNamespace(get=get, resize=resize)
    assert await site.controller.reconcile("d/h") == autoscalers.PERIOD_SECONDS
    (status,) = site.statuses
    (able,) = status["conditions"]
    assert (able["status"], able["reason"]) == ("False", "FailedUpdateScale")
    assert able["message"] == "the HPA controller was unable to update the target scale: it stays"
    assert (site.events, status["desiredReplicas"]) == (["FailedRescale"], 0)


async def test_an_extension_server_that_answers_oddly_ends_no_other_informer() -> None:
    """It is tried again when the garbage collector looks for resources the next time."""
    answers: Any = {PODS: [], THINGS: [{"no": "metadata"}]}

    async def listed(res: Any, *_: Any, **__: Any) -> Any:
        return SimpleNamespace(items=answers[res], resource_version="1")

    async def watch(*_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()
        yield "never", {}

    api: Any = SimpleNamespace(list=listed, watch=watch)
    informers = Informers(api)
    informers.get(PODS)
    async with asyncio.TaskGroup() as group:
        await informers.run(group)
        collector = garbage_collector.GarbageCollector(SimpleNamespace(api=api, informers=informers))  # type: ignore[arg-type]
        following = asyncio.create_task(collector._follow({PODS, THINGS}))
        async with asyncio.timeout(60):
            while THINGS not in collector._followed or len(informers.known()) != 1:
                await asyncio.sleep(0.01)
        following.cancel()
        await asyncio.wait({following})
        answers[THINGS] = [{"metadata": {"name": "t", "uid": "t", "resourceVersion": "1"}}]
        async with asyncio.timeout(60):
            await collector._follow({PODS, THINGS})
        assert list(collector._followed[THINGS].store) == ["t"]
        for res in (PODS, THINGS):
            informers.drop(res)
