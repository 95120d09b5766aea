"""From an object as JSON to the Kubernetes protobuf encoding: the reverse of `decode`, by the same table.

For clients that take nothing else; one that takes JSON as well gets JSON, which costs nothing here. The envelope is
apimachinery's pkg/runtime/serializer/protobuf, frames of a watch are its pkg/util/framer and metav1.WatchEvent.
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import struct
from collections.abc import Callable
from functools import cache
from typing import Any

import orjson

from tricenter.apimachinery import times, wire
from tricenter.apiserver.cache.watcher import Encode
from tricenter.apiserver.negotiation import PROTOBUF
from tricenter.apiserver.protobuf.decode import MAGIC, RAW, TYPE_META, message_name, table

WATCH_MEDIA = f"{PROTOBUF};stream=watch"

_RAW_OBJECT = 1
"""The field of a runtime.RawExtension."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_AT_ONCE = 50
"""Items of a list that are encoded before others get their turn."""


def built_in(version: str, kind: str) -> bool:
    """Whether objects of a kind can be written: of those that are not custom, nor of the apiextensions group."""
    return (message_name(version, kind) or "").startswith("k8s.io/api/")


async def encode(obj: dict[str, Any]) -> bytes | None:
    """An object or a list as the body of an answer; None for what has no such form."""
    name = _name(obj)
    if name is None:
        return None
    items = obj.get("items")
    if not isinstance(items, list):
        return _envelope(obj, _message(obj, name))
    number, kind = _numbers(name)["items"]
    parts = [_message({**obj, "items": None}, name)]
    for start in range(0, len(items), _AT_ONCE):
        parts += (_field(number, kind, [item]) for item in items[start : start + _AT_ONCE])
        await asyncio.sleep(0)
    return _envelope(obj, b"".join(parts))


def framed(events: Encode) -> Encode:
    """The encoding of watch events whose plain form is a line of JSON."""

    def encode_event(kind: str, body: bytes) -> bytes:
        event = orjson.loads(events(kind, body))
        obj = event["object"]
        raw = wire.encoded(_RAW_OBJECT, wire.BYTES, _envelope(obj, _message(obj, _name(obj) or "")))
        frame = wire.encoded(1, wire.BYTES, event["type"].encode()) + wire.encoded(2, wire.BYTES, raw)
        return struct.pack(">I", len(frame)) + frame

    return encode_event


def _name(obj: Any) -> str | None:
    if not isinstance(obj, dict):
        return None
    return message_name(str(obj.get("apiVersion", "")), str(obj.get("kind", "")))


def _envelope(obj: dict[str, Any], raw: bytes) -> bytes:
    named = (wire.encoded(number, wire.BYTES, obj[key].encode()) for number, key in ((1, "apiVersion"), (2, "kind")))
    type_meta = wire.encoded(TYPE_META, wire.BYTES, b"".join(named))
    return MAGIC + type_meta + wire.encoded(RAW, wire.BYTES, raw)


@cache
def _numbers(name: str) -> dict[str, tuple[int, str]]:
    """Name of a field → its number and type."""
    return {key: (int(number), kind) for number, (key, kind, _) in table()[name].items() if key}


@cache
def _inlined(name: str) -> list[tuple[int, str]]:
    """Messages whose fields stand, in JSON, among those of the message around them."""
    return [(int(number), kind) for number, (key, kind, _) in table()[name].items() if not key]


def _message(obj: dict[str, Any], name: str) -> bytes:
    known = _numbers(name)
    parts = [_field(*known[key], value) for key, value in obj.items() if key in known and value is not None]
    parts += (wire.encoded(number, wire.BYTES, _message(obj, kind)) for number, kind in _inlined(name))
    return b"".join(parts)


def _field(number: int, kind: str, value: Any) -> bytes:
    if kind.startswith("list:"):
        return b"".join(_single(number, kind[5:], item) for item in value)
    if kind.startswith("map:"):
        pairs = (_single(1, "string", key) + _single(2, kind[4:], item) for key, item in value.items())
        return b"".join(wire.encoded(number, wire.BYTES, pair) for pair in pairs)
    return _single(number, kind, value)


def _single(number: int, kind: str, value: Any) -> bytes:
    if kind in ("int", "bool"):
        return wire.encoded(number, wire.VARINT, wire.encoded_varint(int(value or 0)))
    if kind == "double":
        return wire.encoded(number, wire.FIXED64, struct.pack("<d", value))
    special = _SPECIAL.get(kind)
    if special is not None:
        return wire.encoded(number, wire.BYTES, special(value))
    return wire.encoded(number, wire.BYTES, _message(value or {}, kind))


def _time(value: str | None) -> bytes:
    if not value:
        return b""
    since = times.parse(value) - _EPOCH
    seconds = _single(1, "int", since.days * 86400 + since.seconds)
    return seconds + _single(2, "int", since.microseconds * 1000)


def _int_or_string(value: int | str) -> bytes:
    if isinstance(value, str):
        return _single(1, "int", 1) + _single(3, "string", value)
    return _single(1, "int", 0) + _single(2, "int", value)


_SPECIAL: dict[str, Callable[[Any], bytes]] = {
    "string": lambda value: (value or "").encode(),
    "bytes": lambda value: base64.b64decode(value or ""),
    "time": _time,
    "microtime": _time,
    "quantity": lambda value: _single(1, "string", str(value)),
    "intorstring": _int_or_string,
    "json": lambda value: wire.encoded(_RAW_OBJECT, wire.BYTES, orjson.dumps(value)),
    "items": lambda value: _field(1, "list:string", value or []),
}
