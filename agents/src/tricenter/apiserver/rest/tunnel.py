"""An upgraded connection, handed through: the client's request is repeated to a backend, then bytes go both ways."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping, Sequence
from typing import Self

from aiohttp import web

from tricenter.apiserver import errors
from tricenter.apiserver.auth import subprotocol
from tricenter.runtime import upgrades

_DROPPED = ("host", "authorization", "content-length", "transfer-encoding")
_SWITCHING = 101
_HEAD_LIMIT = 64 * 1024
CONNECT_SECONDS = 30.0
"""As long as upstream's dialer has (net.Dialer of client-go's transports)."""


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
    def upgraded(self) -> bool:
        """Whether the connection has left HTTP."""
        return self.status == _SWITCHING

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    async def join(self, http: web.BaseRequest) -> web.StreamResponse:
        """Connect client and backend until one of them ends; a refusal is handed on as it is."""
        if not self.upgraded and self.status < web.HTTPBadRequest.status_code:
            raise errors.Internal(f"invalid upgrade response: status code {self.status}")
        return await upgrades.join(http, self.head, self.reader, self.writer)

    async def refusal(self) -> errors.StatusError:
        """What the backend said instead of upgrading, as our error."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                body = await self.reader.read(upgrades.PIECE)
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
    added: Sequence[tuple[str, str]] = (),
    name: str = "",
) -> Backend:
    """Repeat the upgrade request to the backend for `target`, some headers replaced, some added.

    `name` is that in the backend's certificate, where it is not the host's. Raises OSError, StatusError.
    """
    expected = (name or host) if context is not None else None
    async with asyncio.timeout(CONNECT_SECONDS):
        reader, writer = await upgrades.connect(host, port, ssl=context, server_hostname=expected, limit=_HEAD_LIMIT)
    try:
        writer.write(_request(http, f"{name or host}:{port}", target, replaced or {}, added))
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
        if not backend.upgraded:
            raise await backend.refusal()
        return await backend.join(http)


def protocols(http: web.BaseRequest) -> list[str]:
    """The WebSocket subprotocols that a client knows, best first."""
    return [name for name in subprotocol.offered(http) if not name.startswith(subprotocol.PREFIX)]


def wants_upgrade(http: web.BaseRequest) -> bool:
    """Whether a request asks for another protocol on its connection."""
    return "upgrade" in http.headers.get("Connection", "").lower() and "Upgrade" in http.headers


def forwarded_for(http: web.BaseRequest) -> str:
    """The client's address, after those of the proxies before us."""
    peer = http.transport.get_extra_info("peername") if http.transport else None
    return ", ".join(filter(None, (http.headers.get("X-Forwarded-For", ""), peer[0] if peer else "")))


def _request(
    http: web.BaseRequest, host: str, target: str, replaced: Mapping[str, str], added: Sequence[tuple[str, str]]
) -> bytes:
    lines = [f"{http.method} {target} HTTP/1.1", f"Host: {host}", f"X-Forwarded-For: {forwarded_for(http)}"]
    lines += [f"{name}: {value}" for name, value in added]
    lines += [f"{name}: {value}" for name, value in replaced.items() if value]
    known = {name.lower() for name in replaced}
    for name, value in http.headers.items():
        low = name.lower()
        if low in known:
            continue
        # A browser's token may travel as a subprotocol; it is for us, not for the kubelet.
        if low not in _DROPPED and not low.startswith(("impersonate-", "x-forwarded", "x-remote-")):
            lines.append(f"{name}: {_without_token(value) if low == 'sec-websocket-protocol' else value}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _without_token(value: str) -> str:
    kept = [item.strip() for item in value.split(",") if not item.strip().startswith(subprotocol.PREFIX)]
    return ", ".join(kept)


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError) as error:
        raise errors.Internal("error dialing backend: the backend closed the connection") from error
