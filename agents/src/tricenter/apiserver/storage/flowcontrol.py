"""Flow control of HTTP/2 (RFC 9113, 5.2): how much a peer takes of us, and what it is told that we took."""

from __future__ import annotations

import asyncio
from typing import Protocol

from tricenter.apiserver.storage import frames

_TOP_UP = 2**30
"""Bytes that are taken before the peer is told that there is room for as many more."""


class Stream(Protocol):
    """What has a window of its own."""

    room: int


class Outgoing:
    """The windows of a connection and of its new streams, and who waits until the peer takes more."""

    def __init__(self) -> None:
        self.room = frames.FIRST_WINDOW
        """Bytes that the peer takes on all streams together."""
        self.initial = frames.FIRST_WINDOW
        """Bytes that it takes on a new one."""
        self.streams = frames.LARGEST_WINDOW
        """Streams that it takes at a time."""
        self._waiting: list[asyncio.Future[None]] = []

    def at_once(self, size: int) -> bool:
        """Take the room for all that is sent on a new stream, if there is enough for one frame."""
        if size > self.room or size > self.initial or size > frames.LARGEST_FRAME:
            return False
        self.room -= size
        return True

    async def part(self, stream: Stream, wanted: int) -> int:
        """Take room for a frame of up to `wanted` bytes, as soon as there is any; its size."""
        while (size := min(wanted, self.room, stream.room, frames.LARGEST_FRAME)) <= 0:
            await self.change()
        self.room -= size
        stream.room -= size
        return size

    def widen(self, stream: Stream | None, more: int) -> None:
        """The peer takes so many bytes more on a stream, or (None) on all together."""
        if stream is None:
            self.room += more
        else:
            stream.room += more
        self.changed()

    async def change(self) -> None:
        """Until the peer has made room, or a stream has ended."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        await waiting

    def changed(self) -> None:
        """Let those who wait look again."""
        if not self._waiting:
            return
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self._waiting.clear()


class Taken:
    """Counts the bytes that came, whose room the peer gets back when they are many."""

    __slots__ = ("_bytes",)

    def __init__(self) -> None:
        self._bytes = 0

    def add(self, size: int) -> int:
        """Count; the room to give back now, mostly none."""
        self._bytes += size
        if self._bytes <= _TOP_UP:
            return 0
        back, self._bytes = self._bytes, 0
        return back
