"""A connection that left HTTP (SPDY, WebSocket): the bytes of a client and of a backend handed to each other unread.

Neither side is read faster than the other one takes it, and when one of them ends, is cut off or falls silent so that
TCP does not reach it any more, so does the other: nothing of a stream outlives its client.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

from aiohttp import web

PIECE = 64 * 1024
_HIGH_WATER = 16 * PIECE
_PROBE_AFTER, _PROBE_EVERY, _PROBES = 30, 10, 3
"""Seconds of silence before TCP asks whether the peer is there, between questions, and how many go unanswered."""


class _Unbroken(asyncio.StreamReader):
    """Gives everything that arrived before a connection broke, which asyncio's own reader throws away.

    A backend that has said its last word and closes while we still tell it something resets the connection; what is
    lost then is the end of an output and, for clients of SPDY, the exit status: none means success to them.
    """

    def set_exception(self, exc: Exception) -> None:  # noqa: ARG002 - the interface of asyncio
        """The connection broke: nothing more comes."""
        self.feed_eof()


async def connect(
    host: str, port: int, *, limit: int, **options: Any
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Like `asyncio.open_connection`, with a reader that loses nothing. Raises OSError."""
    loop = asyncio.get_running_loop()
    reader = _Unbroken(limit=limit, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, host, port, **options)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


class Taken(web.StreamResponse):
    """The answer to a request whose connection was taken over: everything was said already."""

    async def prepare(self, request: web.BaseRequest) -> None:  # noqa: ARG002 - the interface of aiohttp
        """The head has gone out already."""
        self._eof_sent = True

    async def write_eof(self, data: bytes = b"") -> None:
        """The connection is closed by whoever ends it."""

    @property
    def keep_alive(self) -> bool | None:
        """The connection is of no use for another request."""
        return False


class _ClientBytes:
    """What aiohttp gives the client's bytes to after an upgrade; hands them to the backend."""

    def __init__(self, client: asyncio.Transport, backend: asyncio.StreamWriter, gone: asyncio.Event) -> None:
        self._client = client
        self._backend = backend
        self._gone = gone
        self._resuming: asyncio.Task[None] | None = None

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Bytes of the client."""
        if not self._backend.is_closing():
            self._backend.write(data)
            if self._resuming is None and self._backend.transport.get_write_buffer_size() > _HIGH_WATER:
                self._client.pause_reading()
                self._resuming = asyncio.ensure_future(self._resume())
        return False, b""

    async def _resume(self) -> None:
        with contextlib.suppress(OSError):
            await self._backend.drain()
        self._resuming = None
        if not self._client.is_closing():
            self._client.resume_reading()

    def feed_eof(self) -> None:
        """The client has gone."""
        self._gone.set()

    def set_exception(self, *_: Any) -> None:
        """The client's connection broke."""
        self._gone.set()


async def join(
    http: web.BaseRequest, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> web.StreamResponse:
    """Say `head` to the client, connect it with the backend until one of them ends. The caller closes the backend."""
    # no isinstance: uvloop's TLS transport behaves like asyncio.Transport without being one
    transport, protocol = http.transport, http.protocol
    if transport is not None:
        watch(transport)
        gone = asyncio.Event()
        transport.write(head)
        protocol.set_parser(_ClientBytes(transport, writer, gone))  # type: ignore[arg-type]  # it needs no more
        leaving = asyncio.create_task(gone.wait())
        coming = asyncio.create_task(_to_client(reader, protocol, transport))
        try:
            await asyncio.wait({leaving, coming}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (leaving, coming):
                task.cancel()
            await asyncio.wait({leaving, coming})
            transport.close()
    response = Taken(status=101)
    response.force_close()
    return response


async def _to_client(reader: asyncio.StreamReader, protocol: Any, transport: asyncio.WriteTransport) -> None:
    """The backend's bytes, no faster than the client takes them."""
    with contextlib.suppress(OSError):
        while piece := await reader.read(PIECE):
            if transport.is_closing():
                return
            transport.write(piece)
            await protocol._drain_helper()  # aiohttp's only way to wait for its transport


def watch(transport: asyncio.BaseTransport) -> None:
    """Have TCP find out within a minute that the other machine is gone, though nobody says anything."""
    connection = transport.get_extra_info("socket")
    if connection is None or connection.family not in (socket.AF_INET, socket.AF_INET6):
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _PROBE_AFTER)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBE_EVERY)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
    # unsent bytes count as silence too
    limit = (_PROBE_AFTER + _PROBE_EVERY * _PROBES) * 1000
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, limit)
