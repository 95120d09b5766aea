"""An upgraded connection, handed through: the client's request is repeated to a backend, then bytes go both ways."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from typing import Any, Self

from aiohttp import web
from multidict import CIMultiDict

from tricenter.apiserver import errors

_DROPPED = ("host", "authorization", "content-length", "transfer-encoding")
_SWITCHING = 101
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


class Backend:
    """A connection to a backend that was asked to upgrade; a context that closes it."""

    def __init__(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.head = head
        self.reader = reader
        self.writer = writer

    @property
    def status(self) -> int:
        """What the backend answered; 101 is an upgrade."""
        return int(self.head.split(b" ", 2)[1])

    @property
    def headers(self) -> CIMultiDict[str]:
        """The headers of its answer."""
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines if line)
        return CIMultiDict((name, value.strip()) for name, _, value in pairs)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    async def join(self, http: web.BaseRequest) -> web.StreamResponse:
        """Connect client and backend until one of them ends; a refusal is handed on as it is."""
        if self.status == _SWITCHING:
            await _join(http, self.head, self.reader, self.writer)
        elif self.status < web.HTTPBadRequest.status_code:
            raise errors.Internal(f"invalid upgrade response: status code {self.status}")
        else:
            await self._hand_on(http)
        response = Upgraded(status=101)
        response.force_close()
        return response

    async def _hand_on(self, http: web.BaseRequest) -> None:
        if http.transport is None:
            return
        http.transport.write(self.head)
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(_CONNECT_SECONDS * 2):
                while piece := await self.reader.read(_PIECE):
                    http.transport.write(piece)

    async def refusal(self) -> errors.StatusError:
        """What the backend said instead of upgrading, as our error."""
        with contextlib.suppress(TimeoutError):
            body = await asyncio.wait_for(self.reader.read(_PIECE), 1.0)
            text = body.decode(errors="replace").strip()
            first = self.head.decode(errors="replace").splitlines()[0]
            return errors.BadRequest(text or f"unable to upgrade connection: {first}")
        return errors.Internal("unable to upgrade connection")


async def connect(  # the parts of a URL, and how to trust its server
    http: web.BaseRequest,
    host: str,
    port: int,
    target: str,
    context: ssl.SSLContext | None,
    *,
    replaced: Mapping[str, str] | None = None,
) -> Backend:
    """Repeat the upgrade request to the backend for `target`, some headers replaced. Raises OSError, StatusError."""
    name = host if context is not None else None
    connecting = asyncio.open_connection(host, port, ssl=context, server_hostname=name, limit=_HEAD_LIMIT)
    reader, writer = await asyncio.wait_for(connecting, _CONNECT_SECONDS)
    try:
        writer.write(_request(http, host, port, target, replaced or {}))
        await writer.drain()
        return Backend(await _head(reader), reader, writer)
    except BaseException:
        writer.close()
        raise


async def through(
    http: web.BaseRequest, host: str, port: int, target: str, context: ssl.SSLContext
) -> web.StreamResponse:
    """Hand an upgrade through to a kubelet. Raises OSError, StatusError."""
    async with await connect(http, host, port, target, context) as backend:
        if backend.status != _SWITCHING:
            raise await backend.refusal()
        return await backend.join(http)


def wants_upgrade(http: web.BaseRequest) -> bool:
    """Whether a request asks for another protocol on its connection."""
    return "upgrade" in http.headers.get("Connection", "").lower() and "Upgrade" in http.headers


def forwarded_for(http: web.BaseRequest) -> str:
    """The client's address, after those of the proxies before us."""
    peer = http.transport.get_extra_info("peername") if http.transport else None
    return ", ".join(filter(None, (http.headers.get("X-Forwarded-For", ""), peer[0] if peer else "")))


def _request(http: web.BaseRequest, host: str, port: int, target: str, replaced: Mapping[str, str]) -> bytes:
    lines = [f"{http.method} {target} HTTP/1.1", f"Host: {host}:{port}", f"X-Forwarded-For: {forwarded_for(http)}"]
    lines += [f"{name}: {value}" for name, value in replaced.items() if value]
    known = {name.lower() for name in replaced}
    for name, value in http.headers.items():
        low = name.lower()
        if low in known:
            continue
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
        raise errors.Internal("error dialing backend: the backend closed the connection") from error


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
