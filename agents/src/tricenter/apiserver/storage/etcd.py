"""A connection to etcd over its gRPC API: the preferred member first, the others when it does not answer.

Only the message types come from `aetcd`; the channels are ours because of TLS and of several endpoints. A request that
may have been executed is never sent twice: after a connection was lost in the middle of a write the caller is told.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any, Protocol

from aetcd import rpc
from grpc import StatusCode

from tricenter.apiserver import errors
from tricenter.apiserver.config import EtcdConfig
from tricenter.apiserver.storage import stream
from tricenter.apiserver.storage.channel import Channel, RpcError
from tricenter.runtime import tls

log = logging.getLogger(__name__)

_NOT_SENT = (
    "no leader",
    "too many requests",
    "raft proposal dropped",
)
"""What a refusal says that came before a write could be proposed."""

_PASSING = (
    StatusCode.UNAVAILABLE,
    StatusCode.DEADLINE_EXCEEDED,
    StatusCode.UNKNOWN,
    StatusCode.CANCELLED,
    StatusCode.ABORTED,
)
"""Codes of failures of one member; another one, or the same one later, may do better."""

_LEAST_SECONDS = 0.05
_PATIENCE = 1.25
"""Seconds that a member has to answer while there is another to ask."""
LARGEST_REVISION = 2**63 - 1


class FutureRevision(Exception):  # noqa: N818  # named as etcd names it
    """A read at a revision that etcd has not reached."""


_RANGE, _TXN, _PUT, _COMPACT = (f"/etcdserverpb.KV/{name}" for name in ("Range", "Txn", "Put", "Compact"))
_GRANT, _WATCH = "/etcdserverpb.Lease/LeaseGrant", "/etcdserverpb.Watch/Watch"
_NOW = rpc.RangeRequest(key=b"\0", limit=1, count_only=True)
"""Reads nothing but the revision."""


def context(config: EtcdConfig) -> tls.Context | None:
    """How connections are secured; None for plain ones."""
    return None if config.ca is None else tls.client_context(config.ca, config.cert, config.key, protocol="h2")


def _endpoint(text: str) -> str:
    return text.removeprefix("https://").removeprefix("http://").rstrip("/")


class Observe(Protocol):
    """Told of every request when it is over."""

    def __call__(self, operation: str, seconds: float, *, failed: bool) -> None: ...


class Etcd:
    """Requests to whichever member answers, and the watch stream."""

    def __init__(self, config: EtcdConfig) -> None:
        self._secured = context(config)
        self.timeout = config.timeout
        self._members = [Channel(_endpoint(text), self._secured) for text in config.endpoints]
        self._current = 0
        self.seen = 0
        """The newest revision that an answer has told of."""
        self.observe: Observe | None = None

    async def close(self) -> None:
        """Close all connections."""
        for member in self._members:
            await member.close()

    @property
    def member(self) -> Channel:
        """The member in use."""
        return self._members[self._current]

    async def range(self, request: rpc.RangeRequest) -> rpc.RangeResponse:
        """A read; tried on every member, because reading twice harms nobody. Raises Expired, FutureRevision."""
        return await self._call(_RANGE, request, rpc.RangeResponse, again=lambda _: True)

    async def txn(self, request: rpc.TxnRequest) -> rpc.TxnResponse:
        """A transaction; sent to another member only when the first cannot have received it. Raises Uncertain."""
        return await self._call(_TXN, request, rpc.TxnResponse, again=_was_not_sent)

    async def compact(self, revision: int) -> None:
        """Forget revisions before `revision`."""
        request = rpc.CompactionRequest(revision=revision)
        await self._call(_COMPACT, request, rpc.CompactionResponse, again=_was_not_sent)

    async def put(self, key: bytes, lease: int) -> None:
        """Make a key exist, whether it does or not."""
        await self._call(_PUT, rpc.PutRequest(key=key, lease=lease), rpc.PutResponse, again=lambda _: True)

    async def revision(self) -> int:
        """The revision of the store, read linearizably."""
        response = await self.range(_NOW)
        return int(response.header.revision)

    async def grant_lease(self, ttl: int) -> int:
        """A new lease of `ttl` seconds; its id."""
        request = rpc.LeaseGrantRequest(TTL=ttl)
        response = await self._call(_GRANT, request, rpc.LeaseGrantResponse, again=lambda _: True)
        return int(response.ID)

    async def watch(self, requests: AsyncGenerator[rpc.WatchRequest, None]) -> AsyncGenerator[rpc.WatchResponse, None]:
        """One watch stream on the member in use; ends with Unavailable when the member goes."""
        member = self.member
        arriving = stream.messages(member.endpoint, self._secured, _WATCH, _encoded(requests), ("hasleader", "true"))
        try:
            async with contextlib.aclosing(arriving):
                async for message in arriving:
                    yield rpc.WatchResponse.FromString(message)
        except RpcError as error:
            self.leave(member)
            raise errors.Unavailable(f"etcd watch: {error.details}") from error

    async def _call(self, path: str, request: Any, response: Any, *, again: Callable[[RpcError], bool]) -> Any:
        began, failed = time.monotonic(), True
        try:
            answer = await self._try(path, request, response, again=again)
            failed = False
            return answer
        finally:
            if self.observe is not None:
                self.observe(path.rpartition("/")[2].lower(), time.monotonic() - began, failed=failed)

    async def _try(self, path: str, request: Any, response: Any, *, again: Callable[[RpcError], bool]) -> Any:
        """The answer of the first member that gives one; all attempts together take no longer than the timeout."""
        ends = time.monotonic() + self.timeout
        why, unknown = "no member answers", False
        for others in reversed(range(len(self._members))):
            # What is left is halved while there is another member, so that one that hangs does not take all of it.
            left = ends - time.monotonic()
            seconds = min(_PATIENCE, left / 2) if others else left
            member = self.member
            if not await member.ready(seconds):
                self.leave(member)
                continue
            try:
                message = await member.unary(path, request.SerializeToString(), max(seconds, _LEAST_SECONDS))
                answer = response.FromString(message)
                self.seen = max(self.seen, answer.header.revision)
                return answer
            except RpcError as error:
                why, unknown = _understood(error), not again(error)
                self.leave(member)
                if unknown:
                    break
        if unknown:
            # Whether it was done is not known, so a client must not be told to simply send it again.
            raise errors.Uncertain(f"etcdserver: request timed out: {why}")
        raise errors.Unavailable(f"etcd: {why}", retry_after=1)

    def leave(self, failed: Channel) -> None:
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
            if not await first.ready(1.0):
                return
            await first.unary(_RANGE, _NOW.SerializeToString(), 1.0)
        except RpcError:
            return
        self._current = 0


async def _encoded(requests: AsyncGenerator[rpc.WatchRequest, None]) -> AsyncGenerator[bytes, None]:
    async for request in requests:
        yield request.SerializeToString()


def _understood(error: RpcError) -> str:
    """Why a member failed, where another may do better. Raises what no member answers better."""
    if error.code == StatusCode.OUT_OF_RANGE and "future revision" in error.details:
        raise FutureRevision from error
    if error.code == StatusCode.OUT_OF_RANGE:
        raise errors.expired(error.details) from error
    if "too large" in error.details or "larger than max" in error.details:
        raise errors.TooLarge("etcdserver: request is too large") from error
    if error.code not in _PASSING and not _was_not_sent(error):
        raise errors.Internal(f"etcd: {error.details}") from error
    return error.details


def _was_not_sent(error: RpcError) -> bool:
    details = error.details.lower()
    return not error.sent or any(text in details for text in _NOT_SENT)
