"""Calls to one etcd member: its connection is made when it is asked for, and made again when it was lost."""

from __future__ import annotations

import asyncio

from grpc import StatusCode

from tricenter.apiserver.storage import http2
from tricenter.apiserver.storage.http2 import RpcError
from tricenter.runtime import tls

__all__ = ["Channel", "RpcError"]

_PAUSE_FIRST, _PAUSE_LONGEST = 0.1, 2.0
"""Seconds after a failure in which no connection is tried, doubled by each further one."""


class Channel:
    """Calls to one endpoint, all on one connection."""

    def __init__(self, endpoint: str, secured: tls.Context | None) -> None:
        self.endpoint = endpoint
        self._secured = secured
        self._connection: http2.Connection | None = None
        self._attempt: asyncio.Task[None] | None = None
        self._pause = self._not_before = 0.0

    async def ready(self, seconds: float) -> bool:
        """Whether calls can be made; a connection that is being made is waited for, a refused one is not."""
        if self._connection is not None and self._connection.usable:
            return True
        if self._attempt is None:
            if asyncio.get_running_loop().time() < self._not_before:
                return False
            self._attempt = asyncio.create_task(self._connect())
        await asyncio.wait({self._attempt}, timeout=seconds)
        return self._connection is not None and self._connection.usable

    async def _connect(self) -> None:
        try:
            self._connection = await http2.connect(self.endpoint, self._secured)
            self._pause = 0.0
        except RpcError:
            self._pause = min(_PAUSE_LONGEST, 2 * self._pause or _PAUSE_FIRST)
            self._not_before = asyncio.get_running_loop().time() + self._pause
        finally:
            self._attempt = None

    async def unary(self, path: str, request: bytes, seconds: float) -> bytes:
        """One message there and one back. Raises RpcError."""
        if self._connection is None:
            raise RpcError(StatusCode.UNAVAILABLE, f"there is no connection to {self.endpoint}", sent=False)
        return await self._connection.unary(path, request, seconds)

    async def close(self) -> None:
        """End the connection."""
        if self._attempt is not None:
            self._attempt.cancel()
            await asyncio.wait({self._attempt})
        if self._connection is not None:
            self._connection.abort()
