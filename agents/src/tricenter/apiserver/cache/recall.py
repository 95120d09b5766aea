"""The history of a server that has just started: what happened before its first read, from etcd's own memory.

A client that comes from another server with a revision it saw there goes on from it without a gap.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping

from aetcd import rpc

from tricenter.apiserver import errors
from tricenter.apiserver.cache.entry import Entry
from tricenter.apiserver.cache.history import Change
from tricenter.apiserver.cache.resource import ResourceCache
from tricenter.apiserver.storage import past as storage_past
from tricenter.apiserver.storage.encryption import UnknownKey
from tricenter.apiserver.storage.etcd import Etcd

log = logging.getLogger(__name__)

_SECONDS = 3.0
"""How long a start may be held up by this."""

Decode = Callable[[ResourceCache, str, rpc.KeyValue], Entry | None]


async def events(etcd: Etcd, key: bytes, end: bytes, *, revision: int, count: int) -> tuple[int, list[rpc.Event]]:
    """The last `count` revisions up to `revision`, or what of them is not compacted; and after which they begin."""
    floor = max(0, revision - count)
    try:
        async with asyncio.timeout(_SECONDS):
            while floor < revision:
                try:
                    return floor, await storage_past.events(etcd, key, end, after=floor, until=revision)
                except storage_past.Compacted as error:
                    floor = max(error.revision, floor + 1)
    except (errors.StatusError, TimeoutError) as error:
        log.warning("watches cannot begin before revision %d: %s", revision, error or "etcd is too slow")
    return revision, []


class Past:
    """What is known of a cache's past: everything after `floor`."""

    def __init__(self, floor: int) -> None:
        self.floor = floor
        self.changes: list[Change] = []

    def forget(self, revision: int) -> None:
        """Know nothing up to a revision."""
        self.floor = revision
        self.changes.clear()


def past(
    found: Iterable[rpc.Event],
    floor: int,
    cache_of: Callable[[str], ResourceCache | None],
    present: Mapping[ResourceCache, Mapping[str, Entry]],
    decode: Decode,
) -> dict[ResourceCache, Past]:
    """The past of each cache, as the events after `floor` tell it. What is `present` is not decoded again."""
    known = {cache: Past(floor) for cache in present}
    last: dict[str, Entry | None] = {}
    for event in found:
        key, revision = event.kv.key.decode(errors="replace"), event.kv.mod_revision
        cache = cache_of(key)
        if cache is None or cache not in known:
            continue
        try:
            if key not in last:
                last[key] = decode(cache, key, event.prev_kv) if event.HasField("prev_kv") else None
            current = _current(event, present[cache].get(key)) or _decoded(event, cache, decode)
        except UnknownKey:
            # Written with a key that has been replaced since: only what is stored now has to be readable.
            known[cache].forget(revision)
            last.pop(key, None)
            continue
        previous, last[key] = last[key], current
        if previous is not None or current is not None:
            known[cache].changes.append(Change(revision, previous, current))
    return known


def _current(event: rpc.Event, present: Entry | None) -> Entry | None:
    """What is present, if that is what the event has put."""
    return present if present is not None and present.revision == event.kv.mod_revision else None


def _decoded(event: rpc.Event, cache: ResourceCache, decode: Decode) -> Entry | None:
    return decode(cache, event.kv.key.decode(errors="replace"), event.kv) if event.type == rpc.Event.PUT else None
