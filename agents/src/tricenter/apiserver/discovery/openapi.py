"""/openapi/v2 and /openapi/v3: the schemas that `kubectl explain` and clients' validation read (KEP-2896)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, partial

import orjson
from aiohttp import web

from tricenter.apimachinery import openapi
from tricenter.apimachinery.kinds import Kind
from tricenter.apiserver import errors
from tricenter.apiserver.aggregation.apiservices import ApiServices
from tricenter.apiserver.auth.user import User
from tricenter.apiserver.negotiation import JSON
from tricenter.apiserver.protobuf import openapi as protobuf
from tricenter.apiserver.resources import Resources
from tricenter.apiserver.rest import answers

_YEAR = 31_536_000
_WILDCARDS = ("*/*", "application/*", "application/json")
_PROTOBUF = (protobuf.MEDIA, protobuf.OLD_MEDIA)


@dataclass(frozen=True)
class Document:
    """A document and its tag: clients keep what they have while the tag is the same."""

    body: bytes
    media: str

    @cached_property
    def tag(self) -> str:
        """The value of `ETag`."""
        return f'"{hashlib.sha512(self.body).hexdigest().upper()}"'


class OpenApi:
    """Serves the documents; each is made once for what is served, in a thread, for that takes a while."""

    def __init__(
        self,
        resources: Resources,
        services: ApiServices,
        current: Callable[[], Awaitable[None]],
        elsewhere: Mapping[str, str],
    ) -> None:
        self._resources = resources
        self._services = services
        self._current = current
        """Waits until what is established is served: clients ask for its schema next."""
        self._elsewhere = elsewhere
        """Where the documents of extension servers are, by the name of their APIService."""
        self._lock = asyncio.Lock()
        self._generation = -1
        self._made: dict[str, Document] = {}

    async def v2(self, http: web.BaseRequest, _: User) -> web.StreamResponse:
        """/openapi/v2."""
        media = _v2_media(http.headers.get("Accept", "*/*"))
        make = openapi.v2_bytes if media == JSON else _v2_protobuf
        await self._current()
        return _answer(http, await self._document(media, make, media))

    async def v3(self, http: web.BaseRequest, _: User) -> web.StreamResponse:
        """/openapi/v3 and /openapi/v3/GROUP-VERSION."""
        await self._current()
        path = http.path.removeprefix("/openapi/v3").strip("/")
        if path:
            return _answer(http, await self._v3(*_group_version(path)))
        index = await asyncio.to_thread(openapi.v3_index)
        entries = dict(index["paths"])
        for group, version in self._custom():
            document = await self._document(f"{group}/{version}", partial(_v3_custom, group, version))
            entries[f"apis/{group}/{version}"] = openapi.v3_entry(group, version, document.body)
        for service in self._services.remote().values():
            if service.name in self._elsewhere:
                entries[service.path.strip("/")] = {"serverRelativeURL": self._elsewhere[service.name]}
        return answers.json({**index, "paths": entries})

    def _custom(self) -> dict[tuple[str, str], None]:
        """Groups and versions of custom resources, in order."""
        return dict.fromkeys((kind.group, kind.version) for kind in self._resources.custom())

    async def _v3(self, group: str, version: str) -> Document:
        """Raises NotFound."""
        if (group, version) in self._custom():
            return await self._document(f"{group}/{version}", partial(_v3_custom, group, version))
        try:
            return Document(await asyncio.to_thread(openapi.v3_bytes, group, version), JSON)
        except KeyError as error:
            raise errors.unknown_path() from error

    async def _document(self, name: str, make: Callable[[list[Kind]], bytes], media: str = JSON) -> Document:
        """A document that depends on what custom resources there are, made of those that there are in its turn."""
        async with self._lock:
            if self._generation != self._resources.generation:
                self._generation = self._resources.generation
                self._made.clear()
            found = self._made.get(name)
            if found is None:
                kinds = self._resources.custom()
                found = self._made[name] = Document(await asyncio.to_thread(make, kinds), media)
            return found


def _answer(http: web.BaseRequest, document: Document) -> web.StreamResponse:
    tag = document.tag
    if http.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers={"ETag": tag})
    asked = http.query.get("hash", "")
    if asked and asked != tag.strip('"'):
        location = f"{http.path}?hash={tag.strip(chr(34))}"
        return web.Response(status=301, headers={"Location": location})
    headers = {"ETag": tag, "Content-Type": document.media, "Vary": "Accept"}
    headers["Cache-Control"] = f"public, immutable, max-age={_YEAR}" if asked else "no-cache, private"
    response = web.Response(body=document.body, headers=headers)
    if answers.accepts_gzip(http):
        response.enable_compression(web.ContentCoding.gzip)
    return response


def _v3_custom(group: str, version: str, kinds: list[Kind]) -> bytes:
    wanted = [kind for kind in kinds if (kind.group, kind.version) == (group, version)]
    return orjson.dumps(openapi.v3_document(wanted))


@cache
def _built_in_protobuf() -> bytes:
    """The built-in part of the version 2 document in protobuf, made once."""
    return protobuf.encode(openapi.v2())


def _v2_protobuf(kinds: list[Kind]) -> bytes:
    """Protobuf merges what is there twice, so what custom resources add is put behind the rest."""
    return _built_in_protobuf() + protobuf.encode(openapi.v2_custom(kinds))


def _v2_media(accept: str) -> str:
    """The first accepted form that we have. Raises NotAcceptable."""
    for clause in accept.split(","):
        media = clause.partition(";")[0].strip().lower()
        if media in _WILDCARDS:
            return JSON
        if media in _PROTOBUF:
            return protobuf.MEDIA
    raise errors.NotAcceptable(f"only the following media types are accepted: {JSON}, {protobuf.MEDIA}")


def _group_version(path: str) -> tuple[str, str]:
    """Group and version of `api/v1` or `apis/apps/v1`. Raises NotFound."""
    parts = path.split("/")
    if parts[0] == "api" and len(parts) == 2:
        return "", parts[1]
    if parts[0] == "apis" and len(parts) == 3:
        return parts[1], parts[2]
    raise errors.unknown_path()
