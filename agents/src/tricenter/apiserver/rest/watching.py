"""watch: a stream of events from a revision on, optionally with all present objects first (KEP-3157)."""

from __future__ import annotations

import asyncio
import random

import orjson
from aiohttp import web

from tricenter.apiserver import errors
from tricenter.apiserver.cache.freshness import Freshness
from tricenter.apiserver.cache.history import ADDED, BOOKMARK, ERROR
from tricenter.apiserver.cache.mirror import Mirror
from tricenter.apiserver.cache.watcher import Encode, Watcher, json_event
from tricenter.apiserver.config import Config
from tricenter.apiserver.negotiation import JSON
from tricenter.apiserver.requestinfo import truth
from tricenter.apiserver.rest import reads, selecting, shapes
from tricenter.apiserver.rest.call import Call

_SHORTEST = 1800
"""Seconds after which a watch without a timeout ends, at random up to twice as much (min-request-timeout)."""


class Watching:
    """Answers watch requests."""

    def __init__(self, config: Config, mirror: Mirror, fresh: Freshness) -> None:
        self._config = config
        self._mirror = mirror
        self._fresh = fresh
        self._open: set[Watcher] = set()

    def end_all(self) -> None:
        """End all watches: the server is going."""
        for watcher in list(self._open):
            watcher.end()

    def __len__(self) -> int:
        return len(self._open)

    async def watch(self, call: Call) -> web.StreamResponse:
        """Stream events until the client goes, the time is over or the watch cannot go on."""
        watcher, encode = self._watcher(call)
        seconds = _timeout(call)
        try:
            await self._begin(call, watcher, encode)
        except errors.Expired as error:
            watcher.end(json_event(ERROR, orjson.dumps(error.status())))
        self._open.add(watcher)
        response = web.StreamResponse(headers={"Content-Type": JSON, "Cache-Control": "no-cache, private"})
        response.enable_chunked_encoding()
        try:
            await response.prepare(call.http)
            await self._stream(call, watcher, response, encode, seconds)
            await response.write_eof()
        except (ConnectionError, asyncio.CancelledError):
            # The client has gone, or the server cancels its handler because of that.
            watcher.end()
        finally:
            self._open.discard(watcher)
            call.resource.objects.detach(watcher)
        return response

    def _watcher(self, call: Call) -> tuple[Watcher, Encode]:
        wanted = selecting.predicate(call.resource, call.info.namespace, call.query, call.info.name)
        include = shapes.include(call.query.get("includeObject", ""))
        form, encode = shapes.event_encoder(call.resource, call.form, include)
        return Watcher(wanted, limit=self._config.watch_queue_bytes, form=form, encode=encode), encode

    async def _begin(self, call: Call, watcher: Watcher, encode: Encode) -> None:
        """Queue what the watch starts with and attach it, without an await in between. Raises Expired."""
        query, cache = call.query, call.resource.objects
        version = query.get("resourceVersion", "")
        initial = _initial_events(query.get("sendInitialEvents"), query.get("resourceVersionMatch", ""), call)
        if version == "" and initial is not False:
            await self._fresh.wait()
        elif version not in ("", "0"):
            await self._mirror.wait(reads.revision(version))
        if initial is None:
            initial = version in ("", "0")
        if not initial:
            since = int(version) if version not in ("", "0") else self._mirror.revision
            if since < cache.history.floor:
                raise errors.expired(f"too old resource version: {since} ({cache.history.floor})")
            cache.attach(watcher, since)
            return
        for entry in cache.select(watcher.predicate):
            watcher.push(encode(ADDED, entry.body))
        if truth(query.get("sendInitialEvents")) and _bookmarks(call):
            watcher.push(self._bookmark(call, encode, {"k8s.io/initial-events-end": "true"}))
        cache.attach(watcher, None)

    async def _stream(
        self, call: Call, watcher: Watcher, response: web.StreamResponse, encode: Encode, seconds: float
    ) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.call_later(seconds, watcher.end)
        timer: asyncio.TimerHandle | None = None

        def mark() -> None:
            nonlocal timer
            watcher.push(self._bookmark(call, encode, {}))
            timer = loop.call_later(self._config.bookmark_seconds, mark)

        if _bookmarks(call):
            timer = loop.call_later(self._config.bookmark_seconds * random.uniform(0.5, 1), mark)  # noqa: S311
        try:
            while chunk := await watcher.take():
                await response.write(chunk)
        finally:
            deadline.cancel()
            if timer is not None:
                timer.cancel()

    def _bookmark(self, call: Call, encode: Encode, annotations: dict[str, str]) -> bytes:
        kind = call.resource.storage
        metadata: dict[str, object] = {"resourceVersion": str(self._mirror.revision), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = annotations
        return encode(BOOKMARK, orjson.dumps({"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}))


def _bookmarks(call: Call) -> bool:
    return truth(call.query.get("allowWatchBookmarks"))


def _timeout(call: Call) -> float:
    text = call.query.get("timeoutSeconds", "") or "0"
    if not text.isdigit():
        raise errors.BadRequest(f'timeoutSeconds: Invalid value: "{text}"')
    return int(text) or random.uniform(_SHORTEST, 2 * _SHORTEST)  # noqa: S311  # spreads reconnections


def _initial_events(text: str | None, match: str, call: Call) -> bool | None:
    """Whether present objects are asked for; None where the resource version decides as it always did."""
    if text is None:
        if match:
            raise errors.BadRequest("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
        return None
    if match != "NotOlderThan":
        raise errors.BadRequest('sendInitialEvents requires setting resourceVersionMatch to "NotOlderThan"')
    if truth(text) and not _bookmarks(call):
        raise errors.BadRequest("sendInitialEvents is forbidden for watch unless allowWatchBookmarks is true")
    return truth(text)
