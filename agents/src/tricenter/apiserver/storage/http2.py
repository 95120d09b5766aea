"""A connection to an etcd member: gRPC over HTTP/2 (RFC 9113) on an asyncio transport.

Both libraries cost more than what they carry. A write to etcd with 5 kB, processor time of the whole process: 0.16 ms
through gRPC's own library, whose threads hand each answer over to the loop, 0.35 ms through `grpclib` (see
docs/performance.md). Here a call is one write, and an answer is found in the bytes that have arrived.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import hpack
from grpc import StatusCode

from tricenter.apiserver.storage import frames
from tricenter.runtime import tls

_CONNECT_SECONDS = 3.0
"""A handshake on a busy machine needs its time."""
_SILENCE_SECONDS = 2.5
"""How long a peer may keep silent that was asked for a sign of life."""
_TOP_UP = 2**30
"""Bytes that are taken before the peer is told that there is room for as many more."""


class RpcError(Exception):
    """A call that failed; `sent` is unset when the server cannot have begun it."""

    def __init__(self, code: StatusCode, details: str, *, sent: bool = True) -> None:
        super().__init__(f"{code.name}: {details}")
        self.code = code
        self.details = details
        self.sent = sent


async def connect(endpoint: str, secured: tls.Context | None) -> Connection:
    """A connection on which the member has said that it speaks HTTP/2. Raises RpcError."""
    host, _, port = endpoint.rpartition(":")
    host = host.strip("[]")
    if secured is not None:
        secured.refresh()
    loop, made = asyncio.get_running_loop(), Connection(endpoint, secured=secured is not None)
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            name = host if secured is not None else None
            await loop.create_connection(lambda: made, host, int(port), ssl=secured, server_hostname=name)
            await made.ready
    except (OSError, RpcError) as error:  # TimeoutError is an OSError
        made.abort()
        text = f"failed to connect to {endpoint}: {str(error) or 'timed out'}"
        raise RpcError(StatusCode.UNAVAILABLE, text, sent=False) from error
    except BaseException:
        made.abort()
        raise
    return made


class Call:
    """One stream: messages come in through `take`, and `done` tells how it ended."""

    __slots__ = ("_part", "_wanted", "began", "done", "headers", "number", "room", "take", "taken")

    def __init__(self, done: asyncio.Future[None], take: Callable[[bytes], None], began: float) -> None:
        self.done = done
        self.take = take
        self.began = began
        self.number = 0
        """Of the stream, once there is one."""
        self.room = 0
        """Bytes that the peer still takes on this stream."""
        self.taken = 0
        self.headers: dict[str, str] = {}
        self._part = bytearray()
        """The beginning of a message, of `_wanted` bytes as far as is known."""
        self._wanted = 0

    def arrived(self, data: bytes) -> None:
        """Take out the messages that are complete. Raises RpcError for one that is compressed."""
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
                raise RpcError(StatusCode.INTERNAL, "a compressed message, which was not asked for")
            after = start + frames.PREFIX.size + size
            if after > end:
                break
            self.take(data[start + frames.PREFIX.size : after])
            start, size = after, 0
        if start < end:
            self._part += memoryview(data)[start:]
            self._wanted = frames.PREFIX.size + size

    def fail(self, error: RpcError) -> None:
        """End with an error, unless it has ended."""
        if not self.done.done():
            self.done.set_exception(error)


class Connection(asyncio.Protocol):
    """Any number of calls at a time."""

    def __init__(self, endpoint: str, *, secured: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._endpoint, self._secured = endpoint, secured
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self.usable = False
        """Whether new calls can be made."""
        self._transport: asyncio.Transport | None = None
        self._heads: dict[tuple[Any, ...], bytes] = {}
        self._fields = frames.Fields()
        self._calls: dict[int, Call] = {}
        self._number = 1
        self._room = self._new_room = frames.FIRST_WINDOW
        self._most = frames.LARGEST_WINDOW
        self._taken = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._rest = b""
        self._block: tuple[int, int, bytes] | None = None
        self._heard = self._loop.time()
        self._probing: asyncio.TimerHandle | None = None

    # --- calls ---

    async def unary(self, path: str, message: bytes, seconds: float) -> bytes:
        """One message there and one back. Raises RpcError."""
        messages: list[bytes] = []
        call = Call(self._loop.create_future(), messages.append, self._loop.time())
        timer = self._loop.call_later(seconds, self._overdue, call)
        sending = None
        try:
            if not self._at_once(call, path, message):
                sending = asyncio.ensure_future(self._send_all(call, path, message))
            await call.done
        finally:
            timer.cancel()
            if sending is not None:
                sending.cancel()
            self.leave(call)
        if not messages:
            raise RpcError(StatusCode.INTERNAL, "the answer has no message")
        return messages[0]

    def _at_once(self, call: Call, path: str, message: bytes) -> bool:
        """Send a call in one piece, if there is room for it."""
        size = len(message) + frames.PREFIX.size
        if size > min(self._room, self._new_room, frames.LARGEST_FRAME) or len(self._calls) >= self._most:
            return False
        number = self._begin(call, path, ())
        self._room -= size
        self._write(
            b"".join((
                self._opened(number, path, ()),
                frames.HEAD.pack(size >> 8, size & 0xFF, frames.DATA, frames.END_STREAM, number),
                frames.PREFIX.pack(0, len(message)),
                message,
            ))
        )  # fmt: skip
        return True

    async def _send_all(self, call: Call, path: str, message: bytes) -> None:
        try:
            await self.open(call, path)
            await self.send(call, message, last=True)
        except RpcError as error:
            call.fail(error)

    async def open(self, call: Call, path: str, *metadata: tuple[str, str]) -> None:
        """Begin a stream, as soon as there may be one more."""
        while len(self._calls) >= self._most:
            await self._change()
        self._write(self._opened(self._begin(call, path, metadata), path, metadata))

    async def send(self, call: Call, message: bytes, *, last: bool = False) -> None:
        """Send a message, as soon as the peer takes it."""
        left = memoryview(frames.PREFIX.pack(0, len(message)) + message)
        while left:
            size = min(len(left), self._room, call.room, frames.LARGEST_FRAME)
            if size <= 0:
                await self._change()
                continue
            self._room -= size
            call.room -= size
            ends = frames.END_STREAM if last and size == len(left) else 0
            self._write(frames.frame(frames.DATA, ends, call.number, left[:size]))
            left = left[size:]

    def stream(self, take: Callable[[bytes], None]) -> Call:
        """A call of any number of messages both ways, to be opened."""
        return Call(self._loop.create_future(), take, self._loop.time())

    def leave(self, call: Call) -> None:
        """Nobody waits for the call any more."""
        if not call.done.cancel() and not call.done.cancelled():
            call.done.exception()  # or asyncio complains that nobody has looked at it
        if self._calls.pop(call.number, None) is not None:
            self._write(frames.reset(call.number))
            self._changed()

    def _begin(self, call: Call, path: str, metadata: tuple[tuple[str, str], ...]) -> int:
        if not self.usable:
            raise RpcError(StatusCode.UNAVAILABLE, f"the connection to {self._endpoint} is closed", sent=False)
        key = (path, *metadata)
        if key not in self._heads:
            self._heads[key] = frames.request(self._endpoint, path, metadata, secured=self._secured)
        call.number, call.room = self._number, self._new_room
        self._calls[call.number] = call
        self._number += 2
        if self._number > frames.LARGEST_WINDOW:  # stream numbers end there, too
            self.usable = False
        return call.number

    def _opened(self, number: int, path: str, metadata: tuple[tuple[str, str], ...]) -> bytes:
        return frames.frame(frames.HEADERS, frames.END_HEADERS, number, self._heads[path, *metadata])

    def _overdue(self, call: Call) -> None:
        call.fail(RpcError(StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", sent=call.number > 0))
        if self._heard <= call.began and self._probing is None:
            self._write(frames.frame(frames.PING, 0, 0, bytes(8)))
            self._probing = self._loop.call_later(_SILENCE_SECONDS, self._judge, self._heard)

    def _judge(self, heard: float) -> None:
        """A peer that has been silent for so long is gone, whatever the kernel believes."""
        self._probing = None
        if self._heard == heard:
            self.abort()

    async def _change(self) -> None:
        """Until the peer has made room, or a call has ended."""
        waiting = self._loop.create_future()
        self._waiting.append(waiting)
        await waiting

    def _changed(self) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self._waiting.clear()

    # --- the transport ---

    def abort(self) -> None:
        """Close at once."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshakes of TCP and TLS are done."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none of asyncio's
        self._write(frames.opening())

    def connection_lost(self, exc: Exception | None) -> None:
        """Whatever is under way may have been done or not."""
        self.usable = False
        if self._probing is not None:
            self._probing.cancel()
        error = RpcError(StatusCode.UNAVAILABLE, f"the connection to {self._endpoint} was lost: {exc or 'closed'}")
        if not self.ready.done():
            self.ready.set_exception(error)
        for call in self._calls.values():
            call.fail(error)
        self._calls.clear()
        self._changed()

    def data_received(self, data: bytes) -> None:
        """Bytes have arrived."""
        self._heard = self._loop.time()
        data = self._rest + data if self._rest else data
        start, end = 0, len(data)
        unpack = frames.HEAD.unpack_from
        try:
            while end - start >= frames.HEAD.size:
                high, low, kind, flags, number = unpack(data, start)
                after = start + frames.HEAD.size + (high << 8 | low)
                if after > end:
                    break
                self._frame(kind, flags, number, data[start + frames.HEAD.size : after])
                start = after
        except (hpack.HPACKError, ValueError, IndexError) as error:
            self.connection_lost(ValueError(f"what came is not HTTP/2: {error}"))
            self.abort()
            return
        self._rest = data[start:]

    # --- frames ---

    def _frame(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if kind in (frames.DATA, frames.HEADERS):
            size = len(payload)
            if flags & (frames.PADDED | frames.PRIORITY):
                payload = frames.padded(kind, flags, payload)
            if kind == frames.DATA:
                self._data(flags, number, payload, size)
            elif flags & frames.END_HEADERS:
                self._headers(flags, number, payload)
            else:
                self._block = flags, number, payload
        elif kind == frames.CONTINUATION and self._block is not None:
            first, number, block = self._block
            self._block = first, number, block + payload
            if flags & frames.END_HEADERS:
                self._block = None
                self._headers(first, number, block + payload)
        elif kind == frames.WINDOW:
            self._widen(number, int.from_bytes(payload, "big"))
        elif kind == frames.SETTINGS and not flags & frames.ACK:
            self._settings(frames.settings(payload))
        elif kind == frames.PING and not flags & frames.ACK:
            self._write(frames.frame(frames.PING, frames.ACK, 0, payload))
        elif kind == frames.RESET:
            self._reset(number, int.from_bytes(payload, "big"))
        elif kind == frames.GOAWAY:
            self._go_away(int.from_bytes(payload[:4], "big"), payload[8:])

    def _data(self, flags: int, number: int, payload: bytes, size: int) -> None:
        self._taken += size
        if self._taken > _TOP_UP:
            self._write(frames.window(0, self._taken))
            self._taken = 0
        call = self._calls.get(number)
        if call is None:
            return
        call.taken += size
        if call.taken > _TOP_UP:
            self._write(frames.window(number, call.taken))
            call.taken = 0
        try:
            call.arrived(payload)
        except RpcError as error:
            call.fail(error)
        if flags & frames.END_STREAM:
            self._end(call, {})

    def _headers(self, flags: int, number: int, block: bytes) -> None:
        fields = self._fields.read(block)
        call = self._calls.get(number)
        if call is None:
            return
        if flags & frames.END_STREAM:
            self._end(call, fields)
        else:
            call.headers = fields

    def _end(self, call: Call, trailers: dict[str, str]) -> None:
        """The peer has said all: a status of gRPC is in the trailers, a failure of HTTP in the headers."""
        del self._calls[call.number]
        if trailers.get("grpc-status") == "0":
            if not call.done.done():
                call.done.set_result(None)
        else:
            call.fail(RpcError(*frames.outcome({**call.headers, **trailers})))
        if self._waiting:
            self._changed()

    def _reset(self, number: int, code: int) -> None:
        call = self._calls.pop(number, None)
        if call is not None:
            text = f"the member has ended the call: HTTP/2 error {code}"
            call.fail(RpcError(StatusCode.UNAVAILABLE, text, sent=code != frames.REFUSED))
            self._changed()

    def _go_away(self, last: int, why: bytes) -> None:
        """No new calls; what the peer has not begun it does not begin."""
        self.usable = False
        text = f"the member closes the connection: {why.decode(errors='replace')}"
        for number in [number for number in self._calls if number > last]:
            self._calls.pop(number).fail(RpcError(StatusCode.UNAVAILABLE, text, sent=False))
        if not self._calls:
            self.abort()

    def _widen(self, number: int, more: int) -> None:
        if number == 0:
            self._room += more
        elif (call := self._calls.get(number)) is not None:
            call.room += more
        if self._waiting:
            self._changed()

    def _settings(self, given: dict[int, int]) -> None:
        self._write(frames.frame(frames.SETTINGS, frames.ACK, 0))
        self._most = given.get(frames.MAX_STREAMS, self._most)
        room = given.get(frames.INITIAL_WINDOW, self._new_room)
        for call in self._calls.values():
            call.room += room - self._new_room
        self._new_room = room
        if not self.ready.done():
            self.usable = True
            self.ready.set_result(None)
        self._changed()
