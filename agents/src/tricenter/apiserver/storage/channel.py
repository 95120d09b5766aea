"""The connection to one etcd member: made when it is asked for, made again when it was lost."""

from __future__ import annotations

import asyncio

import grpc
import grpc.aio
from grpc import StatusCode

from tricenter.apiserver.config import EtcdConfig

_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_time_ms", 5000),
    ("grpc.keepalive_timeout_ms", 2500),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    # Also how long one attempt to connect may take: a handshake on a busy machine needs its time.
    ("grpc.min_reconnect_backoff_ms", 3000),
    ("grpc.max_reconnect_backoff_ms", 2000),
    ("grpc.use_local_subchannel_pool", 1),
)
_NOT_SENT = ("failed to connect", "connection refused", "connections to all backends failing", "name resolution")
"""What the library says of a call that never left this machine."""

_READY, _FAILED = grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.TRANSIENT_FAILURE


def _bytes(message: bytes) -> bytes:
    """Messages are encoded and decoded by the caller."""
    return message


class RpcError(Exception):
    """A call that failed; `sent` is unset when the server cannot have begun it."""

    def __init__(self, code: StatusCode, details: str) -> None:
        super().__init__(f"{code.name}: {details}")
        self.code = code
        self.details = details
        self.sent = not any(text in details.lower() for text in _NOT_SENT)


def credentials(config: EtcdConfig) -> grpc.ChannelCredentials | None:
    """How connections are secured; None for plain ones."""
    if config.ca is None:
        return None
    key = config.key.read_bytes() if config.key else None
    cert = config.cert.read_bytes() if config.cert else None
    return grpc.ssl_channel_credentials(config.ca.read_bytes(), key, cert)


class Channel:
    """Calls to one endpoint, all on one connection."""

    def __init__(self, endpoint: str, secured: grpc.ChannelCredentials | None) -> None:
        self.endpoint = endpoint
        if secured is None:
            self._channel = grpc.aio.insecure_channel(endpoint, options=_OPTIONS)
        else:
            self._channel = grpc.aio.secure_channel(endpoint, secured, options=_OPTIONS)
        self._unary: dict[str, grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = {}

    async def ready(self, seconds: float) -> bool:
        """Whether calls can be made; a connection that is being made is waited for, a refused one is not."""
        if self._channel.get_state() is _READY:  # nearly always, and a bound on the time would cost as much as a call
            return True
        try:
            async with asyncio.timeout(seconds):
                while (state := self._channel.get_state(try_to_connect=True)) not in (_READY, _FAILED):
                    await self._channel.wait_for_state_change(state)
        except TimeoutError:
            return False
        return state is _READY

    async def unary(self, path: str, request: bytes, seconds: float) -> bytes:
        """One message there and one back. Raises RpcError."""
        call = self._unary.get(path)
        if call is None:
            call = self._unary[path] = self._channel.unary_unary(path, _bytes, _bytes)
        try:
            return await call(request, timeout=seconds)
        except grpc.aio.AioRpcError as error:
            raise _translated(error) from error

    async def close(self) -> None:
        """End the connection."""
        await self._channel.close(None)


def _translated(error: grpc.aio.AioRpcError) -> RpcError:
    return RpcError(error.code(), error.details() or "no reason given")
