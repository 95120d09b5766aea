"""A minimal HTTP/1.1 responder for GET, enough for a scraper or a health check.

An HTTP framework costs an agent 15 MB and, in an emulated machine, seconds of start-up; this costs a page of code.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus

_LIMIT = 16 * 1024
_PATIENCE = 10.0

Page = Callable[[str], tuple[int, str, bytes]]
"""Path to status, content type and body."""


@contextlib.asynccontextmanager
async def serve(host: str, port: int, page: Page) -> AsyncIterator[int]:
    """Answer requests at `host`:`port` with `page` while the context is open; yields the bound port."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(answer(head, page))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a scraper that went away has nobody to tell
        finally:
            writer.close()

    server = await asyncio.start_server(connected, host, port, limit=_LIMIT)
    async with server:
        bound: int = server.sockets[0].getsockname()[1]
        yield bound


def answer(head: bytes, page: Page) -> bytes:
    """The whole response to the request whose head (request line and headers) is given."""
    words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    if len(words) != 3:
        return _response(400, "text/plain", b"bad request\n")
    if words[0] != "GET":
        return _response(405, "text/plain", b"only GET is served here\n")
    return _response(*page(words[1].split("?", 1)[0]))


def _response(status: int, content_type: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("latin-1") + body
