"""/openapi/v2 and /openapi/v3: the schemas that `kubectl explain` and clients' validation read (KEP-2896)."""

from __future__ import annotations

import asyncio
import hashlib
from functools import cache

from aiohttp import web

from tricenter.apimachinery import openapi
from tricenter.apiserver import errors
from tricenter.apiserver.auth.user import User
from tricenter.apiserver.negotiation import JSON
from tricenter.apiserver.protobuf import openapi as protobuf
from tricenter.apiserver.rest import answers

_YEAR = 31_536_000
_WILDCARDS = ("*/*", "application/*", "application/json")
_PROTOBUF = (protobuf.MEDIA, protobuf.OLD_MEDIA)


class OpenApi:
    """Serves the documents; each is made once, in a thread, for that takes a while."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._tags: dict[bytes, str] = {}

    async def v2(self, http: web.BaseRequest, _: User) -> web.StreamResponse:
        """/openapi/v2."""
        media = _v2_media(http.headers.get("Accept", "*/*"))
        async with self._lock:
            document = await asyncio.to_thread(openapi.v2_bytes if media == JSON else _v2_protobuf)
        return await self._document(http, document, media)

    async def v3(self, http: web.BaseRequest, _: User) -> web.StreamResponse:
        """/openapi/v3 and /openapi/v3/GROUP-VERSION."""
        path = http.path.removeprefix("/openapi/v3").strip("/")
        async with self._lock:
            if not path:
                return answers.json(await asyncio.to_thread(openapi.v3_index))
            group, version = _group_version(path)
            try:
                document = await asyncio.to_thread(openapi.v3_bytes, group, version)
            except KeyError as error:
                raise errors.unknown_path() from error
        return await self._document(http, document)

    async def _document(self, http: web.BaseRequest, document: bytes, media: str = JSON) -> web.StreamResponse:
        """A document with its tag: clients keep what they have while the tag is the same."""
        tag = self._tags.get(document)
        if tag is None:
            tag = self._tags[document] = f'"{hashlib.sha512(document).hexdigest().upper()}"'
        if http.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        asked = http.query.get("hash", "")
        if asked and asked != tag.strip('"'):
            location = f"{http.path}?hash={tag.strip(chr(34))}"
            return web.Response(status=301, headers={"Location": location})
        headers = {"ETag": tag, "Content-Type": media, "Vary": "Accept"}
        headers["Cache-Control"] = f"public, immutable, max-age={_YEAR}" if asked else "no-cache, private"
        response = web.Response(body=document, headers=headers)
        if answers.accepts_gzip(http):
            response.enable_compression(web.ContentCoding.gzip)
        return response


@cache
def _v2_protobuf() -> bytes:
    """The version 2 document in protobuf, made once."""
    return protobuf.encode(openapi.v2())


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
