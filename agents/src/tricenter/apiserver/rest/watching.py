"""watch: a stream of events from a revision on, optionally with all present objects first (KEP-3157)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import orjson
from aiohttp import web

from tricenter.apiserver import errors
from tricenter.apiserver.cache.entry import Entry
from tricenter.apiserver.cache.freshness import Freshness
from tricenter.apiserver.cache.history import ADDED, BOOKMARK
from tricenter.apiserver.cache.mirror import Mirror
from tricenter.apiserver.cache.pacing import Pace
from tricenter.apiserver.cache.watcher import Encode, Watcher
from tricenter.apiserver.config import Config
from tricenter.apiserver.negotiation import JSON
from tricenter.apiserver.protobuf.encode import WATCH_MEDIA
from tricenter.apiserver.rest import eventsockets, listoptions, selecting, shapes
from tricenter.apiserver.rest.call import Call
from tricenter.apiserver.rest.eventsockets import EventSocket
from tricenter.apiserver.rest.listoptions import Options
from tricenter.runtime import metrics

_SHORTEST = 1800
"""Seconds after which a watch without a timeout ends, at random up to twice as much (min-request-timeout)."""
_LONGEST = 10_000_000
"""Most seconds of a watch, a third of a year: timers do not reach as far as the parameter may."""
_BEFORE_END = 2.0
"""Seconds before the end of a watch at which its last bookmark is sent (cacher nextBookmarkTime)."""
_GRACE = 5.0
"""Seconds that a client which does not read gets to take the last events of a watch."""
_PIECE = 256 * 1024
_INITIAL_END = {"k8s.io/initial-events-end": "true"}


@dataclass(kw_only=True)
class _Opened:
    """One watch: who asks for what, and what it begins with (present objects, the bookmark that ends them)."""

    call: Call
    options: Options
    watcher: Watcher
    encode: Encode
    sizes: Callable[[float], None]
    """Told of the size of each event."""
    entries: list[Entry] = field(default_factory=list)
    end: bytes = b""


class Watching:
    """Answers watch requests."""

    def __init__(self, config: Config, mirror: Mirror, fresh: Freshness, sizes: metrics.Histogram) -> None:
        self._config = config
        self._sizes = sizes
        self._mirror = mirror
        self._fresh = fresh
        self._open: set[Watcher] = set()
        self._pace = Pace()

    def end_all(self) -> None:
        """End all watches: the server is going."""
        for watcher in list(self._open):
            watcher.end()

    def __len__(self) -> int:
        return len(self._open)

    async def watch(self, call: Call) -> web.StreamResponse:
        """Stream events until the client goes, the time is over or the watch cannot go on."""
        options = listoptions.parse(call.query, watch=True)
        opened = self._opened(call, options)
        watcher = opened.watcher
        try:
            await self._begin(opened)
        except (errors.Expired, errors.Timeout) as error:
            # As upstream: what is wrong with the version, a client that watches hears as an event.
            watcher.fail(orjson.dumps(error.status()))
        self._open.add(watcher)
        response = _response(call)
        reading: asyncio.Task[None] | None = None
        try:
            await response.prepare(call.http)
            if isinstance(response, EventSocket):
                reading = asyncio.create_task(response.ignore(watcher.end))
            await self._stream(opened, response)
            await response.write_eof()
        except (ConnectionError, asyncio.CancelledError):
            # The client has gone, or the server cancels its handler because of that.
            watcher.end()
        finally:
            if reading is not None:
                reading.cancel()
            self._open.discard(watcher)
            call.resource.objects.detach(watcher)
        return response

    def _opened(self, call: Call, options: Options) -> _Opened:
        wanted = selecting.predicate(call.resource, call.info.namespace, call.query, call.info.name)
        include = shapes.include(call.query.get("includeObject", ""))
        plain = replace(call.form, protobuf=False) if eventsockets.wanted(call.http) else call.form
        form, encode = shapes.event_encoder(call.resource, plain, include)
        kind = call.resource.kind
        sizes = self._sizes.labels(kind.group, kind.version, kind.kind).observe
        watcher = Watcher(
            wanted,
            limit=self._config.watch_queue_bytes,
            pace=self._pace,
            form=form,
            encode=encode,
            since=options.revision,
            sizes=sizes,
        )
        return _Opened(call=call, options=options, watcher=watcher, encode=encode, sizes=sizes)

    async def _begin(self, opened: _Opened) -> None:
        """Attach the watch, without an await after its start is known. Raises Expired, Timeout."""
        options, cache, watcher = opened.options, opened.call.resource.objects, opened.watcher
        if options.version == "":
            await self._fresh.wait()
        initial = options.initial if options.initial is not None else not options.revision
        if not initial:
            since = options.revision or self._mirror.revision
            if since < cache.history.floor:
                raise errors.expired(f"too old resource version: {since} ({cache.history.floor})")
            # A revision that this server has not seen yet is no error: what comes until then is left out.
            cache.attach(watcher, since)
            return
        await self._mirror.wait(options.revision)
        opened.entries = list(cache.select(watcher.predicate))
        if options.initial and options.bookmarks:
            opened.end = self._bookmark(opened, _INITIAL_END)
        cache.attach(watcher, None)

    async def _stream(self, opened: _Opened, response: web.StreamResponse) -> None:
        call, options, watcher = opened.call, opened.options, opened.watcher
        seconds = min(options.seconds, _LONGEST) or random.uniform(_SHORTEST, 2 * _SHORTEST)  # noqa: S311  # spreads reconnections
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        timers = [loop.call_at(ends, watcher.end), loop.call_at(ends + _GRACE, _cut, call)]
        watcher.on_overflow = lambda: _overrun(call)

        def mark() -> None:
            if self._mirror.revision >= options.revision:
                watcher.push(self._bookmark(opened, {}))
            following()

        def following(share: float = 1.0) -> None:
            due = min(loop.time() + self._config.bookmark_seconds * share, ends - _BEFORE_END)
            if due > loop.time():
                timers[2:] = [loop.call_at(due, mark)]

        if options.bookmarks:
            following(random.uniform(0.5, 1))  # noqa: S311
        try:
            for piece in _pieces(opened):
                await response.write(piece)
            while chunk := await watcher.take():
                await response.write(chunk)
        finally:
            for timer in timers:
                timer.cancel()

    def _bookmark(self, opened: _Opened, annotations: dict[str, str]) -> bytes:
        kind = opened.call.resource.storage
        metadata: dict[str, object] = {"resourceVersion": str(self._mirror.revision), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = annotations
        obj = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
        return opened.encode(BOOKMARK, orjson.dumps(obj))


def _response(call: Call) -> web.StreamResponse:
    if eventsockets.wanted(call.http):
        return EventSocket(call.http)
    media = WATCH_MEDIA if call.form.protobuf else JSON
    response = web.StreamResponse(headers={"Content-Type": media, "Cache-Control": "no-cache, private"})
    response.enable_chunked_encoding()
    return response


def _pieces(opened: _Opened) -> Iterator[bytes]:
    """The first events, joined to pieces worth a write: they do not have to be in memory all at once."""
    buffer, size = [], 0
    for entry in opened.entries:
        buffer.append(opened.encode(ADDED, entry.body))
        size += len(buffer[-1])
        opened.sizes(len(buffer[-1]))
        if size >= _PIECE:
            yield b"".join(buffer)
            buffer, size = [], 0
    # What is deleted meanwhile is not to be held as long as the watch lasts.
    opened.entries = []
    last = b"".join([*buffer, opened.end])
    if last:
        yield last


def _overrun(call: Call) -> None:
    call.resource.objects.overrun += 1
    _cut(call)


def _cut(call: Call) -> None:
    """End the connection of a client that does not read: it holds events that are of no use any more."""
    if call.http.transport is not None:
        call.http.transport.abort()
