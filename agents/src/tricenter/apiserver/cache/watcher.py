"""One watch request: what it wants to see, and the bytes that wait until its connection takes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tricenter.apiserver.cache.entry import Entry
from tricenter.apiserver.cache.history import ADDED, DELETED, ERROR, MODIFIED, Change
from tricenter.apiserver.cache.pacing import Pace
from tricenter.apiserver.cache.predicate import Predicate

Encode = Callable[[str, bytes], bytes]
"""From an event type and an object's JSON to the line that goes on the wire."""


def json_event(kind: str, body: bytes) -> bytes:
    """The plain form of a watch event."""
    return b'{"type":"%b","object":%b}\n' % (kind.encode(), body)


class Watcher:
    """Collects encoded events; the connection's task takes them. Bounded: too much undelivered ends the watch."""

    def __init__(
        self,
        predicate: Predicate,
        *,
        limit: int,
        pace: Pace,
        form: str = "json",
        encode: Encode = json_event,
        since: int = 0,
        sizes: Callable[[float], None] | None = None,
    ) -> None:
        self.predicate = predicate
        self._pace = pace
        self.on_overflow: Callable[[], None] = _nothing
        self._since = since
        self._measure = sizes or _unmeasured
        """Told of the size of each event."""
        self.overflowed = False
        self.ended = False
        self._form = form
        self._encode = encode
        self._limit = limit
        self._pending: list[bytes] = []
        self._size = 0
        self._wake: asyncio.Future[None] | None = None

    def offer(self, change: Change) -> None:
        """Consider a change: it is an event for this watch if the object matched before or matches now."""
        if change.revision <= self._since:
            return
        before = change.previous is not None and self.predicate.matches(change.previous)
        now = change.current is not None and self.predicate.matches(change.current)
        if now:
            self._push(change, MODIFIED if before else ADDED, change.current)
        elif before:
            self._push(change, DELETED, change.previous)

    def _push(self, change: Change, kind: str, entry: Entry | None) -> None:
        assert entry is not None  # noqa: S101  # the caller has just matched it
        chunk = change.encoded.get((kind, self._form))
        if chunk is None:
            chunk = change.encoded[kind, self._form] = self._encode(kind, entry.at(change.revision))
        self.push(chunk)

    def push(self, chunk: bytes) -> None:
        """Queue bytes for the connection."""
        if self.ended:
            return
        size = len(chunk)
        self._pending.append(chunk)
        self._size += size
        self._measure(size)
        if self._size > self._limit:
            self.overflowed = True
            self._pending.clear()
            self.end()
            self.on_overflow()
        self._notify()

    def end(self, last: bytes = b"") -> None:
        """No further events; `last` is still delivered."""
        if not self.ended:
            if last:
                self._pending.append(last)
            self.ended = True
            self._notify()

    def fail(self, status: bytes) -> None:
        """No further events but one that tells the error."""
        self.end(self._encode(ERROR, status))

    def _notify(self) -> None:
        if self._wake is not None:
            self._pace.wake(self._wake)
            self._wake = None

    async def take(self) -> bytes:
        """Wait for events and take all of them; empty when the watch has ended."""
        while not self._pending and not self.ended:
            wake = self._wake = asyncio.get_running_loop().create_future()
            await wake
        if self.overflowed:
            return b""
        chunk = self._pending[0] if len(self._pending) == 1 else b"".join(self._pending)
        self._pending.clear()
        self._size = 0
        return chunk


def _nothing() -> None:
    """What is done about an overflow when nobody cares."""


def _unmeasured(_: float) -> None:
    """Where sizes go that nobody counts."""
