"""Consistent reads from the cache (KEP-2340): one linearizable revision read for all readers that wait for one."""

from __future__ import annotations

import asyncio

from tricenter.apiserver.cache.mirror import Mirror
from tricenter.apiserver.storage.etcd import Etcd


class Freshness:
    """Joins readers: those that come while a read is under way share the next one, never the running one."""

    def __init__(self, etcd: Etcd, mirror: Mirror) -> None:
        self._etcd = etcd
        self._mirror = mirror
        self._running: asyncio.Task[int] | None = None
        self._next: asyncio.Task[int] | None = None

    async def wait(self) -> int:
        """Until the caches hold everything that was written before the call; the revision that proves it."""
        revision = await asyncio.shield(self._join())
        await self._mirror.wait(revision)
        return revision

    def _join(self) -> asyncio.Task[int]:
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self.revision())
            return self._running
        if self._next is None or self._next.done():
            self._next = asyncio.create_task(self._after(self._running))
        return self._next

    async def _after(self, running: asyncio.Task[int]) -> int:
        await asyncio.wait({running})
        if not running.cancelled() and (failed := running.exception()):
            # Trying again would make those who wait here wait twice as long for the same answer.
            self._next = None
            raise failed
        # From here on new readers must not join: the read begins now.
        self._running, self._next = asyncio.current_task(), None
        return await self.revision()

    async def revision(self) -> int:
        """etcd's revision, read linearizably."""
        return await self._etcd.revision()
