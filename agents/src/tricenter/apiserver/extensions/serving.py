"""Serves what CustomResourceDefinitions define, on this server, as soon as its watch shows them.

A definition whose kinds change gets a new cache that is filled from etcd before it takes the place of the old one;
watches on the old one end and clients begin again, as they do upstream.
"""

from __future__ import annotations

import asyncio
import logging

from tricenter.apiserver import errors
from tricenter.apiserver.cache.freshness import Freshness
from tricenter.apiserver.cache.history import Change
from tricenter.apiserver.cache.mirror import Mirror
from tricenter.apiserver.cache.resource import ResourceCache
from tricenter.apiserver.extensions import definitions
from tricenter.apiserver.extensions.definitions import Definition
from tricenter.apiserver.resources import CRDS, Resource, Resources

log = logging.getLogger(__name__)

_AGAIN_SECONDS = 0.2
_AT_ONCE = 16
_PATIENCE = 5.0
"""Seconds a request waits for definitions that are being taken in."""


class Extensions:
    """Keeps the served resources equal to the definitions."""

    def __init__(self, resources: Resources, mirror: Mirror, fresh: Freshness, *, history: int) -> None:
        self._resources = resources
        self._mirror = mirror
        self._fresh = fresh
        self._history = history
        self._crds = resources[CRDS].objects
        self._serving: dict[str, Definition] = {}
        self._dirty: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        self._crds.listeners.append(self._changed)
        mirror.on_reload(self._reloaded)

    async def run(self) -> None:
        """Take in definitions for ever."""
        while True:
            await self._wake.wait()
            while self._dirty:
                if not all(await asyncio.gather(*map(self._attempt, [*self._dirty][:_AT_ONCE]))):
                    await asyncio.sleep(_AGAIN_SECONDS)
            self._wake.clear()
            self._settled.set()

    async def _attempt(self, name: str) -> bool:
        """Take in one definition; whether there is no reason to try again."""
        try:
            await self._take(name)
        except errors.StatusError as error:
            log.warning("the objects of %s cannot be read: %s", name, error)
            return False
        except Exception:  # a definition that we cannot serve must not take all others with it
            log.exception("the definition %s cannot be served", name)
        # Noted again meanwhile: that was found in the cache, or comes with the next change.
        self._dirty.pop(name, None)
        return True

    async def started(self) -> None:
        """Until all definitions that there were at the start are served, however many they are."""
        await self._settled.wait()

    async def settled(self) -> None:
        """Until all definitions that the cache holds are served. Raises Unavailable."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._settled.wait()
        except TimeoutError:
            raise errors.Unavailable("custom resources are being read", retry_after=1) from None

    async def find(self, group: str, version: str, plural: str) -> Resource | None:
        """A resource that another server may have begun to serve before this one knows of it."""
        if "." not in group:
            return None
        await self.current()
        return self._resources.find(group, version, plural)

    async def current(self) -> None:
        """Until everything that is defined now is served."""
        await self._fresh.wait()
        await self.settled()

    def _changed(self, change: Change) -> None:
        entry = change.current or change.previous
        if entry is not None:
            self._note(entry.name)

    def _reloaded(self) -> None:
        for name in (*self._serving, *(entry.name for entry in self._crds.entries.values())):
            self._note(name)
        self._wake.set()

    def _note(self, name: str) -> None:
        # To the end: a definition that changes while it is taken in is taken in once more.
        self._dirty.pop(name, None)
        self._dirty[name] = None
        self._settled.clear()
        self._wake.set()

    async def _take(self, name: str) -> None:
        """Bring one definition up to date."""
        while True:
            entry = self._crds.get("", name)
            wanted = None if entry is None else self._wanted(entry.load())
            serving = self._serving.get(name)
            if wanted is None:
                self._forget(name)
            elif serving is None or serving.basis != wanted.basis:
                cache = ResourceCache(wanted.prefix, wanted.extractor(), history=self._history, coerce=wanted.coercer())
                await self._mirror.adopt(cache)
                self._serve(wanted, cache)
            elif serving.served != wanted.served:
                self._serve(wanted, self._resources.cache(wanted.prefix))
            if self._crds.get("", name) is entry:
                return

    def _wanted(self, crd: definitions.Object) -> Definition | None:
        try:
            definition = definitions.of(crd)
        except (KeyError, TypeError, StopIteration, AttributeError):
            log.exception("the definition %s cannot be read", crd["metadata"].get("name"))
            return None
        if definition is not None and self._resources.built_in(definition.storage):
            log.warning("%s is built in: its definition is not served", definition.name)
            return None
        return definition

    def _serve(self, wanted: Definition, cache: ResourceCache) -> None:
        self._resources.define(wanted.name, wanted.served, wanted.storage, cache)
        self._serving[wanted.name] = wanted

    def _forget(self, name: str) -> None:
        gone = self._serving.pop(name, None)
        if gone is not None:
            self._resources.forget(name)
            self._mirror.drop(gone.prefix)
