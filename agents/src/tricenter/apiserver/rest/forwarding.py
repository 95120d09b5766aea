"""One HTTP request handed to a backend and its answer handed back, neither of them held in memory.

What upstream's UpgradeAwareHandler and its proxy.Transport do (apimachinery pkg/util/proxy): the path after `proxy`,
the query, method, headers and body go on; credentials stay here; redirects and links come back through the proxy; a
request to upgrade (WebSocket, RFC 6455) becomes a connection of bytes.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from tricenter.apiserver import errors
from tricenter.apiserver.rest import rewriting, tunnel
from tricenter.apiserver.rest.locations import Location

_HOP_BY_HOP = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade",
}  # fmt: skip
_OURS = {"authorization", "expect", "x-forwarded-uri", "x-forwarded-host", "x-forwarded-proto"}
_PIECE = 64 * 1024
_PAGE_LIMIT = 8 * 1024 * 1024
"""Longer pages pass as they are."""
_QUIET = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


@dataclass(frozen=True, kw_only=True)
class Hop:
    """A request's way on: to which server, under which path there, and which path led to the proxy."""

    location: Location
    tls: ssl.SSLContext | bool
    """How to check a secure server: as kubelets, or not at all (False)."""
    prefix: str
    path: str
    """Escaped, with the leading slash, as the client wrote it; empty when nothing follows `proxy`."""


async def forward(http: web.BaseRequest, hop: Hop) -> web.StreamResponse:
    """Answer a request by the backend's answer. Raises Unavailable when it cannot be reached."""
    if tunnel.wants_upgrade(http):
        return await _upgrade(http, hop)
    query = f"?{http.rel_url.raw_query_string}" if http.rel_url.raw_query_string else ""
    if not hop.path and http.method in ("GET", "HEAD"):
        # relative links of the page shall stay below the proxy (issue.k8s.io/4958)
        return web.Response(status=301, headers={"Location": f"{hop.prefix}/{query}"})
    url = URL(f"{hop.location.origin}{hop.path or '/'}{query}", encoded=True)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=tunnel.CONNECT_SECONDS)
    connector = aiohttp.TCPConnector(ssl=hop.tls, force_close=True)
    body = http.content if http.body_exists else None
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        try:
            asking = session.request(
                http.method, url, headers=_request_headers(http, hop), data=body, allow_redirects=False,
                skip_auto_headers=_QUIET,
            )  # fmt: skip
            got = await asking
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreachable(hop, error) from error
        async with got:
            return await _answer(http, hop, got)


def _unreachable(hop: Hop, error: Exception) -> errors.Unavailable:
    number = getattr(error, "errno", None)
    why = f"dial tcp {hop.location.authority}: connect: {os.strerror(number).lower()}" if number else str(error)
    return errors.Unavailable(f"error trying to reach service: {why or 'i/o timeout'}")


def dropped(headers: Mapping[str, str]) -> set[str]:
    """Headers that are about one connection only (RFC 9110, 7.6.1), in small letters."""
    return _HOP_BY_HOP | {name.strip().lower() for name in headers.get("Connection", "").split(",")}


def _request_headers(http: web.BaseRequest, hop: Hop) -> CIMultiDict[str]:
    left = dropped(http.headers) | _OURS
    headers = CIMultiDict(
        (name, value)
        for name, value in http.headers.items()
        if name.lower() not in left and not name.lower().startswith("impersonate-")
    )
    headers["X-Forwarded-Uri"] = hop.prefix + hop.path
    headers["X-Forwarded-For"] = tunnel.forwarded_for(http)
    return headers


async def _answer(http: web.BaseRequest, hop: Hop, got: aiohttp.ClientResponse) -> web.StreamResponse:
    own = (hop.location.authority, http.host)
    left = dropped(got.headers)
    headers = CIMultiDict((name, value) for name, value in got.headers.items() if name.lower() not in left)
    if "Location" in headers:
        headers["Location"] = rewriting.url(headers["Location"], hop.prefix, own)
        return await pass_on(http, got, headers)
    if got.content_type != "text/html" or http.method == "HEAD":
        return await pass_on(http, got, headers)
    start = await _read(got.content, _PAGE_LIMIT)
    page = _decoded(start, headers.get("Content-Encoding", "")) if got.content.at_eof() else None
    if page is None:
        return await pass_on(http, got, headers, start)
    written = page.decode("utf-8", "surrogateescape")
    # Megabytes of links take seconds, in which others are to be answered.
    text = await asyncio.to_thread(rewriting.page, written, lambda url: rewriting.url(url, hop.prefix, own))
    for name in ("Content-Length", "Content-Encoding"):
        headers.pop(name, None)
    return web.Response(
        body=text.encode("utf-8", "surrogateescape"), status=got.status, reason=got.reason, headers=headers
    )


async def _read(content: aiohttp.StreamReader, limit: int) -> bytes:
    pieces, left = [], limit
    while left > 0 and (piece := await content.read(min(left, _PIECE))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _decoded(body: bytes, encoding: str) -> bytes | None:
    """A page's text; None where it is written in an encoding we do not know or is too long."""
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        return None
    unpack = zlib.decompressobj(wbits=31)
    try:
        text = unpack.decompress(body, _PAGE_LIMIT)
    except zlib.error:
        return None
    return text if unpack.eof else None


async def pass_on(
    http: web.BaseRequest, got: aiohttp.ClientResponse, headers: CIMultiDict[str], start: bytes = b""
) -> web.StreamResponse:
    """Hand an answer on in pieces, as they come; `start` was read already."""
    response = web.StreamResponse(status=got.status, reason=got.reason, headers=headers)
    await response.prepare(http)
    if start:
        await response.write(start)
    async for piece in got.content.iter_any():
        for begin in range(0, len(piece), _PIECE):
            await response.write(piece[begin : begin + _PIECE])
    await response.write_eof()
    return response


async def _upgrade(http: web.BaseRequest, hop: Hop) -> web.StreamResponse:
    query = f"?{http.rel_url.raw_query_string}" if http.rel_url.raw_query_string else ""
    target = f"{hop.path or '/'}{query}"
    context: ssl.SSLContext | None = None
    if hop.location.secure:
        context = hop.tls if isinstance(hop.tls, ssl.SSLContext) else _unchecked()
    try:
        backend = await tunnel.connect(http, hop.location.host, hop.location.port, target, context)
    except (OSError, TimeoutError) as error:
        raise _unreachable(hop, error) from error
    async with backend:
        return await backend.join(http)


def _unchecked() -> ssl.SSLContext:
    """Pods have certificates of whoever wrote them; upstream's proxy transport checks none either."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
