"""gRPC over one HTTP/2 connection (RFC 9113, gRPC over HTTP2), as far as etcd needs it.

All of it happens in the event loop and each read of the socket takes in whatever has arrived. That is what the library
of gRPC for Python cannot do: there every message of a stream costs a thread's wake-up and turns of the loop, and a
watch falls behind while the server writes.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from typing import cast
from urllib.parse import unquote

from grpc import StatusCode

from tricenter.apiserver.storage import hpack

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _AWAY, _WINDOW, _CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
_END_STREAM, _ACK, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
_TABLE_SIZE, _PUSH, _INITIAL_WINDOW, _MAX_FRAME = 1, 2, 4, 5
_CANCEL, _REFUSED = 8, 7
_LARGEST = 2**31 - 1
_REFILL = 2**29
"""Received bytes after which the server is allowed as many more."""
_SILENT_SECONDS, _ANSWER_SECONDS = 5.0, 2.5
"""Silence on open streams after which the server is asked for a sign of life, and how long that may take."""

_HEAD = struct.Struct(">HBBBL")
_CODES = {code.value[0]: code for code in StatusCode}


class RpcError(Exception):
    """A call that failed; `sent` is unset when the server cannot have begun it."""

    def __init__(self, code: StatusCode, details: str, *, sent: bool = True) -> None:
        super().__init__(f"{code.name}: {details}")
        self.code = code
        self.details = details
        self.sent = sent


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    size = len(payload)
    return _HEAD.pack(size >> 8, size & 0xFF, kind, flags, stream) + payload


def _settings(values: dict[int, int]) -> bytes:
    return _frame(_SETTINGS, 0, 0, b"".join(struct.pack(">HL", key, value) for key, value in values.items()))


class Stream:
    """One call: the messages that have arrived, and how it ended."""

    def __init__(self, number: int, window: int) -> None:
        self.number = number
        self.messages: deque[bytes] = deque()
        self.ended = False
        self.error: RpcError | None = None
        self.window = window
        self.waiting = b""
        """What the server's window does not let out yet."""
        self.closes = False
        """Whether nothing will be sent after `waiting`."""
        self.consumed = 0
        self._buffer = bytearray()
        self._wake: asyncio.Future[None] | None = None

    def receive(self, data: bytes) -> None:
        """Take in a part of the answer; messages have a length of four bytes in front (and say: not compressed)."""
        self._buffer += data
        while len(self._buffer) >= 5:
            end = 5 + int.from_bytes(self._buffer[1:5], "big")
            if len(self._buffer) < end:
                break
            self.messages.append(bytes(self._buffer[5:end]))
            del self._buffer[:end]
        if self.messages:
            self._notify()

    def end(self, error: RpcError | None) -> None:
        """Nothing comes any more."""
        if not self.ended:
            self.ended, self.error = True, error
            self._notify()

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def changed(self) -> None:
        """Wait until there is a message or the end."""
        if not self.messages and not self.ended:
            await self._sleep()

    async def finished(self) -> None:
        """Wait until the end."""
        while not self.ended:
            await self._sleep()

    async def _sleep(self) -> None:
        self._wake = asyncio.get_running_loop().create_future()
        await self._wake


