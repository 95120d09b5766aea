"""get and list: from the watch cache after a shared freshness check, or from etcd at an older revision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import orjson
from aiohttp import web

from tricenter.apiserver import errors
from tricenter.apiserver.cache.entry import Entry
from tricenter.apiserver.cache.freshness import Freshness
from tricenter.apiserver.cache.mirror import Mirror
from tricenter.apiserver.cache.predicate import Predicate
from tricenter.apiserver.negotiation import YAML
from tricenter.apiserver.rest import answers, continuing, selecting, shapes
from tricenter.apiserver.rest.call import Call
from tricenter.apiserver.storage.store import Page, Store

_ETCD_PAGE = 500
_STREAM_FROM = 512 * 1024
"""Lists from this size on are written in pieces."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The parameters of a list."""

    limit: int
    token: str
    version: str
    match: str


@dataclass(frozen=True)
class Listing:
    """Objects at a revision, and how to go on when there are more."""

    entries: list[Entry]
    revision: int
    token: str = ""
    remaining: int | None = None


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
            return answers.raw(shapes.body(call.resource, entry.body), media=call.form.media, warnings=call.warnings)
        wanted = shapes.include(call.query.get("includeObject", ""))
        obj = shapes.loaded(call.resource, entry.body)
        return answers.json(shapes.one(call.resource, obj, call.form, wanted), warnings=call.warnings)

    async def entry(self, call: Call, version: str = "") -> Entry:
        """The object that a request names. Raises NotFound."""
        await self._settle(version)
        entry = call.resource.objects.get(call.info.namespace, call.info.name)
        if entry is None:
            raise errors.not_found(call.target)
        return entry

    async def _settle(self, version: str) -> None:
        """Wait until the cache is as new as the parameter demands: empty is now, 0 is anything."""
        if version == "":
            await self._fresh.wait()
        elif version != "0":
            await self._mirror.wait(revision(version))

    async def list(self, call: Call) -> web.StreamResponse:
        """Objects by predicate."""
        wanted = selecting.predicate(call.resource, call.info.namespace, call.query)
        listing = await self.listing(call, wanted, _options(call))
        if call.form.kind or call.form.media == YAML:
            return _shaped(call, listing)
        return await _plain(call, listing)

    async def listing(self, call: Call, wanted: Predicate, options: Options | None = None) -> Listing:
        """The objects of a list request."""
        options = options or Options(limit=0, token="", version="", match="")
        prefix = call.resource.objects.prefix
        if options.token:
            start, at = continuing.decode(options.token, prefix)
            return await self._from_etcd(call, wanted, start, at, options.limit)
        if options.match == "Exact":
            return await self._from_etcd(call, wanted, "", revision(options.version), options.limit)
        await self._settle(options.version)
        return self._from_cache(call, wanted, 0 if options.version == "0" else options.limit)

    def _from_cache(self, call: Call, wanted: Predicate, limit: int) -> Listing:
        cache = call.resource.objects
        at = self._mirror.revision
        found = list(cache.select(wanted)) if not limit else _first(cache.select(wanted), limit + 1)
        if not limit or len(found) <= limit:
            return Listing(found, at)
        found.pop()
        last = found[-1].key
        remaining = len(cache.keys(wanted.namespace, after=last)) if wanted.everything else None
        return Listing(found, at, continuing.encode(cache.prefix, last, at), remaining)

    async def _from_etcd(self, call: Call, wanted: Predicate, start: str, at: int, limit: int) -> Listing:
        """A list at an older revision, page by page until there are enough matches."""
        cache = call.resource.objects
        prefix = f"{cache.prefix}{wanted.namespace}/" if wanted.namespace else cache.prefix
        found: list[Entry] = []
        while True:
            size = limit if limit and wanted.everything else _ETCD_PAGE
            page = await self._page(prefix, start, at, size)
            at = page.revision
            for index, (key, stored) in enumerate(page.items):
                entry = cache.entry(key, stored.value, stored.revision)
                if not wanted.matches(entry):
                    continue
                found.append(entry)
                left = len(page.items) - index - 1 + page.remaining
                if limit and len(found) == limit and left:
                    token = continuing.encode(cache.prefix, key, at)
                    return Listing(found, at, token, left if wanted.everything else None)
            if not page.more:
                return Listing(found, at)
            start = page.items[-1][0] + "\0"

    async def _page(self, prefix: str, start: str, at: int, limit: int) -> Page:
        try:
            return await self._store.page(prefix, start=start, revision=at, limit=limit)
        except errors.Expired as error:
            raise errors.Expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a new "
                "list without the continue parameter."
            ) from error


def _first(entries: Iterator[Entry], count: int) -> list[Entry]:
    return [entry for entry, _ in zip(entries, range(count), strict=False)]


def revision(text: str) -> int:
    """A resource version as a number. Raises BadRequest."""
    if not text.isascii() or not text.isdigit():
        raise errors.BadRequest(
            f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        )
    return int(text)


def _options(call: Call) -> Options:
    query = call.query
    limit = query.get("limit", "") or "0"
    if not limit.lstrip("-").isdigit():
        raise errors.BadRequest(f'limit: Invalid value: "{limit}"')
    options = Options(
        limit=max(0, int(limit)),
        token=query.get("continue", ""),
        version=query.get("resourceVersion", ""),
        match=query.get("resourceVersionMatch", ""),
    )
    if options.token and options.version not in ("", "0"):
        raise errors.BadRequest("specifying resource version is not allowed when using continue")
    if options.match:
        _check_match(options)
    return options


def _check_match(options: Options) -> None:
    if options.token:
        raise errors.BadRequest("resourceVersionMatch is forbidden when continue is provided")
    if not options.version:
        raise errors.BadRequest("resourceVersionMatch is forbidden unless resourceVersion is provided")
    if options.match not in ("Exact", "NotOlderThan"):
        raise errors.BadRequest('resourceVersionMatch: supported values: "Exact", "NotOlderThan"')
    if options.match == "Exact" and options.version == "0":
        raise errors.BadRequest('resourceVersionMatch "Exact" is forbidden for resourceVersion "0"')


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
        bodies = [shapes.body(call.resource, body) for body in bodies]
    size = len(head) + sum(map(len, bodies)) + max(0, len(bodies) - 1) + len(b"]}\n")
    if size < _STREAM_FROM:
        return answers.raw(b"%b%b]}\n" % (head, b",".join(bodies)), warnings=call.warnings)
    return await answers.pieces(call.http, _joined(head, bodies), size)


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
    return answers.json(body, media=form.media, warnings=call.warnings)
