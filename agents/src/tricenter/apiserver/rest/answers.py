"""Writing answers: whole bodies, long bodies in pieces, warnings, compression and Status objects."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import yaml
from aiohttp import web

from tricenter.apiserver import errors
from tricenter.apiserver.negotiation import JSON, PROTOBUF, YAML
from tricenter.apiserver.protobuf import encode
from tricenter.apiserver.requestinfo import truth

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_YAML_UP_TO = 64 * 1024
"""Bytes of JSON that are written again as YAML in blocks; JSON is YAML too, so more is sent as it is."""
_PIECE = 256 * 1024


_WARNING, _WARNED = 256, 4096
"""Characters of a warning, and of all of them, where they are more than that."""
_WARNINGS = 100
"""Most warnings of an answer: clients in Python take no more than 128 headers."""


def header_warnings(warnings: Sequence[str]) -> list[str]:
    """The Warning headers of an answer; clients refuse heads without end (endpoints/filters/warning.go)."""
    texts = list(dict.fromkeys(warnings))
    if sum(map(len, texts)) > _WARNED:
        texts, room = [text[:_WARNING] for text in texts], _WARNED
        for count, text in enumerate(texts):
            room -= len(text)
            if room < 0:
                del texts[count:]
                break
    return [f'299 - "{_quoted(text)}"' for text in texts[:_WARNINGS]]


def _quoted(text: str) -> str:
    plain = "".join(char if char.isprintable() else " " for char in text)
    return plain.replace("\\", "\\\\").replace('"', '\\"')


def raw(body: bytes, *, code: int = 200, media: str = JSON) -> web.Response:
    """Encoded JSON as an answer, re-encoded when YAML is asked for."""
    if media == YAML and len(body) <= _YAML_UP_TO:
        body = yaml.dump(orjson.loads(body), Dumper=_DUMPER, sort_keys=False, allow_unicode=True).encode()
    headers = {"Content-Type": media, "Cache-Control": "no-cache, private"}
    return web.Response(body=body, status=code, headers=headers)


def json(obj: Any, *, code: int = 200, media: str = JSON) -> web.Response:
    """An object as an answer."""
    return raw(orjson.dumps(obj), code=code, media=media)


def status(error: errors.StatusError) -> web.Response:
    """An error as an answer."""
    response = json(error.status(), code=error.code)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def success(details: dict[str, Any]) -> dict[str, Any]:
    """A Status that says that all went well."""
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


async def pieces(http: web.BaseRequest, parts: Iterable[bytes], size: int) -> web.StreamResponse:
    """A long body, written in pieces, compressed for who takes that: memory stays flat and others get their turn."""
    response = web.StreamResponse(headers={"Content-Type": JSON, "Cache-Control": "no-cache, private"})
    squeeze = zlib.compressobj(1, wbits=31) if accepts_gzip(http) else None
    if squeeze is None:
        response.content_length = size
    else:
        response.headers["Content-Encoding"] = "gzip"
    await response.prepare(http)
    buffer, length = [], 0
    for part in parts:
        buffer.append(part)
        length += len(part)
        if length >= _PIECE:
            await _write(response, b"".join(buffer), squeeze)
            buffer, length = [], 0
    await _write(response, b"".join(buffer), squeeze)
    if squeeze is not None:
        await response.write(squeeze.flush())
    await response.write_eof()
    return response


async def _write(response: web.StreamResponse, data: bytes, squeeze: Any) -> None:
    if squeeze is not None:
        # zlib works without the interpreter's lock: other requests are answered meanwhile.
        data = await asyncio.to_thread(squeeze.compress, data)
    if data:
        await response.write(data)


_PEOPLE = ("curl", "Wget", "Mozilla/5.0")


def pretty(http: web.BaseRequest) -> bool:
    """Whether a person reads the answer: the parameter says so, else the client's name (isPrettyPrint upstream)."""
    said = http.query.get("pretty")
    return truth(said) if said else http.headers.get("User-Agent", "").startswith(_PEOPLE)


def indented(response: web.StreamResponse) -> web.StreamResponse:
    """An answer of JSON, with line breaks."""
    if not isinstance(response, web.Response) or response.content_type != JSON or not response.body:
        return response
    body = response.body
    if isinstance(body, bytes) and body[:1] in b"{[":
        response.body = orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2) + b"\n"
    return response


async def in_protobuf(response: web.StreamResponse) -> web.StreamResponse:
    """An answer of JSON, in protobuf where its kind has such a form."""
    if isinstance(response, web.Response) and response.content_type == JSON and isinstance(response.body, bytes):
        body = await encode.encode(orjson.loads(response.body))
        if body is not None:
            response.headers["Content-Type"], response.body = PROTOBUF, body
    return response


def accepts_gzip(http: web.BaseRequest) -> bool:
    """Whether the client takes gzip."""
    return "gzip" in http.headers.get("Accept-Encoding", "").lower()
