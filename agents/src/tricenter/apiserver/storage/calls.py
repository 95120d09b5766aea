"""A call of gRPC on a stream of HTTP/2: its messages, and how it ends (gRPC over HTTP2, in grpc's doc/)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from grpc import StatusCode

from tricenter.apiserver.storage import flowcontrol, frames


class RpcError(Exception):
    """A call that failed; `sent` is unset when the server cannot have begun it."""

    def __init__(self, code: StatusCode, details: str, *, sent: bool = True) -> None:
        super().__init__(f"{code.name}: {details}")
        self.code = code
        self.details = details
        self.sent = sent


class Call:
    """One stream: messages come in through `take`, and `done` tells how it ended."""

    __slots__ = ("_part", "_take", "_wanted", "began", "done", "headers", "number", "room", "taken")

    def __init__(self, done: asyncio.Future[None], take: Callable[[bytes], None], began: float) -> None:
        self.done = done
        self._take = take
        self.began = began
        self.number = 0
        """Of the stream, once there is one."""
        self.room = 0
        """Bytes that the peer still takes on this stream."""
        self.taken = flowcontrol.Taken()
        self.headers: dict[str, str] = {}
        self._part = bytearray()
        """The beginning of a message, of `_wanted` bytes as far as is known."""
        self._wanted = 0

    def arrived(self, data: bytes) -> None:
        """Take out the messages that are complete; one that is compressed ends the call."""
        if self._part:
            # A message of many frames is put together once: copying what there is at each would take quadratic time.
            self._part += data
            if len(self._part) < self._wanted:
                return
            data, self._part = bytes(self._part), bytearray()
        start, end, size = 0, len(data), 0
        while end - start >= frames.PREFIX.size:
            compressed, size = frames.PREFIX.unpack_from(data, start)
            if compressed:
                self.fail(RpcError(StatusCode.INTERNAL, "a compressed message, which was not asked for"))
                return
            after = start + frames.PREFIX.size + size
            if after > end:
                break
            self._take(data[start + frames.PREFIX.size : after])
            start, size = after, 0
        if start < end:
            self._part += memoryview(data)[start:]
            self._wanted = frames.PREFIX.size + size

    def end(self, trailers: dict[str, str]) -> None:
        """The peer has said all: a status of gRPC is in the trailers, a failure of HTTP in the headers."""
        if trailers.get("grpc-status") != "0":
            self.fail(RpcError(*frames.outcome({**self.headers, **trailers})))
        elif not self.done.done():
            self.done.set_result(None)

    def fail(self, error: RpcError) -> None:
        """End with an error, unless it has ended."""
        if not self.done.done():
            self.done.set_exception(error)
