"""The connection to one etcd member: made when it is asked for, made again when it was lost."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator

from grpc import StatusCode

from tricenter.apiserver.config import EtcdConfig
from tricenter.apiserver.storage.http2 import Connection, RpcError
from tricenter.runtime import tls

_CONNECT_SECONDS = 3.0
"""How long one attempt to connect may take: a handshake on a busy machine needs its time."""


def context(config: EtcdConfig) -> ssl.SSLContext | None:
    """How connections are secured; None for plain ones."""
    if config.ca is None:
        return None
    if config.cert is None or config.key is None:
        made = ssl.create_default_context(cafile=config.ca)
        made.set_alpn_protocols(["h2"])
        return made
    return tls.client_context(config.ca, config.cert, config.key, protocols=("h2",))


class Channel:
    """Calls to one endpoint, all on one connection."""

    def __init__(self, endpoint: str, secured: ssl.SSLContext | None) -> None:
        self.endpoint = endpoint
        host, _, port = endpoint.rpartition(":")
        self._address = (host.strip("[]"), int(port))
        self._tls = secured
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[None] | None = None

    async def ready(self, seconds: float) -> bool:
        """Whether calls can be made; a connection that is being made is waited for."""
        if self._usable() is not None:
            return True
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._connect())
        await asyncio.wait({self._connecting}, timeout=seconds)
        return self._usable() is not None

    def _usable(self) -> Connection | None:
        connection = self._connection
        return connection if connection is not None and connection.usable else None

    async def _connect(self) -> None:
        if isinstance(self._tls, tls.Context):
            self._tls.refresh()
        scheme = "http" if self._tls is None else "https"
        host, port = self._address
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                _, self._connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self.endpoint, scheme, self._lost), host, port, ssl=self._tls
                )
        except (OSError, TimeoutError):
            # Whoever waits finds that there is no connection and turns to another member.
            self._connection = None

    def _lost(self, connection: Connection) -> None:
        if self._connection is connection:
            self._connection = None

    def _require(self) -> Connection:
        connection = self._usable()
        if connection is None:
            raise RpcError(StatusCode.UNAVAILABLE, "failed to connect", sent=False)
        return connection

    async def unary(self, path: str, request: bytes, seconds: float) -> bytes:
        """One message there and one back. Raises RpcError."""
        return await self._require().unary(path, request, seconds)

    async def stream(
        self, path: str, requests: AsyncIterator[bytes], *metadata: tuple[str, str]
    ) -> AsyncGenerator[bytes, None]:
        """Messages both ways until one side ends. Raises RpcError."""
        await self.ready(_CONNECT_SECONDS)
        connection = self._require()
        stream = connection.open(path, *metadata)

        async def send() -> None:
            async for request in requests:
                connection.send(stream, request, last=False)

        sending = asyncio.create_task(send())
        try:
            while not stream.ended or stream.messages:
                while stream.messages:
                    yield stream.messages.popleft()
                await stream.changed()
            if stream.error is not None:
                raise stream.error
        finally:
            sending.cancel()
            connection.cancel(stream)

    async def close(self) -> None:
        """End the connection."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait({self._connecting})
        if self._connection is not None:
            self._connection.close()
