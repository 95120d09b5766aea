"""What happened to keys between two revisions, as etcd's watch tells it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from aetcd import rpc

from tricenter.apiserver import errors
from tricenter.apiserver.storage.etcd import Etcd

_ASK_FIRST, _ASK_NEXT = 0.005, 0.05
"""Seconds until etcd is asked how far the stream is, and between two such questions."""


class Compacted(Exception):  # noqa: N818  # named as etcd names it
    """etcd has forgotten the beginning; events after `revision` can still be had."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"compacted up to revision {revision}")
        self.revision = revision


async def events(etcd: Etcd, key: bytes, end: bytes = b"", *, after: int, until: int) -> list[rpc.Event]:
    """Events of a key, or of all keys up to `end`, after one revision and up to another, with what was before each.

    Raises Compacted, Unavailable.
    """
    create = rpc.WatchCreateRequest(key=key, range_end=end, start_revision=after + 1, prev_kv=True)
    found: list[rpc.Event] = []
    async with contextlib.aclosing(etcd.watch(_requests(create))) as stream:
        async for response in stream:
            if response.compact_revision:
                raise Compacted(response.compact_revision)
            if response.canceled:
                raise errors.Unavailable(f"etcd cancelled the watch: {response.cancel_reason}", retry_after=1)
            found += [event for event in response.events if event.kv.mod_revision <= until]
            if not response.created and _seen(response) >= until:
                return found
    raise errors.Unavailable("etcd ended the watch", retry_after=1)


def _seen(response: rpc.WatchResponse) -> int:
    """Up to which revision the stream is complete; only an answer without events speaks for all keys."""
    return int(response.events[-1].kv.mod_revision if response.events else response.header.revision)


async def _requests(create: rpc.WatchCreateRequest) -> AsyncGenerator[rpc.WatchRequest, None]:
    yield rpc.WatchRequest(create_request=create)
    await asyncio.sleep(_ASK_FIRST)
    while True:
        yield rpc.WatchRequest(progress_request=rpc.WatchProgressRequest())
        await asyncio.sleep(_ASK_NEXT)
