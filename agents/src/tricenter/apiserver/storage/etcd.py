"""A connection to etcd over its gRPC API: the preferred member first, the others when it does not answer.

Only the message types come from `aetcd`; channels are ours because of TLS and of several endpoints. A request that
may have been executed is never sent twice: after a connection was lost in the middle of a write the caller is told.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio
from aetcd import rpc

from tricenter.apiserver import errors
from tricenter.apiserver.config import EtcdConfig

log = logging.getLogger(__name__)

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

_NOT_SENT = (
    "failed to connect",
    "connection refused",
    "connections to all backends failing",
    "name resolution",
    "no leader",
    "too many requests",
    "raft proposal dropped",
)
"""What a refusal says that came before a write could be proposed."""

_PASSING = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.ABORTED,
)
"""Codes of failures of one member; another one, or the same one later, may do better."""

_LEAST_SECONDS = 0.05
_READY, _FAILED = grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.TRANSIENT_FAILURE
LARGEST_REVISION = 2**63 - 1


class FutureRevision(Exception):  # noqa: N818  # named as etcd names it
    """A read at a revision that etcd has not reached."""


class Member:
    """The stubs of one etcd member."""

    def __init__(self, endpoint: str, credentials: grpc.ChannelCredentials | None) -> None:
        self.endpoint = endpoint
        if credentials is None:
            self.channel = grpc.aio.insecure_channel(endpoint, options=_OPTIONS)
        else:
            self.channel = grpc.aio.secure_channel(endpoint, credentials, options=_OPTIONS)
        self.kv = rpc.KVStub(self.channel)
        self.lease = rpc.LeaseStub(self.channel)
        self.watch = rpc.WatchStub(self.channel)


def _credentials(config: EtcdConfig) -> grpc.ChannelCredentials | None:
    if config.ca is None:
        return None
    key = config.key.read_bytes() if config.key else None
    cert = config.cert.read_bytes() if config.cert else None
    return grpc.ssl_channel_credentials(config.ca.read_bytes(), key, cert)


def _endpoint(text: str) -> str:
    return text.removeprefix("https://").removeprefix("http://").rstrip("/")


class Etcd:
    """Requests to whichever member answers, and the watch stream."""

    def __init__(self, config: EtcdConfig) -> None:
        credentials = _credentials(config)
        self.timeout = config.timeout
        self._members = [Member(_endpoint(text), credentials) for text in config.endpoints]
        self._current = 0
        self.seen = 0
        """The newest revision that an answer has told of."""

    async def close(self) -> None:
        """Close all channels."""
        for member in self._members:
            await member.channel.close(None)

    @property
    def member(self) -> Member:
        """The member in use."""
        return self._members[self._current]

    async def range(self, request: rpc.RangeRequest) -> rpc.RangeResponse:
        """A read; tried on every member, because reading twice harms nobody. Raises Expired, FutureRevision."""
        return await self._call(lambda member: member.kv.Range, request, again=lambda _: True)

    async def txn(self, request: rpc.TxnRequest) -> rpc.TxnResponse:
        """A transaction; sent to another member only when the first cannot have received it. Raises Uncertain."""
        return await self._call(lambda member: member.kv.Txn, request, again=_was_not_sent)

    async def compact(self, revision: int) -> None:
        """Forget revisions before `revision`."""
        await self._call(
            lambda member: member.kv.Compact, rpc.CompactionRequest(revision=revision), again=_was_not_sent
        )

    async def put(self, key: bytes, lease: int) -> None:
        """Make a key exist, whether it does or not."""
        await self._call(lambda member: member.kv.Put, rpc.PutRequest(key=key, lease=lease), again=lambda _: True)

    async def revision(self) -> int:
        """The revision of the store, read linearizably."""
        response = await self.range(rpc.RangeRequest(key=b"\0", limit=1, count_only=True))
        return int(response.header.revision)

    async def grant_lease(self, ttl: int) -> int:
        """A new lease of `ttl` seconds; its id."""
        response = await self._call(
            lambda member: member.lease.LeaseGrant, rpc.LeaseGrantRequest(TTL=ttl), again=lambda _: True
        )
        return int(response.ID)

    async def watch(self, requests: AsyncIterator[rpc.WatchRequest]) -> AsyncGenerator[rpc.WatchResponse, None]:
        """One watch stream on the member in use; ends with Unavailable when the member goes."""
        member = self.member
        stream = member.watch.Watch(requests, metadata=(("hasleader", "true"),))
        try:
            async for response in stream:
                yield response
        except grpc.aio.AioRpcError as error:
            self.leave(member)
            raise errors.Unavailable(f"etcd watch: {error.details()}") from error
        finally:
            stream.cancel()

    async def _call(
        self, method: Callable[[Member], Any], request: Any, *, again: Callable[[grpc.aio.AioRpcError], bool]
    ) -> Any:
        """The answer of the first member that gives one; all attempts together take no longer than the timeout."""
        ends = time.monotonic() + self.timeout
        why, unknown = "no member answers", False
        for others in reversed(range(len(self._members))):
            # What is left is halved while there is another member, so that one that hangs does not take all of it.
            seconds = (ends - time.monotonic()) / (2 if others else 1)
            member = self.member
            if not await _connected(member, seconds):
                self.leave(member)
                continue
            try:
                answer = await method(member)(request, timeout=max(seconds, _LEAST_SECONDS))
                self.seen = max(self.seen, answer.header.revision)
                return answer
            except grpc.aio.AioRpcError as error:
                why, unknown = _understood(error), not again(error)
                self.leave(member)
                if unknown:
                    break
        if unknown:
            # Whether it was done is not known, so a client must not be told to simply send it again.
            raise errors.Uncertain(f"etcdserver: request timed out: {why}")
        raise errors.Unavailable(f"etcd: {why}", retry_after=1)

    def leave(self, failed: Member) -> None:
        """Prefer the next member, unless another request has already moved on."""
        if self.member is failed and len(self._members) > 1:
            self._current = (self._current + 1) % len(self._members)
            log.warning("etcd member %s does not answer, using %s", failed.endpoint, self.member.endpoint)

    async def prefer_first(self) -> None:
        """Go back to the preferred member once it answers a linearizable read."""
        if self._current == 0:
            return
        first = self._members[0]
        try:
            await first.kv.Range(rpc.RangeRequest(key=b"\0", limit=1, count_only=True), timeout=1.0)
        except (TimeoutError, grpc.aio.AioRpcError):
            return
        self._current = 0


async def _connected(member: Member, seconds: float) -> bool:
    """Whether the member can be sent a request; a connection that is being made is waited for."""
    channel = member.channel
    if channel.get_state() is _READY:  # nearly always, and a bound on the time would cost as much as the request
        return True
    try:
        async with asyncio.timeout(seconds):
            while (state := channel.get_state(try_to_connect=True)) not in (_READY, _FAILED):
                await channel.wait_for_state_change(state)
    except TimeoutError:
        return False
    return state is _READY


def _understood(error: grpc.aio.AioRpcError) -> str:
    """Why a member failed, where another may do better. Raises what no member answers better."""
    if error.code() == grpc.StatusCode.OUT_OF_RANGE and "future revision" in (error.details() or ""):
        raise FutureRevision from error
    if error.code() == grpc.StatusCode.OUT_OF_RANGE:
        raise errors.expired(error.details() or "required revision has been compacted") from error
    if "too large" in (error.details() or "") or "larger than max" in (error.details() or ""):
        raise errors.TooLarge("etcdserver: request is too large") from error
    if error.code() not in _PASSING and not _was_not_sent(error):
        raise errors.Internal(f"etcd: {error.details()}") from error
    return error.details() or error.code().name


def _was_not_sent(error: grpc.aio.AioRpcError) -> bool:
    details = (error.details() or "").lower()
    return any(text in details for text in _NOT_SENT)
