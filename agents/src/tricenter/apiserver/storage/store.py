"""Reads and writes of single keys as etcd transactions on the key's mod revision (storage.Interface)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aetcd import rpc

from tricenter.apiserver import errors
from tricenter.apiserver.storage import encoding, encryption, outcome
from tricenter.apiserver.storage.encryption import Encryption
from tricenter.apiserver.storage.etcd import LARGEST_REVISION, Etcd, FutureRevision

_ATTEMPTS = 20
"""Rounds of a guaranteed update; each lost round means that another writer has won."""
_RECENT_BYTES = 8 * 1024 * 1024
"""Own writes that are remembered until the watch has brought them, and a while longer."""
_GRACE = 0.4
"""Seconds beyond the time of a request in which the outcome of a write is still looked for."""


@dataclass(frozen=True)
class Stored:
    """A value of etcd, decrypted."""

    value: bytes
    revision: int
    stale: bool = False
    """Whether it is to be written again even when nothing changes: with another key, or encrypted at last."""

    def load(self) -> dict[str, Any]:
        """The object. Raises Internal for a value that is none."""
        try:
            return encoding.load(self.value, self.revision)
        except (ValueError, AttributeError, TypeError) as error:
            raise errors.Internal(f"Internal error occurred: the stored value is no object: {error}") from error


@dataclass(frozen=True)
class Page:
    """A part of a range at one revision."""

    items: list[tuple[str, Stored]]
    revision: int
    more: bool
    remaining: int


class Lost(Exception):  # noqa: N818  # not an error: somebody else wrote first
    """The key was not as expected; `current` is what is there now, None for nothing."""

    def __init__(self, current: Stored | None) -> None:
        super().__init__()
        self.current = current


Change = Callable[[dict[str, Any]], Awaitable[dict[str, Any] | None]]
"""From the present object to the wanted one; None means that the key is to be removed."""


class Store:
    """Objects in etcd by key."""

    def __init__(self, etcd: Etcd, rules: Encryption = encryption.PLAIN) -> None:
        self._etcd = etcd
        self._rules = rules
        self._guard = outcome.Guard(etcd)
        self._receipts = outcome.Receipts()
        self._recent: dict[str, Stored] = {}
        self._recent_bytes = 0

    async def get(self, key: str) -> Stored | None:
        """The value, read linearizably."""
        response = await self._etcd.range(rpc.RangeRequest(key=key.encode()))
        return self._stored(response.kvs[0]) if response.kvs else None

    async def create(self, key: str, obj: dict[str, Any], *, lease: int = 0) -> Stored:
        """Write a key that must not exist. Raises Lost."""
        return await self._put(key, encoding.dump(obj), 0, lease)

    async def replace(self, key: str, value: bytes, revision: int, *, lease: int = 0) -> Stored:
        """Write a key that must be at `revision`. Raises Lost."""
        return await self._put(key, value, revision, lease)

    async def delete(self, key: str, revision: int) -> int:
        """Remove a key that must be at `revision`; the revision of the removal. Raises Lost."""
        raw = key.encode()
        self._forget(key)
        operation = rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key=raw))
        return await self._if_at(raw, revision, operation)

    async def clear(self, prefix: str, *, unless: str) -> None:
        """Remove all keys with the prefix, but nothing if the key `unless` is there."""
        raw = prefix.encode()
        everything = rpc.DeleteRangeRequest(key=raw, range_end=raw[:-1] + bytes([raw[-1] + 1]))
        with contextlib.suppress(Lost):
            await self._if_at(unless.encode(), 0, rpc.RequestOp(request_delete_range=everything))

    async def page(self, prefix: str, *, start: str = "", revision: int = 0, limit: int = 0) -> Page:
        """Values with the prefix in key order, from the key `start`, at a revision (0: now).

        Raises Expired, FutureRevision, StoreRead.
        """
        if revision > LARGEST_REVISION:
            raise FutureRevision
        raw = prefix.encode()
        request = rpc.RangeRequest(
            key=start.encode() or raw, range_end=raw[:-1] + bytes([raw[-1] + 1]), revision=revision, limit=limit
        )
        response = await self._etcd.range(request)
        items = [(pair.key.decode(), self._stored(pair, in_list=True)) for pair in response.kvs]
        remaining = max(0, response.count - len(items))
        return Page(items, revision or response.header.revision, response.more, remaining)

    async def update(self, key: str, current: Stored | None, change: Change, *, lease: int = 0) -> Stored | None:
        """Change a value until no other writer interferes.

        `current` is what the caller knows (from the cache, it may be stale). A refusal by `change` counts only when it
        was made on the real state. Returns what is stored then; for a removal the last value at the revision of the
        removal; None when the key does not exist.
        """
        fresh = False
        current = self._newest(key, current)
        for _ in range(_ATTEMPTS):
            if current is None:
                current, fresh = await self.get(key), True
                if current is None:
                    return None
            try:
                wanted = await change(current.load())
            except errors.StatusError:
                if fresh:
                    raise
                current = None
                continue
            try:
                result = await self._settle(key, current, wanted, lease, fresh=fresh)
            except Lost as lost:
                current, fresh = lost.current, True
                if current is None:
                    return None
                continue
            if result is not None:
                return result
            current = None
        raise errors.Timeout(f"too many concurrent writers of {key}", retry_after=1)

    async def _settle(
        self, key: str, current: Stored, wanted: dict[str, Any] | None, lease: int, *, fresh: bool
    ) -> Stored | None:
        """Write the outcome of a change; None when nothing changed on a state that may be stale. Raises Lost."""
        if wanted is None:
            return Stored(current.value, await self.delete(key, current.revision))
        value = encoding.dump(wanted)
        if value == current.value and not current.stale:
            return current if fresh else None
        return await self.replace(key, value, current.revision, lease=lease)

    def _newest(self, key: str, known: Stored | None) -> Stored | None:
        """What the caller knows, or what was written from here since: a cache that lags would cost a lost round."""
        written = self._recent.get(key)
        return written if written is not None and (known is None or written.revision > known.revision) else known

    async def _put(self, key: str, value: bytes, revision: int, lease: int) -> Stored:
        raw = key.encode()
        put = rpc.RequestOp(request_put=rpc.PutRequest(key=raw, value=self._rules.seal(raw, value), lease=lease))
        stored = Stored(value, await self._if_at(raw, revision, put))
        self._remember(key, stored)
        return stored

    def _remember(self, key: str, stored: Stored) -> None:
        self._forget(key)
        self._recent[key] = stored
        self._recent_bytes += len(stored.value)
        while self._recent_bytes > _RECENT_BYTES:
            self._forget(next(iter(self._recent)))

    def _forget(self, key: str) -> None:
        stored = self._recent.pop(key, None)
        if stored is not None:
            self._recent_bytes -= len(stored.value)

    async def _if_at(self, key: bytes, revision: int, operation: rpc.RequestOp) -> int:
        """Do a write if the key is at a revision (0: does not exist); the revision of the write.

        Raises Lost; Uncertain when nobody can say whether it was done.
        """
        compare = rpc.Compare(key=key, target=rpc.Compare.MOD, result=rpc.Compare.EQUAL, mod_revision=revision)
        read = rpc.RequestOp(request_range=rpc.RangeRequest(key=key))
        for _ in range(_ATTEMPTS):
            guard = self._guard.key
            makes = not revision and operation.HasField("request_put")
            writes = [operation] if makes else [operation, self._receipts.next()]
            request = rpc.TxnRequest(compare=[compare, self._guard.stands(guard)], success=writes, failure=[read])
            done, current = await self._sent(key, request, guard)
            if done:
                return done
            if (current.revision if current else 0) != revision:
                raise Lost(current)
            # It was not the key: the guard has fallen, because the outcome of another write had to be found out.
            await self._guard.fall(guard)
        raise errors.Timeout(f"too many interrupted writes of {key.decode()}", retry_after=1)

    async def _sent(self, key: bytes, request: rpc.TxnRequest, guard: bytes) -> tuple[int, Stored | None]:
        """Send a write; its revision, or 0 and what is there."""
        began, since = asyncio.get_running_loop().time(), self._etcd.seen
        try:
            response = await self._etcd.txn(request)
        except errors.Uncertain as lost:
            try:
                async with asyncio.timeout_at(began + self._etcd.timeout + _GRACE):
                    done = await outcome.find(self._etcd, self._guard, request, stood=guard, since=since)
                    present = None if done else (await self._etcd.range(rpc.RangeRequest(key=key))).kvs
            except (errors.StatusError, outcome.Compacted, TimeoutError) as error:
                raise lost from error
            return done, self._stored(present[0]) if present else None
        if response.succeeded:
            return int(response.header.revision), None
        pairs = response.responses[0].response_range.kvs
        return 0, self._stored(pairs[0]) if pairs else None

    def _stored(self, pair: rpc.KeyValue, *, in_list: bool = False) -> Stored:
        """A value as it was before encryption. Raises Internal, in a list StoreRead."""
        try:
            value = self._rules.open(pair.key, pair.value)
        except ValueError as error:
            key, why = pair.key.decode(), str(error)
            raise (errors.unreadable_list({key: why}) if in_list else errors.unreadable(key, why)) from error
        return Stored(value, pair.mod_revision, self._rules.stale(pair.key, pair.value))
