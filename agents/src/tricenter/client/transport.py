"""HTTP/1.1 to an anycast API server: sockets, time limits, retries.

The address of the API belongs to several machines; routing picks one. When that one dies the next packet reaches
another, which knows nothing of the connection and resets it, or nothing answers until routing has noticed. So every
connection has a TCP user timeout and fast keep-alive probes (RFC 5482, tcp(7)): silence of five seconds breaks it, and
connecting again is all that fail-over takes.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

import aiohttp
import orjson

from tricenter.client import errors
from tricenter.client.backoff import delay_after
from tricenter.runtime import tls
from tricenter.runtime.config import ApiConfig

CONNECT_SECONDS = 3.0
REQUEST_SECONDS = 30.0
WATCH_SILENCE_SECONDS = 90.0
"""A watch that hears nothing, not even the bookmark a server sends every minute, is broken."""

_SILENCE_SECONDS = 5
_PROBE_IDLE_SECONDS = 2
_PROBE_INTERVAL_SECONDS = 1
_TRIES = 4
_CONCURRENT_REQUESTS = 64

_log = logging.getLogger(__name__)


class Transport:
    """Two pools of connections, one for requests and an unlimited one for watches, which keep theirs for long."""

    def __init__(self, config: ApiConfig) -> None:
        self.server = config.server.rstrip("/")
        self._context = tls.client_context(config.ca, config.cert, config.key)
        self._requests = self._session(_CONCURRENT_REQUESTS)
        self._watches = self._session(0)

    async def close(self) -> None:
        """Close all connections."""
        await self._requests.close()
        await self._watches.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        timeout: float = REQUEST_SECONDS,  # noqa: ASYNC109 - a limit per try, which the caller cannot express
    ) -> Any:
        """Send a request and return the decoded answer.

        Tries again what cannot have had an effect: requests that were not sent, reads, and what the server put off
        with Retry-After. Raises errors.ClientError.
        """
        data = None if body is None else orjson.dumps(body)
        for attempt in range(1, _TRIES + 1):
            try:
                return await self._once(
                    method, path, params=params, data=data, content_type=content_type, limit=timeout
                )
            except errors.ClientError as error:
                pause = retry_pause(error, method, attempt)
                if pause is None:
                    raise
                _log.debug("%s %s: %s; trying again in %.1f s", method, path, error, pause)
                await asyncio.sleep(pause)
        raise AssertionError("the last try returns or raises")

    async def stream(self, path: str, params: dict[str, str], *, silence: float) -> aiohttp.ClientResponse:
        """Open a watch; the caller closes the response. Raises errors.ClientError."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=silence)
        try:
            response = await self._watches.get(self.server + path, params=params, timeout=timeout)
            if response.status >= 400:
                async with response:
                    raise _error(response, await response.read())
            return response
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise unreachable(error) from error

    async def _once(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None,
        data: bytes | None,
        content_type: str,
        limit: float,
    ) -> Any:
        headers = {"Content-Type": content_type} if data is not None else None
        timeout = aiohttp.ClientTimeout(total=limit, sock_connect=CONNECT_SECONDS)
        try:
            async with self._requests.request(
                method, self.server + path, params=params, data=data, headers=headers, timeout=timeout
            ) as response:
                payload = await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise unreachable(error) from error
        if response.status >= 400:
            raise _error(response, payload)
        if not response.content_type.endswith("json"):
            return payload.decode()
        return orjson.loads(payload)

    def _session(self, limit: int) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=limit,
            ssl=self._context,
            keepalive_timeout=30,
            ttl_dns_cache=10,
            socket_factory=self._socket,
        )
        return aiohttp.ClientSession(
            connector=connector,
            headers={"Accept": "application/json", "User-Agent": "tricenter"},
            auto_decompress=True,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    def _socket(self, address: Any) -> socket.socket:
        self._context.refresh()  # each new connection presents the certificate that is on disk now
        sock = socket.socket(family=address[0], type=address[1], proto=address[2])
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _PROBE_IDLE_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBE_INTERVAL_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _SILENCE_SECONDS - _PROBE_IDLE_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENCE_SECONDS * 1000)
        return sock


def retry_pause(error: errors.ClientError, method: str, attempt: int) -> float | None:
    """Seconds to wait before the request is tried again after its `attempt`-th failure; None: give up."""
    if attempt >= _TRIES:
        return None
    if isinstance(error, errors.TooManyRequests):
        return error.retry_after
    if isinstance(error, errors.ServerError):
        return error.retry_after if method == "GET" or error.code == 503 else None
    if isinstance(error, errors.Unreachable) and (method == "GET" or not error.sent):
        return delay_after(attempt - 1, first=0.1, limit=2.0, factor=3.0)
    return None


def unreachable(error: Exception) -> errors.Unreachable:
    """The transport's exception as ours."""
    sent = not isinstance(error, aiohttp.ClientConnectorError)
    return errors.Unreachable(str(error) or type(error).__name__, sent=sent)


def _error(response: aiohttp.ClientResponse, payload: bytes) -> errors.ApiError:
    try:
        status = orjson.loads(payload)
    except orjson.JSONDecodeError:
        status = None
    if not isinstance(status, dict):
        status = {"message": payload[:500].decode(errors="replace") or response.reason or ""}
    after = response.headers.get("Retry-After", "")
    if after.isdigit():
        details = status.get("details") or {}
        status["details"] = {"retryAfterSeconds": int(after)} | details
    return errors.from_status(status, response.status)
