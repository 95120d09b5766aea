"""Hands an upgraded connection (SPDY or WebSocket) to the runtime's streaming server: bytes go through unread."""

import asyncio
import contextlib
from urllib.parse import urlsplit

from aiohttp import web

_CHUNK = 65_536
_HEAD_LIMIT = 65_536
# Headers that concern this hop only.
_OWN_HEADERS = {"host", "authorization"}


async def proxy(request: web.Request, url: str) -> web.StreamResponse:
    """Hand a request on to `url` (http://127.0.0.1:port/...), and join both connections if that upgrades."""
    target = urlsplit(url)
    reader, writer = await asyncio.open_connection(target.hostname, target.port, limit=_HEAD_LIMIT)
    try:
        writer.write(_head(request, target.netloc, f"{target.path}?{target.query}" if target.query else target.path))
        answer = await reader.readuntil(b"\r\n\r\n")
        status = int(answer.split(b" ", 2)[1])
        if status != 101:
            # whoever waits for an upgrade reads the refusal to the end of the connection
            response = web.Response(status=status, text=f"the runtime answered {answer.splitlines()[0].decode()}")
            response.force_close()
            return response
        await _join(request, answer, reader, writer)
        return _Taken()
    finally:
        writer.close()


def _head(request: web.Request, host: str, path: str) -> bytes:
    headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _OWN_HEADERS]
    lines = [f"{request.method} {path} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class _Pipe(asyncio.Protocol):
    """Takes over a client's connection from the HTTP server and writes what arrives to the other side."""

    def __init__(self, client: asyncio.Transport, other: asyncio.StreamWriter) -> None:
        self.closed = asyncio.Event()
        self.writable = asyncio.Event()
        self.writable.set()
        self._client = client
        self._other = other
        self._tasks: set[asyncio.Task[None]] = set()

    def data_received(self, data: bytes) -> None:
        self._other.write(data)
        if self._other.transport.get_write_buffer_size() > 16 * _CHUNK:
            self._client.pause_reading()
            task = asyncio.ensure_future(self._resume())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _resume(self) -> None:
        with contextlib.suppress(OSError):
            await self._other.drain()
        self._client.resume_reading()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def connection_lost(self, _error: Exception | None) -> None:
        self.closed.set()
        self.writable.set()


async def _join(
    request: web.Request, answer: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    # no isinstance: uvloop's TLS transport behaves like asyncio.Transport without being one
    client = request.transport
    if client is None:
        return
    pipe = _Pipe(client, writer)
    client.set_protocol(pipe)
    client.write(answer)
    pump, gone = asyncio.ensure_future(_pump(reader, client, pipe)), asyncio.ensure_future(pipe.closed.wait())
    try:
        await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        pump.cancel()
        gone.cancel()
        client.close()


async def _pump(reader: asyncio.StreamReader, client: asyncio.Transport, pipe: _Pipe) -> None:
    """From the runtime to the client, no faster than the client reads."""
    while chunk := await reader.read(_CHUNK):
        client.write(chunk)
        await pipe.writable.wait()


class _Taken(web.StreamResponse):
    """The answer to a request whose connection was taken over: everything was said already."""

    async def prepare(self, request: web.BaseRequest) -> None:  # noqa: ARG002 - the interface of aiohttp
        self._eof_sent = True

    async def write_eof(self, data: bytes = b"") -> None:  # noqa: ARG002 - the same
        return
