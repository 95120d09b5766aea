"""ResourceQuota: what is written is charged to the quotas of its namespace first (apiserver plugin/resourcequota).

A quota's `status.used` is raised by a transaction on its revision before the object is stored, so that any number of
servers together never admit more than `status.hard`. What is freed, and what was charged for a write that then failed,
is found by the quota controller.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tricenter.apimachinery import amounts, quotas, times
from tricenter.apimachinery.amounts import Amounts
from tricenter.apiserver import errors
from tricenter.apiserver.admission.chain import CREATE, UPDATE, Attributes, Plugin
from tricenter.apiserver.cache.entry import Entry
from tricenter.apiserver.resources import Resources
from tricenter.apiserver.storage.store import Store, Stored

Object = dict[str, Any]

_UPDATED = {("", "services"): ("",), ("", "persistentvolumeclaims"): ("", "status"), ("", "pods"): ("resize",)}
"""Resources whose updates may use more, and through which subresources."""
_NEVER = ("", "events")


@dataclass(eq=False)
class _Waiter:
    """A request that is to be charged, and what came of it."""

    attributes: Attributes
    taken: Amounts = field(default_factory=dict)
    error: errors.StatusError | None = None
    done: bool = False


class ResourceQuota(Plugin):
    """The last plugin: what it charges is about to be written."""

    def __init__(self, resources: Resources, store: Store) -> None:
        self._quotas = resources["", "resourcequotas"].objects
        self._store = store
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._written: dict[str, Stored] = {}
        self._waiting: dict[str, list[_Waiter]] = {}

    async def validate(self, attributes: Attributes) -> None:
        """Charge every quota that counts the object, or none if one refuses. Raises Forbidden."""
        namespace = attributes.call.info.namespace
        if not namespace or not _counted(attributes):
            return
        charged: list[tuple[str, Amounts]] = []
        for key in self._quotas.keys(namespace):
            try:
                charged.append((key, await self._charge(key, attributes)))
            except errors.StatusError:
                for earlier, taken in charged:
                    await self._give_back(earlier, taken)
                raise

    async def _charge(self, key: str, attributes: Attributes) -> Amounts:
        """Take what the object uses from a quota; what was taken. Raises Forbidden.

        Requests that come while the quota is being written are charged together by the next write.
        """
        if attributes.call.dry_run or not self._concerned(key, attributes):
            entry = self._quotas.entries.get(key)
            if entry is not None:
                _wanted(entry.load(), attributes)
            return {}
        waiter = _Waiter(attributes)
        self._waiting.setdefault(key, []).append(waiter)
        async with self._locks.setdefault(key, asyncio.Lock()):
            if not waiter.done:
                await self._charge_all(key, self._waiting.pop(key))
        if waiter.error is not None:
            raise waiter.error
        return waiter.taken

    async def _charge_all(self, key: str, waiters: list[_Waiter]) -> None:
        async def step(quota: Object) -> Object:
            for waiter in waiters:
                waiter.taken, waiter.error = {}, None
                try:
                    waiter.taken = _wanted(quota, waiter.attributes)
                except errors.Forbidden as refused:  # final if this is what is stored, which `update` makes sure of
                    waiter.error = refused
                quota = _used_more(quota, waiter.taken)
            return quota

        failure: errors.StatusError | None = errors.Internal("resource quota evaluation timed out")
        try:
            await self._update(key, step)
            failure = None
        except errors.StatusError as error:
            failure = error
        finally:
            for waiter in waiters:
                waiter.done, waiter.error = True, failure or waiter.error

    def _concerned(self, key: str, attributes: Attributes) -> bool:
        """Whether the quota would change; a refusal is an answer that the real state has to give."""
        entry = self._quotas.entries.get(key)
        if entry is None:
            return False
        try:
            return bool(_wanted(entry.load(), attributes))
        except errors.Forbidden:
            return True

    async def _give_back(self, key: str, taken: Amounts) -> None:
        async def step(quota: Object) -> Object:
            return _used_more(quota, {name: amounts.ZERO - amount for name, amount in taken.items()})

        if taken:
            async with self._locks.setdefault(key, asyncio.Lock()):
                await self._update(key, step)

    async def _update(self, key: str, step: Any) -> None:
        """Change a quota; begins with the newest that this server knows, as the cache may not have our last write."""
        stored = await self._store.update(key, self._known(key), step)
        if stored is None:
            self._written.pop(key, None)
        else:
            self._written[key] = stored

    def _known(self, key: str) -> Stored | None:
        entry: Entry | None = self._quotas.entries.get(key)
        written = self._written.get(key)
        if entry is None or (written is not None and written.revision > entry.revision):
            return written
        self._written.pop(key, None)
        return Stored(entry.stored(), entry.revision)


def _counted(attributes: Attributes) -> bool:
    if attributes.resource == _NEVER:
        return False
    if attributes.operation == CREATE:
        return not attributes.subresource
    return attributes.operation == UPDATE and attributes.subresource in _UPDATED.get(attributes.resource, ())


def _wanted(quota: Object, attributes: Attributes) -> Amounts:
    usage = quotas.usage_of(*attributes.resource)
    try:
        return quotas.charge(quota, usage, attributes.obj, attributes.old, times.now())
    except quotas.Refused as refused:
        raise errors.forbidden(attributes.target, str(refused)) from refused


def _used_more(quota: Object, more: Mapping[str, amounts.Amount]) -> Object:
    if more:
        status = quota.setdefault("status", {})
        status["used"] = amounts.written(amounts.added(amounts.of(status.get("used")), more))
    return quota
