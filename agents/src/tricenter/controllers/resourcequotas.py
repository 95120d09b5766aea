"""ResourceQuota: counts anew what its objects use (upstream's pkg/controller/resourcequota).

The API server charges quotas for what is created; here is found what has gone, what was charged for writes that failed,
and what there was before the quota.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any

from tricenter.apimachinery import amounts, quotas, times
from tricenter.apimachinery.amounts import ZERO, Amounts
from tricenter.apimachinery.quotas import Usage
from tricenter.client import Informer, Resource
from tricenter.client.informer import key_of
from tricenter.client.queueing import run_workers
from tricenter.client.resources import RESOURCEQUOTAS
from tricenter.controllers.context import Context, Controller

Object = dict[str, Any]

SETTLE_SECONDS = 1.0
"""A charge comes before its object: for so long after the last one, nothing is given back."""
_RESYNC_SECONDS = 300.0
_SYNC_SECONDS = 1.0
"""So long a quota keeps others waiting whose objects cannot be listed, of a definition that has gone say."""

_log = logging.getLogger(__name__)


def status(quota: Object, objects: Mapping[Usage, Iterable[Object]], now: dt.datetime) -> Object:
    """The status of a quota over all `objects` of its namespace."""
    hard = (quota.get("spec") or {}).get("hard") or {}
    used: Amounts = {}
    for usage, found in objects.items():
        names = usage.names(hard)
        used |= {name: used.get(name, ZERO) for name in names}
        for obj in found:
            if quotas.matches(quota, hard, usage, obj):
                used = amounts.added(used, amounts.masked(usage.of(obj, now), names))
    return {"hard": dict(hard), "used": amounts.written(used)}


def frees(current: Object, wanted: Object) -> bool:
    """Whether a new status counts less of something than the one there is."""
    before, after = amounts.of(current.get("used")), amounts.of(wanted["used"])
    return any(after[name].value < amount.value for name, amount in before.items() if name in after)


class ResourceQuotas(Controller):
    """Reconciles quotas."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._quotas = self.informer(RESOURCEQUOTAS)
        self._quotas.add_index("namespace", lambda obj: (obj["metadata"]["namespace"],))
        self._followed: dict[Usage, Informer] = {}
        self._resources: dict[tuple[str, str], Resource] = {}
        self._charged: dict[str, float] = {}
        self.enqueue_on(self._quotas)
        self._quotas.add_handler(self._note_charge)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(run_workers(self.queue, self.reconcile, self.workers))
            group.create_task(self._resync())

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(_RESYNC_SECONDS)
            for key in self._quotas.store:
                self.queue.add(key)

    async def reconcile(self, key: str) -> float | None:
        quota = self._quotas.store.get(key)
        if quota is None:
            self._charged.pop(key, None)
            return None
        namespace = quota["metadata"]["namespace"]
        try:
            usages = await self._follow((quota.get("spec") or {}).get("hard") or {})
        except TimeoutError:
            return _SYNC_SECONDS
        objects = {usage: _in_namespace(self._followed[usage], namespace) for usage in usages}
        current, wanted = quota.get("status") or {}, status(quota, objects, times.now())
        if current == wanted:
            return None
        settled = time.monotonic() - self._charged.get(key, 0.0)
        if frees(current, wanted) and settled < SETTLE_SECONDS:
            return SETTLE_SECONDS - settled
        await self.put_status(RESOURCEQUOTAS, quota, wanted)
        return None

    def _note_charge(self, _event: str, old: Object | None, new: Object) -> None:
        if old is not None and (old.get("status") or {}).get("used") != (new.get("status") or {}).get("used"):
            self._charged[key_of(new)] = time.monotonic()

    # --- what is counted ---

    async def _follow(self, hard: Mapping[str, str]) -> list[Usage]:
        """The resources of these names that are served, each with an informer that has its first list.

        Raises TimeoutError where one has none yet.
        """
        found = []
        for name in sorted(quotas.counted_resources(hard)):
            usage = quotas.usage_of(*name)
            self._leave_if_dropped(usage)
            if usage in self._followed or await self._attach(usage):
                found.append(usage)
        return found

    def _leave_if_dropped(self, usage: Usage) -> None:
        """An informer that is run no more, as its definition went, shows nothing of one that has come since."""
        informer = self._followed.get(usage)
        if informer is not None and informer not in self.context.informers.known():
            del self._followed[usage]
            self._resources = {}

    async def _attach(self, usage: Usage) -> bool:
        resource = await self._resource(usage)
        if resource is None:
            return False
        informer = self.informer(resource)
        try:
            async with asyncio.timeout(_SYNC_SECONDS):
                await informer.wait_synced()
        except TimeoutError:
            self._resources = {}  # it may have gone since it was discovered
            raise
        if usage not in self._followed:
            self._followed[usage] = informer
            informer.add_handler(lambda event, old, new: self._changed(usage, event, old, new))
        return True

    async def _resource(self, usage: Usage) -> Resource | None:
        name = (usage.group, usage.plural)
        if name not in self._resources:
            found = (await self.api.discover()).resources
            self._resources = {(item.group, item.plural): item for item in found if {"list", "watch"} <= item.verbs}
        resource = self._resources.get(name)
        return resource if resource is not None and resource.namespaced else None

    def _changed(self, usage: Usage, event: str, old: Object | None, new: Object) -> None:
        """What is created was charged; what has gone or uses something else has to be counted."""
        now = times.now()
        if event == "ADDED" or (event == "MODIFIED" and old is not None and usage.of(old, now) == usage.of(new, now)):
            return
        for quota in self._quotas.by_index("namespace", new["metadata"]["namespace"]):
            if usage.names((quota.get("spec") or {}).get("hard") or {}):
                self.queue.add(key_of(quota))


def _in_namespace(informer: Informer, namespace: str) -> list[Object]:
    return [obj for obj in informer.store.values() if obj["metadata"].get("namespace") == namespace]
