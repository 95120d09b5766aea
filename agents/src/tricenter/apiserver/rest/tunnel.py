"""An upgraded connection, handed through: the client's request is repeated to a backend, then bytes go both ways."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Any

from aiohttp import web

from tricenter.apiserver import errors

_DROPPED = ("host", "authorization", "content-length", "transfer-encoding")
_HEAD_LIMIT = 64 * 1024
_CONNECT_SECONDS = 5.0
_PIECE = 64 * 1024


class Upgraded(web.StreamResponse):
    """Stands for the answer that the backend has given itself: nothing is left to be written."""

    async def prepare(self, request: web.BaseRequest) -> None:  # the interface of aiohttp
        """The head has gone out already."""

    async def write_eof(self, data: bytes = b"") -> None:
        """The connection is closed by whoever ends it."""

    @property
    def keep_alive(self) -> bool | None:
        """The connection is of no use for another request."""
        return False


class _ClientBytes:
    """What aiohttp gives the client's bytes to after an upgrade; hands them to the backend."""

    def __init__(self, backend: asyncio.StreamWriter, gone: asyncio.Event) -> None:
        self._backend = backend
        self._gone = gone

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Bytes of the client."""
        if not self._backend.is_closing():
            self._backend.write(data)
        return False, b""

    def feed_eof(self) -> None:
        """The client has gone."""
        self._gone.set()

    def set_exception(self, *_: Any) -> None:
        """The client's connection broke."""
        self._gone.set()


async def through(
    http: web.BaseRequest, host: str, port: int, target: str, context: ssl.SSLContext
) -> web.StreamResponse:
    """Repeat the upgrade request to the backend for `target`, connect the two. Raises OSError, StatusError."""
    connecting = asyncio.open_connection(host, port, ssl=context, server_hostname=host, limit=_HEAD_LIMIT)
    reader, writer = await asyncio.wait_for(connecting, _CONNECT_SECONDS)
    try:
        writer.write(_request(http, host, port, target))
        await writer.drain()
        head = await _head(reader)
        if b" 101 " not in head.split(b"\r\n", 1)[0] + b" ":
            raise await _refused(head, reader)
        await _join(http, head, reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    response = Upgraded(status=101)
    response.force_close()
    return response


def _request(http: web.BaseRequest, host: str, port: int, target: str) -> bytes:
    lines = [f"{http.method} {target} HTTP/1.1", f"Host: {host}:{port}"]
    for name, value in http.headers.items():
        low = name.lower()
        # A browser's token may travel as a subprotocol; it is for us, not for the kubelet.
        if low not in _DROPPED and not low.startswith(("impersonate-", "x-forwarded")):
            lines.append(f"{name}: {_without_token(value) if low == 'sec-websocket-protocol' else value}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _without_token(value: str) -> str:
    kept = [item.strip() for item in value.split(",") if not item.strip().startswith("base64url.bearer.")]
    return ", ".join(kept)


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _CONNECT_SECONDS * 6)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError) as error:
        raise errors.Internal("error dialing backend: the kubelet closed the connection") from error


async def _refused(head: bytes, reader: asyncio.StreamReader) -> errors.StatusError:
    with contextlib.suppress(TimeoutError):
        body = await asyncio.wait_for(reader.read(_PIECE), 1.0)
        text = body.decode(errors="replace").strip()
        return errors.BadRequest(
            text or f"unable to upgrade connection: {head.decode(errors='replace').splitlines()[0]}"
        )
    return errors.Internal("unable to upgrade connection")


async def _join(http: web.BaseRequest, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    transport, protocol = http.transport, http.protocol
    if transport is None:
        return
    gone = asyncio.Event()
    transport.write(head)
    protocol.set_parser(_ClientBytes(writer, gone))  # type: ignore[arg-type]  # it needs feed_data and feed_eof only
    leaving = asyncio.create_task(gone.wait())
    coming = asyncio.create_task(_to_client(reader, protocol, transport))
    try:
        await asyncio.wait({leaving, coming}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (leaving, coming):
            task.cancel()
        transport.close()


async def _to_client(reader: asyncio.StreamReader, protocol: Any, transport: asyncio.WriteTransport) -> None:
    """The backend's bytes, no faster than the client takes them."""
    while piece := await reader.read(_PIECE):
        if transport.is_closing():
            return
        transport.write(piece)
        await protocol._drain_helper()  # aiohttp's only way to wait for its transport
