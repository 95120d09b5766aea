"""The loops of CustomResourceDefinitions: their status, and the end of their objects when they are deleted.

Every server process runs them. Writes are conditional on the revision that was read, so of several that decide the
same one writes and the others see it written. Upstream's apiextensions-apiserver pkg/controller/{status,finalizer}.
"""

from __future__ import annotations

import asyncio
import logging
import random

from tricenter.apimachinery.structural import naming
from tricenter.apiserver import errors
from tricenter.apiserver.cache.entry import Entry
from tricenter.apiserver.cache.history import Change
from tricenter.apiserver.cache.mirror import Mirror
from tricenter.apiserver.registry.customresources import CLEANUP, CustomStrategy
from tricenter.apiserver.registry.strategy import Object
from tricenter.apiserver.resources import CRDS, Resources
from tricenter.apiserver.rest.deleting import DeleteOptions, marked
from tricenter.apiserver.storage import encoding
from tricenter.apiserver.storage.store import Lost, Store

log = logging.getLogger(__name__)

_AGAIN_SECONDS = 0.5
_SWEEP_SECONDS = 5.0
_PAGE = 500


class DefinitionController:
    """Brings every definition to the status it should have."""

    def __init__(self, store: Store, resources: Resources, mirror: Mirror) -> None:
        self._store = store
        self._crds = resources[CRDS].objects
        self._dirty: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._sweeping: set[asyncio.Future[None]] = set()
        self._crds.listeners.append(self._changed)
        mirror.on_reload(self._all)

    async def run(self) -> None:
        """Look at what changed, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._dirty:
                name = next(iter(self._dirty))
                del self._dirty[name]
                entry = self._crds.get("", name)
                if entry is not None:
                    await self._look(entry)

    def _changed(self, change: Change) -> None:
        entry = change.current or change.previous
        if entry is None:
            return
        if change.current is None:
            self._all()  # the names it had are free
        self._note(entry.name)

    def _all(self) -> None:
        for entry in self._crds.entries.values():
            self._note(entry.name)

    def _note(self, name: str) -> None:
        self._dirty[name] = None
        self._wake.set()

    async def _look(self, entry: Entry) -> None:
        crd = entry.load()
        try:
            if not crd["metadata"].get("deletionTimestamp"):
                others = [other.load() for other in self._crds.entries.values() if other.name != entry.name]
                await self._write(entry, crd, naming.settled(crd, others))
            elif CLEANUP in (crd["metadata"].get("finalizers") or ()):
                await self._end(entry, crd)
        except Lost:
            log.debug("another server has written %s", entry.name)  # the change it made comes by the watch
        except errors.StatusError as error:
            log.warning("the status of %s cannot be written: %s", entry.name, error)
            self._later(entry.name)
        except Exception:  # a definition that we cannot understand must not end the loop for all others
            log.exception("the definition %s cannot be looked after", entry.name)

    def _later(self, name: str) -> None:
        pause = _AGAIN_SECONDS * random.uniform(0.5, 1.5)  # noqa: S311  # keeps servers from trying in step
        asyncio.get_running_loop().call_later(pause, self._note, name)

    async def _write(self, entry: Entry, before: Object, after: Object) -> None:
        if before != after:
            await self._store.replace(entry.key, encoding.dump(after), entry.revision)

    async def _end(self, entry: Entry, crd: Object) -> None:
        """Delete the objects; when none is left, the definition itself."""
        condition = naming.condition(crd, naming.TERMINATING) or {}
        if condition.get("reason") != "InstanceDeletionInProgress":
            after = entry.load()
            why = "CustomResource deletion is in progress"
            naming.set_condition(after, naming.TERMINATING, "True", "InstanceDeletionInProgress", why)
            await self._write(entry, crd, after)
            return  # which comes back as a change
        prefix = f"/registry/{crd['spec']['group']}/{crd['spec']['names']['plural']}/"
        if await self._clear(prefix):
            self._later(entry.name)
            return
        rest = [item for item in crd["metadata"]["finalizers"] if item != CLEANUP]
        if not rest:
            await self._store.delete(entry.key, entry.revision)
            asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep, prefix, entry.key)
            return
        after = entry.load()
        after["metadata"]["finalizers"] = rest
        naming.set_condition(after, naming.TERMINATING, "False", "InstanceDeletionCompleted", "removed all instances")
        await self._write(entry, crd, after)

    def _sweep(self, prefix: str, key: str) -> None:
        task = asyncio.ensure_future(self._remove_rest(prefix, key))
        self._sweeping.add(task)
        task.add_done_callback(self._sweeping.discard)

    async def _remove_rest(self, prefix: str, key: str) -> None:
        """What a server created that had not yet seen the end of the definition; none may be there again."""
        try:
            await self._store.clear(prefix, unless=key)
        except errors.StatusError as error:
            log.warning("what is left below %s cannot be removed: %s", prefix, error)

    async def _clear(self, prefix: str) -> bool:
        """Delete all objects of a prefix, as a client would; whether some are left, waiting for their finalizers."""
        left, start = False, ""
        while True:
            page = await self._store.page(prefix, start=start, limit=_PAGE)
            # Every server begins somewhere else, so that they do not all write the same object.
            for key, _ in random.sample(page.items, len(page.items)):
                left = await self._delete(key) or left
            if not page.more:
                return left
            start = page.items[-1][0] + "\0"

    async def _delete(self, key: str) -> bool:
        """Delete one object; whether it stays for a while."""
        gone = True

        async def step(obj: Object) -> Object | None:
            nonlocal gone
            wanted = marked(_STRATEGY, obj, DeleteOptions())
            gone = wanted is None
            return wanted

        stored = await self._store.update(key, None, step)
        return stored is not None and not gone


_STRATEGY = CustomStrategy("", "", has_status=False)
