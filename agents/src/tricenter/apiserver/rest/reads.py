"""get and list: from the watch cache after a shared freshness check, or from etcd at an older revision."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace

import orjson
from aiohttp import web

from tricenter.apiserver import errors
from tricenter.apiserver.cache.entry import Entry
from tricenter.apiserver.cache.freshness import Freshness
from tricenter.apiserver.cache.mirror import Mirror
from tricenter.apiserver.cache.predicate import Predicate
from tricenter.apiserver.cache.resource import ResourceCache
from tricenter.apiserver.negotiation import YAML
from tricenter.apiserver.resources import Resource
from tricenter.apiserver.rest import answers, continuing, listoptions, selecting, shapes
from tricenter.apiserver.rest.call import Call
from tricenter.apiserver.rest.listoptions import Options
from tricenter.apiserver.storage.etcd import FutureRevision
from tricenter.apiserver.storage.store import Page, Store, Stored

_ETCD_PAGE = 500
_CONVERTED_AT_ONCE = 100
_INCONSISTENT = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)
_STREAM_FROM = 512 * 1024
"""Lists from this size on are written in pieces."""


@dataclass(frozen=True)
class Listing:
    """Objects at a revision, and how to go on when there are more."""

    entries: list[Entry]
    revision: int
    token: str = ""
    remaining: int | None = None


@dataclass(frozen=True)
class _Walk:
    """The pages of a list in etcd: from which key on, at which revision (0: now), how many objects at most."""

    start: str
    revision: int
    limit: int
    continued: bool = False
    """Whether a token was given: what has been compacted since can be gone on with."""


class Reads:
    """Answers get and list."""

    def __init__(self, store: Store, mirror: Mirror, fresh: Freshness) -> None:
        self._store = store
        self._mirror = mirror
        self._fresh = fresh

    async def get(self, call: Call) -> web.StreamResponse:
        """One object."""
        entry = await self.entry(call, call.query.get("resourceVersion", ""))
        if not call.form.kind:
            return answers.raw(shapes.body(call.resource, entry.body), media=call.form.media)
        wanted = shapes.include(call.query.get("includeObject", ""))
        obj = shapes.loaded(call.resource, entry.body)
        return answers.json(shapes.one(call.resource, obj, call.form, wanted))

    async def entry(self, call: Call, version: str = "") -> Entry:
        """The object that a request names. Raises NotFound."""
        await self._settle(version)
        call.resource.objects.require(key=call.key)
        entry = call.resource.objects.get(call.info.namespace, call.info.name)
        if entry is None:
            raise errors.not_found(call.target)
        return entry

    async def _settle(self, version: str) -> None:
        """Wait until the cache is as new as the parameter demands: empty is now, 0 is anything."""
        if version == "":
            await self._fresh.wait()
        elif version != "0":
            await self._mirror.wait(listoptions.revision(version))

    async def list(self, call: Call) -> web.StreamResponse:
        """Objects by predicate."""
        wanted = selecting.predicate(call.resource, call.info.namespace, call.query)
        listing = await self.listing(call, wanted, listoptions.parse(call.query))
        if call.form.kind or call.form.media == YAML:
            return _shaped(call, listing)
        return await _plain(call, listing)

    async def listing(self, call: Call, wanted: Predicate, options: Options | None = None) -> Listing:
        """The objects of a list request."""
        options = options or Options()
        if options.token:
            start, at = continuing.decode(options.token, _prefix(call, wanted))
            if self._unchanged(call.resource.objects, at):
                return self._from_cache(call, wanted, options.limit, start=start, at=at)
            return await self._from_etcd(call, wanted, _Walk(start, max(at, 0), options.limit, continued=True))
        if options.exact:
            return await self._from_etcd(call, wanted, _Walk("", options.exact, options.limit))
        await self._settle(options.version)
        return self._from_cache(call, wanted, 0 if options.version == "0" else options.limit)

    def _unchanged(self, cache: ResourceCache, at: int) -> bool:
        """Whether the cache is what it was at a revision, so that a list can be gone on with from here."""
        return cache.changed <= at <= self._mirror.revision and not cache.unreadable

    def _from_cache(self, call: Call, wanted: Predicate, limit: int, *, start: str = "", at: int = 0) -> Listing:
        """What the cache has, from the key `start` on; told as of the revision `at`, or as of now."""
        cache = call.resource.objects
        cache.require(namespace=wanted.namespace)
        at = at or self._mirror.revision
        chosen = cache.select(wanted, start)
        found = list(chosen) if not limit else _first(chosen, limit + 1)
        if not limit or len(found) <= limit:
            return Listing(found, at)
        found.pop()
        following = continuing.after(found[-1].key)
        remaining = len(cache.keys(wanted.namespace, following)) if wanted.everything else None
        return Listing(found, at, continuing.encode(_prefix(call, wanted), following, at), remaining)

    async def _from_etcd(self, call: Call, wanted: Predicate, walk: _Walk) -> Listing:
        """A list at an older revision, page by page until there are enough matches."""
        cache, prefix, limit = call.resource.objects, _prefix(call, wanted), walk.limit
        cache.reads += 1
        found: list[Entry] = []
        while True:
            page = await self._page(prefix, walk, limit if limit and wanted.everything else _ETCD_PAGE)
            walk = replace(walk, revision=page.revision)
            for index, (key, stored) in enumerate(page.items):
                entry = _entry(cache, key, stored)
                if not wanted.matches(entry):
                    continue
                found.append(entry)
                left = len(page.items) - index - 1 + page.remaining
                if limit and len(found) == limit and left:
                    token = continuing.encode(prefix, continuing.after(key), page.revision)
                    return Listing(found, page.revision, token, left if wanted.everything else None)
            if not page.more:
                return Listing(found, page.revision)
            walk = replace(walk, start=continuing.after(page.items[-1][0]))

    async def _page(self, prefix: str, walk: _Walk, size: int) -> Page:
        try:
            return await self._store.page(prefix, start=walk.start, revision=walk.revision, limit=size)
        except errors.Expired as error:
            if not walk.continued:
                raise errors.expired("The resourceVersion for the provided list is too old.") from error
            # The rest can be had as it is now; the client decides whether that is good enough.
            token = continuing.encode(prefix, walk.start, continuing.LATEST)
            raise errors.Expired(_INCONSISTENT, proceed=token) from error
        except FutureRevision as error:
            raise errors.too_large_version(walk.revision, self._mirror.revision) from error


def _entry(cache: ResourceCache, key: str, stored: Stored) -> Entry:
    """The entry of a value from etcd. Raises StoreRead for one that is no object."""
    try:
        return cache.entry(key, stored.value, stored.revision)
    except (ValueError, TypeError) as error:
        raise errors.unreadable_list({key: str(error)}) from error


def _prefix(call: Call, wanted: Predicate) -> str:
    """Where the keys of a list begin."""
    prefix = call.resource.objects.prefix
    return f"{prefix}{wanted.namespace}/" if wanted.namespace else prefix


def _first(entries: Iterator[Entry], count: int) -> list[Entry]:
    return [entry for entry, _ in zip(entries, range(count), strict=False)]


def _metadata(listing: Listing) -> dict[str, object]:
    metadata: dict[str, object] = {"resourceVersion": str(listing.revision)}
    if listing.token:
        metadata["continue"] = listing.token
    if listing.remaining is not None:
        metadata["remainingItemCount"] = listing.remaining
    return metadata


async def _plain(call: Call, listing: Listing) -> web.StreamResponse:
    kind = call.resource.kind
    metadata = orjson.dumps(_metadata(listing))
    head = b'{"kind":"%b","apiVersion":"%b","metadata":%b,"items":[' % (
        kind.list_kind.encode(),
        kind.api_version.encode(),
        metadata,
    )
    bodies = [entry.body for entry in listing.entries]
    if call.resource.converted:
        bodies = await _converted(call.resource, bodies)
    size = len(head) + sum(map(len, bodies)) + max(0, len(bodies) - 1) + len(b"]}\n")
    if size < _STREAM_FROM or call.form.protobuf or answers.pretty(call.http):
        return answers.raw(b"%b%b]}\n" % (head, b",".join(bodies)))
    return await answers.pieces(call.http, _joined(head, bodies), size)


async def _converted(resource: Resource, bodies: list[bytes]) -> list[bytes]:
    """Objects in the served version; others get their turn in between."""
    made: list[bytes] = []
    for start in range(0, len(bodies), _CONVERTED_AT_ONCE):
        made += (shapes.body(resource, body) for body in bodies[start : start + _CONVERTED_AT_ONCE])
        await asyncio.sleep(0)
    return made


def _joined(head: bytes, bodies: list[bytes]) -> Iterator[bytes]:
    yield head
    for index, body in enumerate(bodies):
        if index:
            yield b","
        yield body
    yield b"]}\n"


def _shaped(call: Call, listing: Listing) -> web.StreamResponse:
    kind, form = call.resource.kind, call.form
    objects = shapes.entries(call.resource, listing.entries)
    metadata = _metadata(listing)
    if form.table:
        wanted = shapes.include(call.query.get("includeObject", ""))
        body = shapes.table(call.resource, objects, metadata, form, wanted)
    elif form.partial:
        items = [shapes.partial(obj, form.version) for obj in objects]
        api = f"meta.k8s.io/{form.version}"
        body = {"kind": "PartialObjectMetadataList", "apiVersion": api, "metadata": metadata, "items": items}
    else:
        body = {"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": metadata, "items": list(objects)}
    return answers.json(body, media=form.media)
