"""Follows every resource that can own or be owned and carries out what `garbage` decides."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any, NoReturn

from tricenter.client import Informer, Resource, errors
from tricenter.client.informer import key_of
from tricenter.client.queueing import WorkQueue, run_workers
from tricenter.client.resources import CUSTOM_RESOURCE_DEFINITIONS
from tricenter.controllers import garbage
from tricenter.controllers.context import Context, Controller, split

Object = dict[str, Any]
Item = tuple[Resource, str]
"""A resource and the key of one of its objects."""

_DEPENDENTS = "dependents"
_REDISCOVERY_SECONDS = 30.0
_SYNC_SECONDS = 30.0
_IGNORED = {"events"}  # many, short-lived, and owned by nobody
_NEEDED = {"list", "watch", "delete", "patch"}

_log = logging.getLogger(__name__)


class GarbageCollector(Controller):
    """Reconciles every object that has owners, or that is deleted in a way that involves its dependents."""

    workers = 8

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._items: WorkQueue[Item] = WorkQueue()
        self._followed: dict[Resource, Informer] = {}
        self._by_kind: dict[tuple[str, str], Resource] = {}
        self._defined = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._rediscover())
            group.create_task(run_workers(self._items, self._process, self.workers))

    async def _rediscover(self) -> NoReturn:
        """Follow resources that come (custom ones) and leave those that go."""
        while True:
            self._defined.clear()
            try:
                found = await self.api.discover()
                wanted = {res for res in found.resources if res.verbs >= _NEEDED and res.plural not in _IGNORED}
                # What a group has that did not answer is not known to be gone.
                await self._follow(wanted | {res for res in self._followed if res.group in found.failed})
            except errors.ClientError as error:
                _log.warning("cannot discover resources: %s", error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REDISCOVERY_SECONDS):
                    await self._defined.wait()

    async def _follow(self, found: set[Resource]) -> None:
        known = self.context.informers.known()
        for res, informer in list(self._followed.items()):
            if res not in found or informer not in known:
                self._followed.pop(res)
                self.context.informers.drop(res)
        self._name_kinds()  # what follows takes its time, and nobody is to look for what is gone
        new = found - self._followed.keys()
        for res in new:
            informer = self._followed[res] = self.informer(res)
            informer.add_index(_DEPENDENTS, garbage.owner_uids)
        # Together: those of a server that does not answer would hold up all others, one after the other.
        await asyncio.gather(*map(self._sync, new))
        self._name_kinds()
        for res in new & self._followed.keys():
            self._attach(res, self._followed[res])
        self._reconsider({(res.group, res.kind) for res in new})

    def _name_kinds(self) -> None:
        self._by_kind = {(res.api_version, res.kind): res for res in self._followed}

    async def _sync(self, res: Resource) -> None:
        """Wait for the first list; a resource that has none (its definition has just gone) is not followed."""
        try:
            async with asyncio.timeout(_SYNC_SECONDS):
                await self._followed[res].wait_synced()
        except TimeoutError:
            _log.warning("cannot list %s", res)
            self._followed.pop(res)
            self.context.informers.drop(res)

    def _reconsider(self, kinds: set[tuple[str, str]]) -> None:
        """Owners of these kinds (group and kind) counted as alive as long as their kind was unknown."""
        for res, informer in self._followed.items():
            for obj in informer.store.values():
                if any(garbage.owner_kind(reference) in kinds for reference in garbage.references(obj)):
                    self._items.add((res, key_of(obj)))

    def _attach(self, res: Resource, informer: Informer) -> None:
        def changed(event: str, _old: Object | None, new: Object) -> None:
            if event == "DELETED":
                self._touch_dependents(new["metadata"]["uid"])
                self._touch_owners(new)
            elif garbage.references(new) or garbage.waits_for_dependents(new):
                self._items.add((res, key_of(new)))
            if res == CUSTOM_RESOURCE_DEFINITIONS:
                self._defined.set()

        informer.add_handler(changed)

    def _touch_dependents(self, uid: str) -> None:
        for res, dependent in self._dependents(uid):
            self._items.add((res, key_of(dependent)))

    def _touch_owners(self, obj: Object) -> None:
        """An owner that waits for its dependents may have waited for this one."""
        for reference in garbage.references(obj):
            res = self._by_kind.get((reference["apiVersion"], reference["kind"]))
            if res is not None:
                self._items.add((res, _owner_key(res, reference, obj)))

    def _dependents(self, uid: str) -> list[tuple[Resource, Object]]:
        return [(res, obj) for res, informer in self._followed.items() for obj in informer.by_index(_DEPENDENTS, uid)]

    async def _process(self, item: Item) -> float | None:
        res, key = item
        informer = self._followed.get(res)
        obj = informer.store.get(key) if informer is not None else None
        if obj is None:
            return None
        finalizer = garbage.waits_for_dependents(obj)
        if finalizer == garbage.ORPHAN:
            await self._orphan(res, obj)
        elif finalizer == garbage.FOREGROUND:
            await self._foreground(res, obj)
        elif garbage.references(obj):
            await self._judge(res, obj)
        return None

    async def _judge(self, res: Resource, obj: Object) -> None:
        states = {item["uid"]: await self._owner_state(item, obj) for item in garbage.references(obj)}
        uid = obj["metadata"]["uid"]
        verdict = garbage.judge(obj, states, has_dependents=bool(self._dependents(uid)))
        if verdict.release:
            await self._release(res, obj, verdict.release)
        if verdict.delete is None:
            return
        namespace, name = split(key_of(obj))
        _log.info("deleting: no owner is left", extra={"object": f"{res} {key_of(obj)}"})
        try:
            await self.api.delete(
                res,
                name,
                namespace or None,
                uid=uid,
                resource_version=obj["metadata"]["resourceVersion"],
                propagation=verdict.delete,
            )
        except errors.NotFound:
            return

    async def _owner_state(self, reference: Object, dependent: Object) -> garbage.OwnerState:
        """By the informer, but nobody is declared absent without asking the API itself."""
        res = self._by_kind.get((reference["apiVersion"], reference["kind"]))
        if res is None:
            return await self._unfollowed_owner_state(reference, dependent)
        key = _owner_key(res, reference, dependent)
        state = garbage.state_of(self._followed[res].store.get(key), reference["uid"])
        if state is not garbage.OwnerState.ABSENT:
            return state
        return await self._live_state(res, reference, dependent)

    async def _unfollowed_owner_state(self, reference: Object, dependent: Object) -> garbage.OwnerState:
        """An owner in another version than the preferred one, or of a kind that is unknown (then it stays)."""
        group, _, _version = reference["apiVersion"].rpartition("/")
        for (api_version, kind), res in self._by_kind.items():
            if kind == reference["kind"] and api_version.rpartition("/")[0] == group:
                return await self._live_state(res, reference, dependent)
        return garbage.OwnerState.SOLID

    async def _live_state(self, res: Resource, reference: Object, dependent: Object) -> garbage.OwnerState:
        namespace = dependent["metadata"].get("namespace") if res.namespaced else None
        if res.namespaced and namespace is None:
            return garbage.OwnerState.SOLID  # a cluster-wide object cannot be owned by a namespaced one: leave it
        try:
            live = await self.api.get(res, reference["name"], namespace)
        except errors.NotFound:
            return garbage.OwnerState.ABSENT
        return garbage.state_of(live, reference["uid"])

    async def _foreground(self, res: Resource, obj: Object) -> None:
        uid = obj["metadata"]["uid"]
        dependents = self._dependents(uid)
        for dependent_res, dependent in dependents:
            if "deletionTimestamp" not in dependent["metadata"]:
                self._items.add((dependent_res, key_of(dependent)))
        if not any(garbage.blocks(dependent, uid) for _, dependent in dependents):
            await self._drop_finalizer(res, obj, garbage.FOREGROUND)

    async def _orphan(self, res: Resource, obj: Object) -> None:
        uid = obj["metadata"]["uid"]
        for dependent_res, dependent in self._dependents(uid):
            await self._release(dependent_res, dependent, frozenset({uid}))
        await self._drop_finalizer(res, obj, garbage.ORPHAN)

    async def _release(self, res: Resource, obj: Object, owners: frozenset[str]) -> None:
        rest = [item for item in garbage.references(obj) if item["uid"] not in owners]
        await self._patch(res, obj, {"ownerReferences": rest or None})

    async def _drop_finalizer(self, res: Resource, obj: Object, finalizer: str) -> None:
        rest = [item for item in garbage.finalizers(obj) if item != finalizer]
        await self._patch(res, obj, {"finalizers": rest or None})

    async def _patch(self, res: Resource, obj: Object, change: Object) -> None:
        metadata = obj["metadata"]
        patch = {"metadata": {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]} | change}
        try:
            await self.api.patch(res, metadata["name"], patch, metadata.get("namespace"))
        except errors.NotFound:
            return


def _owner_key(res: Resource, reference: Object, dependent: Object) -> str:
    namespace = dependent["metadata"].get("namespace")
    return f"{namespace}/{reference['name']}" if res.namespaced and namespace else str(reference["name"])
