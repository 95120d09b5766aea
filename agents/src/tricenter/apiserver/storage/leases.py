"""etcd leases for objects that expire, shared by those written within a short time (storage/etcd3/lease_manager.go)."""

from __future__ import annotations

import asyncio
import time

from tricenter.apiserver.storage.etcd import Etcd

_SHARED_SECONDS = 60
"""How long one lease is handed out; objects live up to so much longer than asked for."""
_SHARED_OBJECTS = 1000


class Leases:
    """Hands out leases of one duration."""

    def __init__(self, etcd: Etcd, ttl: int) -> None:
        self._etcd = etcd
        self._ttl = ttl
        self._lock = asyncio.Lock()
        self._lease = 0
        self._until = 0.0
        self._left = 0

    async def get(self) -> int:
        """The id of a lease with at least the duration left."""
        async with self._lock:
            if self._left <= 0 or time.monotonic() > self._until:
                self._lease = await self._etcd.grant_lease(self._ttl + _SHARED_SECONDS)
                self._until = time.monotonic() + _SHARED_SECONDS
                self._left = _SHARED_OBJECTS
            self._left -= 1
            return self._lease
