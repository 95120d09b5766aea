"""Keeps all resource caches equal to etcd: one read of everything, then one watch of everything.

One watch for all resources gives one revision up to which every cache is complete. A lost stream resumes after the
last revision; when etcd has compacted that away, everything is read again and watches end with 410, which makes
clients list again.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import AsyncGenerator, Callable, Iterable

import orjson
from aetcd import rpc

from tricenter.apiserver import errors
from tricenter.apiserver.cache import recall
from tricenter.apiserver.cache.entry import Entry
from tricenter.apiserver.cache.history import Change
from tricenter.apiserver.cache.resource import ResourceCache
from tricenter.apiserver.storage import encryption
from tricenter.apiserver.storage.encryption import Encryption, UnknownKey
from tricenter.apiserver.storage.etcd import Etcd

log = logging.getLogger(__name__)

_ROOT = b"/registry/"
_PAGE = 1000
_PROGRESS = rpc.WatchRequest(progress_request=rpc.WatchProgressRequest())
_TICK, _SILENCE = 1.0, 1.5
"""Seconds after which the stream is asked for a sign of life, and after which one that gives none is left."""
_PROGRESS_FIRST, _PROGRESS_NEXT = 0.005, 0.05
"""Seconds a reader waits before etcd is asked how far the stream is, and between two such questions."""


class Mirror:
    """All caches and the revision up to which they are complete."""

    def __init__(
        self,
        etcd: Etcd,
        caches: Iterable[ResourceCache],
        rules: Encryption = encryption.PLAIN,
        *,
        remembered: int = 0,
    ) -> None:
        self.revision = 0
        self._whole = False
        """Whether the watch can go on where it ended; if not, everything has to be read."""
        self._remembered = remembered
        self._silence = asyncio.timeout(None)
        self.synced = asyncio.Event()
        self._etcd = etcd
        self._rules = rules
        self._reloaded: list[Callable[[], None]] = []
        self._caches = {cache.prefix: cache for cache in caches}
        self._adopting: dict[str, list[rpc.Event]] = {}
        self._loads = 0
        self._requests: asyncio.Queue[rpc.WatchRequest] = asyncio.Queue()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._asking: asyncio.TimerHandle | None = None

    def on_reload(self, tell: Callable[[], None]) -> None:
        """Have `tell` called when all caches have been filled anew."""
        self._reloaded.append(tell)

    async def run(self) -> None:
        """Read and watch for ever."""
        pause = 0.0
        while True:
            try:
                await self._follow()
                pause = 0.0
            except errors.Expired:
                log.warning("etcd compacted revision %d before it was seen, reading everything again", self.revision)
                self._whole = False
            except errors.StatusError as error:
                pause = min(0.5, pause * 2 or 0.05)
                log.warning("watch of etcd interrupted: %s", error)
                await asyncio.sleep(pause)

    async def _follow(self) -> None:
        if not self._whole:
            await self._load()
        self._requests = asyncio.Queue()
        create = rpc.WatchCreateRequest(
            key=_ROOT, range_end=_end(_ROOT), start_revision=self.revision + 1, progress_notify=True
        )
        self._requests.put_nowait(rpc.WatchRequest(create_request=create))
        member = self._etcd.member
        try:
            async with asyncio.timeout(None) as self._silence:
                async for response in self._etcd.watch(self._outgoing(self._requests)):
                    self._silence.reschedule(None)
                    self._answer(response)
        except TimeoutError:
            self._etcd.leave(member)
            raise errors.Unavailable(f"etcd member {member.endpoint} is silent") from None
        raise errors.Unavailable("etcd ended the watch")

    def _answer(self, response: rpc.WatchResponse) -> None:
        if response.compact_revision:
            raise errors.expired("compacted")
        if response.canceled:
            raise errors.Unavailable(f"etcd cancelled the watch: {response.cancel_reason}")
        if not response.created:
            self._take(response)

    async def _outgoing(self, queue: asyncio.Queue[rpc.WatchRequest]) -> AsyncGenerator[rpc.WatchRequest, None]:
        """What is asked of etcd; when nothing is, how far the stream is, so that a silent member is noticed."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout(_TICK):
                    request = await queue.get()
            except TimeoutError:
                request = _PROGRESS
            if self._silence.when() is None:
                self._silence.reschedule(loop.time() + _SILENCE)
            yield request

    # --- the first read ---

    async def _load(self) -> None:
        found: dict[ResourceCache, dict[str, Entry]] = {cache: {} for cache in self._caches.values()}
        unreadable: dict[ResourceCache, dict[str, str]] = {cache: {} for cache in found}
        revision, key = 0, _ROOT
        while True:
            request = rpc.RangeRequest(key=key, range_end=_end(_ROOT), limit=_PAGE, revision=revision)
            response = await self._etcd.range(request)
            revision = revision or response.header.revision
            for pair in response.kvs:
                cache = self._cache(_text(pair.key))
                if cache is not None and cache in found:
                    self._sort_in(cache, pair, found[cache], unreadable[cache])
            if not response.more:
                break
            key = response.kvs[-1].key + b"\0"
        floor, events = await recall.events(self._etcd, _ROOT, _end(_ROOT), revision=revision, count=self._remembered)
        past = recall.past(events, floor, self._cache, found, self._entry)
        gone = orjson.dumps(errors.expired("the server has read its store again").status())
        for cache, entries in found.items():
            cache.replace(entries, revision, gone)
            cache.unreadable = unreadable[cache]
            cache.remember(past[cache].floor, past[cache].changes)
        self._loads += 1
        self._whole = True
        self._advance(revision)
        for tell in self._reloaded:
            tell()
        self.synced.set()

    def _sort_in(
        self, cache: ResourceCache, pair: rpc.KeyValue, entries: dict[str, Entry], unreadable: dict[str, str]
    ) -> None:
        key = _text(pair.key)
        try:
            entries[key] = self._decoded(cache, pair)
        except ValueError as error:
            # A server without keys that others have does not join them; one that serves goes on without the value.
            if isinstance(error, UnknownKey) and not self._loads:
                raise
            log.warning("%s cannot be read: %s", key, error)
            unreadable[key] = str(error)

    def _cache(self, key: str) -> ResourceCache | None:
        """The cache of a key: resources have prefixes of one or two path segments below the root."""
        end = key.find("/", len(_ROOT))
        cache = self._caches.get(key[: key.find("/", end + 1) + 1]) if end > 0 else None
        return cache or self._caches.get(key[: end + 1])

    def _entry(self, cache: ResourceCache, _: str, pair: rpc.KeyValue) -> Entry | None:
        """What a key once was; nothing when it was no object. Raises UnknownKey."""
        try:
            return self._decoded(cache, pair)
        except UnknownKey:
            raise
        except ValueError:
            return None

    def _decoded(self, cache: ResourceCache, pair: rpc.KeyValue) -> Entry:
        """The object of a value. Raises ValueError."""
        value = self._rules.open(pair.key, pair.value)
        try:
            return cache.entry(_text(pair.key), value, pair.mod_revision)
        except (AttributeError, TypeError, RecursionError) as error:
            raise ValueError(str(error)) from error

    # --- custom resources ---

    async def adopt(self, cache: ResourceCache) -> None:
        """Follow the cache's prefix from now on; when this returns the cache is as complete as all others."""
        try:
            while True:
                loads, events = self._loads, self._adopting.setdefault(cache.prefix, [])
                events.clear()
                entries, unreadable, revision = await self._read(cache)
                floor, older = await self._recalled(cache.prefix.encode(), revision) if entries else (revision, [])
                await self.wait(revision)
                if loads == self._loads:
                    break
                # Everything was read anew meanwhile: what happened between that and our read is not among the events.
        finally:
            self._adopting.pop(cache.prefix, None)
        past = recall.past(older, floor, lambda _: cache, {cache: entries}, self._entry)
        cache.replace(entries, revision, b"")
        cache.unreadable = unreadable
        cache.remember(past[cache].floor, past[cache].changes)
        for event in events:
            if event.kv.mod_revision > revision:
                self._change(cache, event)
        self.drop(cache.prefix)
        self._caches[cache.prefix] = cache

    async def _recalled(self, prefix: bytes, revision: int) -> tuple[int, list[rpc.Event]]:
        """Since when the past of a prefix is known, and what happened since; etcd takes a tenth of a second for it."""
        return await recall.events(self._etcd, prefix, _end(prefix), revision=revision, count=self._remembered)

    def drop(self, prefix: str) -> None:
        """Follow a prefix no longer; watches of its objects end."""
        gone = self._caches.pop(prefix, None)
        if gone is not None:
            gone.end()

    async def _read(self, cache: ResourceCache) -> tuple[dict[str, Entry], dict[str, str], int]:
        """The objects of one prefix, what cannot be read and why, at one revision."""
        entries: dict[str, Entry] = {}
        unreadable: dict[str, str] = {}
        prefix = cache.prefix.encode()
        revision, key = 0, prefix
        while True:
            request = rpc.RangeRequest(key=key, range_end=_end(prefix), limit=_PAGE, revision=revision)
            response = await self._etcd.range(request)
            revision = revision or response.header.revision
            for pair in response.kvs:
                self._sort_in(cache, pair, entries, unreadable)
            if not response.more:
                return entries, unreadable, revision
            key = response.kvs[-1].key + b"\0"

    # --- the stream ---

    def _take(self, response: rpc.WatchResponse) -> None:
        revision = self.revision
        for event in response.events:
            revision = event.kv.mod_revision
            key = _text(event.kv.key)
            if self._adopting:
                for prefix, events in self._adopting.items():
                    if key.startswith(prefix):
                        events.append(event)
            cache = self._cache(key)
            if cache is not None:
                self._change(cache, event)
        # Only an answer without events says that nothing older is still on its way.
        self._advance(revision if response.events else max(revision, response.header.revision))

    def _change(self, cache: ResourceCache, event: rpc.Event) -> None:
        key, current = _text(event.kv.key), None
        if event.type == rpc.Event.PUT:
            try:
                current = self._decoded(cache, event.kv)
            except ValueError as error:
                # Nobody is told: that it is gone would be wrong, and what it is now nobody can say.
                log.warning("%s cannot be read: %s", key, error)
                cache.unreadable[key] = str(error)
                return
        cache.unreadable.pop(key, None)
        previous = cache.entries.get(key)
        if current is not None or previous is not None:
            cache.apply(Change(event.kv.mod_revision, previous, current))

    def _advance(self, revision: int) -> None:
        self.revision = revision
        while self._waiting and self._waiting[0][0] <= revision:
            future = heapq.heappop(self._waiting)[2]
            if not future.done():
                future.set_result(None)

    # --- readers ---

    async def wait(self, revision: int, seconds: float = 3.0) -> None:
        """Until the caches are complete up to `revision`; Timeout when that takes too long."""
        if self.revision >= revision:
            return
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        heapq.heappush(self._waiting, (revision, next(self._order), future))
        if self._asking is None:
            self._asking = loop.call_later(_PROGRESS_FIRST, self._ask)
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            raise errors.too_large_version(revision, self.revision) from None

    def _ask(self) -> None:
        """Make etcd say how far the stream is: writes outside our prefix raise the revision without an event."""
        self._asking = None
        while self._waiting and self._waiting[0][2].done():
            heapq.heappop(self._waiting)
        if self._waiting:
            self._requests.put_nowait(_PROGRESS)
            self._asking = asyncio.get_running_loop().call_later(_PROGRESS_NEXT, self._ask)


def _end(prefix: bytes) -> bytes:
    """The first key after all keys with the prefix (which ends in a slash)."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def _text(key: bytes) -> str:
    """A key as text; one that is none of ours need not be UTF-8."""
    return key.decode(errors="replace")
