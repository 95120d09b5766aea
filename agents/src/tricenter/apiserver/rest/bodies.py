"""Request bodies: bounded reading and decoding from JSON or YAML."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import gzip
import zlib
from types import NoneType
from typing import Any

import orjson
from aiohttp import web

from tricenter.apimachinery.kinds import Kind
from tricenter.apiserver import errors
from tricenter.apiserver.negotiation import PROTOBUF
from tricenter.apiserver.protobuf import decode
from tricenter.apiserver.request import Request
from tricenter.apiserver.resources import Resource
from tricenter.apiserver.rest import unreadable, yamltext

JSON = "application/json"
YAML = "application/yaml"
STRATEGIC = "application/strategic-merge-patch+json"
_DEPTH = 200
"""Brackets from which on JSON is looked at: it may be nested deeper than can be written again (254)."""
_AT_ONCE = 32 * 1024
"""Bytes of YAML that are read without leaving the event loop, in some milliseconds."""
_READER = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="yaml")


async def read(http: web.BaseRequest, limit: int) -> bytes:
    """The body, noted for the audit log too. Raises TooLarge above `limit` bytes."""
    body = await _read(http, limit)
    if isinstance(http, Request):
        http.received = body
    return body


def received(http: web.BaseRequest) -> bytes:
    """The body, once it has been read."""
    return (http.received or b"") if isinstance(http, Request) else b""


async def _read(http: web.BaseRequest, limit: int) -> bytes:
    declared = http.content_length
    if declared is not None and declared > limit:
        raise _too_large(limit)
    chunks, size = [], 0
    while chunk := await http.content.readany():
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
    body = b"".join(chunks)
    if http.headers.get("Content-Encoding", "").lower() == "gzip" and body[:2] == b"\x1f\x8b":
        return _inflate(body, limit)
    return body


def _inflate(body: bytes, limit: int) -> bytes:
    try:
        plain = zlib.decompressobj(wbits=31).decompress(body, limit + 1)
    except (zlib.error, gzip.BadGzipFile) as error:
        raise errors.BadRequest(f"the body is not valid gzip: {error}") from error
    if len(plain) > limit:
        raise _too_large(limit)
    return plain


def _too_large(limit: int) -> errors.TooLarge:
    return errors.TooLarge(f"Request entity too large: limit is {limit}")


def media_type(http: web.BaseRequest) -> str:
    """Content-Type without parameters, lower case; JSON when there is none."""
    return http.headers.get("Content-Type", "application/json").partition(";")[0].strip().lower() or "application/json"


class Unreadable(errors.BadRequest):
    """Text that is neither JSON nor YAML."""


async def parse(
    body: bytes, media: str, repeated: list[str] | None = None, *, wanted: str, protobuf: bool = True
) -> Any:
    """Decode JSON, YAML or, where it is taken, Kubernetes protobuf.

    `wanted`: the kind that the body is to be of, empty for an apply. `repeated` takes what is said of members that YAML
    names twice. YAML takes a hundred times as long as JSON, so others go on while much of it is read, one text after
    the other. Raises BadRequest, UnsupportedMedia.
    """
    try:
        if media == YAML and len(body) > _AT_ONCE:
            return await asyncio.get_running_loop().run_in_executor(_READER, parse_now, body, media, repeated)
        return parse_now(body, media, repeated, protobuf=protobuf)
    except Unreadable as error:
        if not wanted:
            raise errors.BadRequest(f"error decoding patch: {error}") from error
        head = "couldn't get version/kind; json parse error: " if media == JSON else ""
        raise unreadable.body(body, wanted, f"{head}{error}") from error


def parse_now(body: bytes, media: str, repeated: list[str] | None = None, *, protobuf: bool = True) -> Any:
    """The same, however long it takes."""
    if media == JSON:
        return parse_json(body)
    if media == YAML:
        return _parse_yaml(body, [] if repeated is None else repeated)
    if media == PROTOBUF and protobuf:
        return decode.decode(body)
    raise unsupported(JSON, YAML, *([PROTOBUF] if protobuf else []))


def unsupported(*accepted: str) -> errors.UnsupportedMedia:
    """The answer to a body of another media type (apiserver endpoints/handlers/negotiation/errors.go)."""
    return errors.UnsupportedMedia(
        f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}"
    )


def parse_json(body: bytes) -> Any:
    """Decode JSON. Raises BadRequest with Go's words."""
    try:
        data = orjson.loads(body)
        if body.count(b"[") + body.count(b"{") > _DEPTH:
            # What is nested so deeply that it cannot be written cannot be stored.
            orjson.dumps(data)
    except orjson.JSONDecodeError as error:
        raise Unreadable(unreadable.why(body, str(error))) from error
    except orjson.JSONEncodeError as error:
        raise too_deep() from error
    return data


def too_deep() -> errors.BadRequest:
    """The answer to what is nested as no object is."""
    return errors.BadRequest("couldn't get version/kind; json parse error: exceeded max depth")


def _parse_yaml(body: bytes, repeated: list[str]) -> Any:
    if body.lstrip()[:1] == b"{":
        # Most of what comes as YAML is JSON; what is only nearly so is read as YAML below.
        with contextlib.suppress(orjson.JSONDecodeError):
            orjson.loads(body)
            return parse_json(body)
    try:
        data, twice = yamltext.load(body.decode())
    except ValueError as error:
        raise Unreadable(f"error converting YAML to JSON: {error}") from error
    repeated += twice
    return data


def as_object(data: Any, resource: Resource) -> dict[str, Any]:
    """An object of the resource's kind, with its type filled in. Raises BadRequest."""
    return of_kind(data, resource.kind)


def of_kind(data: Any, kind: Kind) -> dict[str, Any]:
    """An object of a kind, with its type filled in. Raises BadRequest."""
    if not isinstance(data, dict):
        raise errors.BadRequest("couldn't get version/kind; json parse error: the body is not an object")
    for member in ("apiVersion", "kind"):
        if not isinstance(data.get(member), (str, NoneType)):
            raise errors.BadRequest(f"couldn't get version/kind; json parse error: {member} is not a string")
    given = (data.get("apiVersion") or kind.api_version, data.get("kind") or kind.kind)
    if given != (kind.api_version, kind.kind):
        text = (
            f'{data.get("kind")} in version "{data.get("apiVersion")}" cannot be handled as a {kind.kind}: '
            f"the API version in the data ({given[0]}, Kind={given[1]}) does not match the expected API version "
            f"({kind.api_version}, Kind={kind.kind})"
        )
        raise errors.BadRequest(text)
    data["apiVersion"], data["kind"] = given
    metadata = data.setdefault("metadata", {})
    if metadata is None:
        data["metadata"] = {}
    elif not isinstance(metadata, dict):
        raise errors.BadRequest(
            f'{kind.kind} in version "{kind.api_version}" cannot be handled: metadata is not an object'
        )
    return data
