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

from tricenter.apiserver.storage import flowcontrol, frames
from tricenter.apiserver.storage.calls import Call, RpcError
from tricenter.apiserver.storage.patience import Patience, Pulse
from tricenter.runtime import tls

__all__ = ["Call", "Connection", "RpcError", "connect"]

_CONNECT_SECONDS = 3.0
"""A handshake on a busy machine needs its time."""


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
        made.give_up()
        text = f"failed to connect to {endpoint}: {str(error) or 'timed out'}"
        raise RpcError(StatusCode.UNAVAILABLE, text, sent=False) from error
    except BaseException:
        made.give_up()
        raise
    return made


class Connection(asyncio.Protocol):
    """Any number of calls at a time."""

    def __init__(self, endpoint: str, *, secured: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._endpoint, self._secured = endpoint, secured
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self.usable = False
        """Whether new calls can be made."""
        self._transport: asyncio.Transport | None = None
        self._pulse = Pulse(self._ping, self.abort)
        self._heads: dict[tuple[Any, ...], bytes] = {}
        self._reader = frames.Reader()
        self._fields = frames.Fields()
        self._calls: dict[int, Call] = {}
        self._number = 1
        self._out = flowcontrol.Outgoing()
        self._taken = flowcontrol.Taken()

    # --- calls ---

    async def unary(self, path: str, message: bytes, seconds: float) -> bytes:
        """One message there and one back. Raises RpcError."""
        messages: list[bytes] = []
        call = Call(self._loop.create_future(), messages.append, self._loop.time())
        timer = Patience(seconds, lambda: self._overdue(call))
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
        if len(self._calls) >= self._out.streams or not self._out.at_once(size):
            return False
        number = self._begin(call, path, ())
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
        """Begin a stream, as soon as there may be one more. Raises RpcError."""
        while self.usable and len(self._calls) >= self._out.streams:
            await self._out.change()
        self._write(self._opened(self._begin(call, path, metadata), path, metadata))

    async def send(self, call: Call, message: bytes, *, last: bool = False) -> None:
        """Send a message, as soon as the peer takes it, unless the call ends before."""
        left = memoryview(frames.PREFIX.pack(0, len(message)) + message)
        while left:
            size = await self._out.part(call, len(left))
            if call.done.done():
                self._out.widen(None, size)
                return
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
            self._ended()

    def _begin(self, call: Call, path: str, metadata: tuple[tuple[str, str], ...]) -> int:
        if not self.usable or self._transport is None or self._transport.is_closing():
            raise RpcError(StatusCode.UNAVAILABLE, f"the connection to {self._endpoint} is closed", sent=False)
        key = (path, *metadata)
        if key not in self._heads:
            self._heads[key] = frames.request(self._endpoint, path, metadata, secured=self._secured)
        call.number, call.room = self._number, self._out.initial
        self._calls[call.number] = call
        self._number += 2
        if self._number > frames.LARGEST_WINDOW:  # stream numbers end there, too
            self.usable = False
        return call.number

    def _opened(self, number: int, path: str, metadata: tuple[tuple[str, str], ...]) -> bytes:
        return frames.frame(frames.HEADERS, frames.END_HEADERS, number, self._heads[path, *metadata])

    def _overdue(self, call: Call) -> None:
        call.fail(RpcError(StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", sent=call.number > 0))
        self._pulse.doubt(call.began)

    def _ended(self) -> None:
        """A call is over: there is room for another one, or nothing left to do."""
        self._out.changed()
        if not self.usable and not self._calls:
            self.abort()

    # --- the transport ---

    def abort(self) -> None:
        """Close at once."""
        self.usable = False
        self.ready.cancel()  # nobody waits for it any more
        if self._transport is not None:
            self._transport.abort()

    def give_up(self) -> None:
        """Close before anybody knows whether it is ready, or asyncio complains that nobody asks why it is not."""
        self.ready.cancel()
        self.abort()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _ping(self) -> None:
        self._write(frames.frame(frames.PING, 0, 0, bytes(8)))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshakes of TCP and TLS are done."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none of asyncio's
        self._write(frames.opening())

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        self._lost(str(exc or "closed"))

    def eof_received(self) -> None:
        """The peer says no more, though a transport with TLS may stay open until it takes what is left for it."""
        self._lost("closed")
        self.abort()

    def _lost(self, why: str) -> None:
        """Whatever is under way may have been done or not."""
        self.usable = False
        self._pulse.stop()
        error = RpcError(StatusCode.UNAVAILABLE, f"the connection to {self._endpoint} was lost: {why}")
        if not self.ready.done():
            self.ready.set_exception(error)
        for call in self._calls.values():
            call.fail(error)
        self._calls.clear()
        self._out.changed()

    def data_received(self, data: bytes) -> None:
        """Bytes have arrived."""
        self._pulse.heard = self._loop.time()
        try:
            for kind, flags, number, payload, size in self._reader.read(data):
                if kind == frames.DATA:
                    self._data(flags, number, payload, size)
                elif kind == frames.HEADERS:
                    self._headers(flags, number, payload)
                else:
                    self._control(kind, flags, number, payload)
        except (hpack.HPACKError, ValueError) as error:
            self._lost(f"what came is not HTTP/2: {error}")
            self.abort()

    # --- frames ---

    def _data(self, flags: int, number: int, payload: bytes, size: int) -> None:
        """`size` is that of the frame, which counts with its padding."""
        if back := self._taken.add(size):
            self._write(frames.window(0, back))
        call = self._calls.get(number)
        if call is None:
            return
        if back := call.taken.add(size):
            self._write(frames.window(number, back))
        call.arrived(payload)
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
        del self._calls[call.number]
        call.end(trailers)
        self._ended()

    def _control(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if kind == frames.WINDOW:
            self._widen(number, frames.number(payload))
        elif kind == frames.SETTINGS and not flags & frames.ACK:
            self._settings(frames.settings(payload))
        elif kind == frames.PING and not flags & frames.ACK:
            self._write(frames.frame(frames.PING, frames.ACK, 0, payload))
        elif kind == frames.RESET:
            self._reset(number, frames.number(payload))
        elif kind == frames.GOAWAY:
            self._go_away(frames.number(payload), payload[8:])

    def _reset(self, number: int, code: int) -> None:
        call = self._calls.pop(number, None)
        if call is not None:
            text = f"the member has ended the call: HTTP/2 error {code}"
            call.fail(RpcError(StatusCode.UNAVAILABLE, text, sent=code != frames.REFUSED))
            self._ended()

    def _go_away(self, last: int, why: bytes) -> None:
        """No new calls; what the peer has not begun it does not begin."""
        self.usable = False
        text = f"the member closes the connection: {why.decode(errors='replace')}"
        for number in [number for number in self._calls if number > last]:
            self._calls.pop(number).fail(RpcError(StatusCode.UNAVAILABLE, text, sent=False))
        self._ended()

    def _widen(self, number: int, more: int) -> None:
        call = self._calls.get(number)
        if number == 0 or call is not None:
            self._out.widen(call, more)

    def _settings(self, given: dict[int, int]) -> None:
        self._write(frames.frame(frames.SETTINGS, frames.ACK, 0))
        self._out.streams = given.get(frames.MAX_STREAMS, self._out.streams)
        more = given.get(frames.INITIAL_WINDOW, self._out.initial) - self._out.initial
        self._out.initial += more
        for call in self._calls.values():
            call.room += more
        if not self.ready.done():
            self.usable = True
            self.ready.set_result(None)
        self._out.changed()
