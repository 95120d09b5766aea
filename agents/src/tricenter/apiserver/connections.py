"""Connections of clients: what they may cost before a request has come, and what is said of what is no HTTP."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from tricenter.apiserver.request import Request

_HEAD_SECONDS = 32.0
"""Time for the head of a request, from the handshake or its first byte on (upstream's ReadHeaderTimeout)."""
_KEEP_ALIVE = 90.0
_LONGEST_LINE, _LONGEST_FIELD = 64 * 1024, 32 * 1024
"""Bytes of a request line, which selectors make long, and of a header, of which tokens are the longest."""

log = logging.getLogger(__name__)


def _shorten(record: logging.LogRecord) -> bool:
    """What is no HTTP needs no traceback: anybody who reaches the port could fill the disk with them."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.msg, record.args, record.exc_info = f"{record.getMessage()}: {type(error).__name__}", (), None
        record.levelno, record.levelname = logging.INFO, "INFO"
    return True


log.addFilter(_shorten)


class _Connection(web.RequestHandler):
    """The connection of a client, which ends when the head of a request is too long in coming."""

    __slots__ = ("_late",)

    def __init__(self, server: web.Server, **options: Any) -> None:
        super().__init__(server, **options)
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called when a handshake is done."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Called with what a client sends."""
        super().data_received(data)
        waiting = self._waiter
        if self._late is None and waiting is not None and not waiting.done():
            self._await_head()  # a request has begun, on a connection that has served others

    def connection_lost(self, exc: BaseException | None) -> None:
        """Called when a connection has ended."""
        self.begun()
        super().connection_lost(exc)

    def begun(self) -> None:
        """The head of a request is there."""
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _await_head(self) -> None:
        if self.transport is not None:
            self._late = asyncio.get_running_loop().call_later(_HEAD_SECONDS, self.transport.abort)


class Server(web.Server):
    """Serves connections, and ends those on which no request comes."""

    def __init__(self, handler: Any) -> None:
        super().__init__(
            handler,
            request_factory=_begun,
            access_log=None,
            logger=log,
            keepalive_timeout=_KEEP_ALIVE,
            handler_cancellation=True,
            tcp_keepalive=True,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_FIELD,
            # `bodies` inflates within its bound; aiohttp would go on after the answer, to the end of a bomb.
            auto_decompress=False,
        )

    def __call__(self) -> web.RequestHandler:
        """A protocol factory."""
        return _Connection(self, loop=self._loop, **self._kwargs)


def _begun(message: Any, payload: Any, connection: Any, *rest: Any) -> Request:
    """A request factory."""
    connection.begun()
    return Request(message, payload, connection, *rest, asyncio.get_running_loop())