class Connection(asyncio.Protocol):
    """One connection. `lost` is called once when no new call can be made on it."""

    def __init__(self, authority: str, scheme: str, lost: Callable[[Connection], None]) -> None:
        self._common = ((":method", "POST"), (":scheme", scheme), (":authority", authority))
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._streams: dict[int, Stream] = {}
        self._blocks: dict[str, bytes] = {}
        self._next = 1
        self._rest = b""
        """A frame that has not arrived as a whole."""
        self._window = self._initial_window = 65535
        self._max_frame = 16384
        self._consumed = 0
        self._outgoing: list[bytes] = []
        self._block: tuple[int, int, bytes] | None = None
        """Stream, flags and beginning of headers that go on in another frame."""
        self._heard = 0.0
        self._asked = False
        """Whether the server owes us a sign of life."""
        self._watchdog: asyncio.TimerHandle | None = None

    @property
    def usable(self) -> bool:
        """Whether calls can be made on it."""
        return self._transport is not None and not self._transport.is_closing()

    # --- calls ---

    def open(self, path: str, *metadata: tuple[str, str]) -> Stream:
        """Begin a call. Raises RpcError."""
        if self._transport is None or self._transport.is_closing():
            raise RpcError(StatusCode.UNAVAILABLE, "the connection is closed", sent=False)
        block = self._blocks.get(path)
        if block is None:
            rest = ((":path", path), ("te", "trailers"), ("content-type", "application/grpc"))
            block = self._blocks[path] = hpack.encode((*self._common, *rest))
        stream = Stream(self._next, self._initial_window)
        self._streams[stream.number] = stream
        self._next += 2
        self._write(_frame(_HEADERS, _END_HEADERS, stream.number, block + hpack.encode(metadata)))
        return stream

    def send(self, stream: Stream, message: bytes, *, last: bool) -> None:
        """Send a message of a call."""
        stream.waiting += b"\0" + len(message).to_bytes(4, "big") + message
        stream.closes = last
        self._flush(stream)

    def _flush(self, stream: Stream) -> None:
        while stream.waiting and self._transport is not None:
            size = min(len(stream.waiting), self._window, stream.window, self._max_frame)
            if size <= 0:
                return
            part, stream.waiting = stream.waiting[:size], stream.waiting[size:]
            self._window -= size
            stream.window -= size
            flags = _END_STREAM if stream.closes and not stream.waiting else 0
            self._write(_frame(_DATA, flags, stream.number, part))

    def cancel(self, stream: Stream) -> None:
        """Have no more to do with a call."""
        if self._streams.pop(stream.number, None) is not None and self._transport is not None:
            self._write(_frame(_RESET, 0, stream.number, _CANCEL.to_bytes(4, "big")))

    async def unary(self, path: str, request: bytes, seconds: float) -> bytes:
        """One message there and one back. Raises RpcError."""
        stream = self.open(path)
        try:
            self.send(stream, request, last=True)
            async with asyncio.timeout(seconds):
                await stream.finished()
        except TimeoutError:
            raise RpcError(StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded") from None
        finally:
            self.cancel(stream)
        if stream.error is not None:
            raise stream.error
        if not stream.messages:
            raise RpcError(StatusCode.UNKNOWN, "an answer without a message")
        return stream.messages[0]

    def close(self) -> None:
        """End the connection and all calls on it."""
        if self._transport is not None:
            self._transport.abort()

    # --- the protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = stream = cast("asyncio.Transport", transport)  # uvloop's class is no subclass of it
        loop = asyncio.get_running_loop()
        self._heard = loop.time()
        self._watchdog = loop.call_later(_SILENT_SECONDS, self._look)
        own = {_TABLE_SIZE: 0, _PUSH: 0, _INITIAL_WINDOW: _LARGEST}
        more = (_LARGEST - 65535).to_bytes(4, "big")
        stream.write(_PREFACE + _settings(own) + _frame(_WINDOW, 0, 0, more))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._watchdog is not None:
            self._watchdog.cancel()
        error = RpcError(StatusCode.UNAVAILABLE, f"connection lost: {exc or 'closed by the server'}")
        for stream in list(self._streams.values()):
            stream.end(error)
        self._streams.clear()
        self._lost(self)

    def _look(self) -> None:
        """Ask a server that is silent for a sign of life; end the connection when there is none."""
        loop = asyncio.get_running_loop()
        pause = self._heard + _SILENT_SECONDS - loop.time()
        if pause <= 0 and self._asked:
            self.close()
            return
        if pause <= 0 and self._streams:
            self._asked, pause = True, _ANSWER_SECONDS
            self._write(_frame(_PING, 0, 0, bytes(8)))
        self._watchdog = loop.call_later(pause if pause > 0 else _SILENT_SECONDS, self._look)

    def data_received(self, data: bytes) -> None:
        self._heard, self._asked = asyncio.get_running_loop().time(), False
        if self._rest:
            data = self._rest + data
        at = 0
        try:
            while len(data) - at >= 9:
                high, low, kind, flags, number = _HEAD.unpack_from(data, at)
                end = at + 9 + (high << 8 | low)
                if len(data) < end:
                    break
                self._take(kind, flags, number & _LARGEST, data[at + 9 : end])
                at = end
        except (hpack.HeaderError, struct.error, ValueError, IndexError):
            # Not HTTP/2 any more: nothing that follows can be understood.
            self.close()
        self._rest = data[at:]

    def _take(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if kind == _DATA:
            self._take_data(flags, number, payload)
        elif kind in (_HEADERS, _CONTINUATION):
            self._take_headers(kind, flags, number, payload)
        elif kind == _SETTINGS and not flags & _ACK:
            self._take_settings(payload)
        elif kind == _WINDOW:
            self._take_window(number, int.from_bytes(payload, "big") & _LARGEST)
        elif kind == _PING and not flags & _ACK:
            self._write(_frame(_PING, _ACK, 0, payload))
        elif kind == _RESET:
            self._take_reset(number, int.from_bytes(payload, "big"))
        elif kind == _AWAY:
            self._take_away(int.from_bytes(payload[:4], "big") & _LARGEST)

    def _write(self, data: bytes) -> None:
        """Send a frame, together with all others of this turn of the loop: each write is a call of the kernel."""
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._write_out)
        self._outgoing.append(data)

    def _write_out(self) -> None:
        if self._transport is not None:
            self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()

    def _take_data(self, flags: int, number: int, payload: bytes) -> None:
        self._consumed += len(payload)
        if self._consumed >= _REFILL:
            self._write(_frame(_WINDOW, 0, 0, self._consumed.to_bytes(4, "big")))
            self._consumed = 0
        stream = self._streams.get(number)
        if stream is None:
            return
        stream.consumed += len(payload)
        if stream.consumed >= _REFILL:
            self._write(_frame(_WINDOW, 0, number, stream.consumed.to_bytes(4, "big")))
            stream.consumed = 0
        stream.receive(payload[1 : len(payload) - payload[0]] if flags & _PADDED else payload)
        if flags & _END_STREAM:
            self._finish(number, RpcError(StatusCode.UNKNOWN, "an answer without a status"))

    def _take_headers(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if kind == _HEADERS:
            if flags & _PADDED:
                payload = payload[1 : len(payload) - payload[0]]
            self._block = (number, flags, payload[5:] if flags & _PRIORITY else payload)
        elif self._block is not None:
            self._block = (self._block[0], self._block[1] | flags & _END_HEADERS, self._block[2] + payload)
        if self._block is None or not flags & _END_HEADERS:
            return
        number, flags, block = self._block
        self._block = None
        if flags & _END_STREAM:
            self._finish(number, _outcome(hpack.literals(block)))

    def _take_settings(self, payload: bytes) -> None:
        for key, value in struct.iter_unpack(">HL", payload):
            if key == _INITIAL_WINDOW:
                for stream in self._streams.values():
                    stream.window += value - self._initial_window
                self._initial_window = value
            elif key == _MAX_FRAME:
                self._max_frame = value
        self._write(_frame(_SETTINGS, _ACK, 0, b""))
        self._flush_all()

    def _take_window(self, number: int, more: int) -> None:
        if number == 0:
            self._window += more
            self._flush_all()
        elif stream := self._streams.get(number):
            stream.window += more
            self._flush(stream)

    def _flush_all(self) -> None:
        for stream in list(self._streams.values()):
            self._flush(stream)

    def _take_reset(self, number: int, code: int) -> None:
        if code == _REFUSED:
            error = RpcError(StatusCode.UNAVAILABLE, "the server refused the call", sent=False)
        elif code == _CANCEL:
            error = RpcError(StatusCode.CANCELLED, "the server cancelled the call")
        else:
            error = RpcError(StatusCode.UNAVAILABLE, f"the server ended the call with code {code}")
        self._finish(number, error)

    def _take_away(self, last: int) -> None:
        """The server takes no new calls; those that it has begun it may finish."""
        self._lost(self)
        for number in [number for number in self._streams if number > last]:
            self._finish(number, RpcError(StatusCode.UNAVAILABLE, "the server is going away", sent=False))

    def _finish(self, number: int, error: RpcError | None) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None:
            stream.end(error)


def _outcome(trailers: dict[str, str]) -> RpcError | None:
    """What the trailers say; None for success."""
    status = trailers.get("grpc-status", "")
    if status == "0":
        return None
    code = _CODES.get(int(status), StatusCode.UNKNOWN) if status.isdigit() else StatusCode.UNKNOWN
    return RpcError(code, unquote(trailers.get("grpc-message", "")) or "no reason given")
