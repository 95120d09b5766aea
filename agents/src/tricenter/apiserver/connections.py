"""Connections of clients: what they may cost before a request has come, and what is said of what is no HTTP."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from tricenter.apiserver.request import Request

_HEAD_SECONDS = 32.0
"""Time for the head of the first request (ReadHeaderTimeout of upstream's server.go)."""
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


class Server(web.Server):
    """Serves connections, and ends those on which no request comes."""

    def __init__(self, handler: Any) -> None:
        self._awaited: dict[object, asyncio.TimerHandle] = {}
        super().__init__(
            handler,
            request_factory=self._begun,
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

    def _begun(self, message: Any, payload: Any, protocol: Any, *rest: Any) -> Request:
        """A request factory."""
        self._forget(protocol)
        return Request(message, payload, protocol, *rest, asyncio.get_running_loop())

    def _forget(self, protocol: object) -> None:
        timer = self._awaited.pop(protocol, None)
        if timer is not None:
            timer.cancel()

    def connection_made(self, handler: Any, transport: asyncio.Transport) -> None:
        """Called when a handshake is done."""
        super().connection_made(handler, transport)
        loop = asyncio.get_running_loop()
        self._awaited[handler] = loop.call_later(_HEAD_SECONDS, transport.abort)

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        """Called when a connection has ended."""
        self._forget(handler)
        super().connection_lost(handler, exc)
