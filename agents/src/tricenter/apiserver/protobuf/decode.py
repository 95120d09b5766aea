"""From the Kubernetes protobuf encoding to the object that the same request in JSON would hold.

A body is the magic `k8s\\0` and a runtime.Unknown whose `raw` is the message of the kind it names. Plain fields travel
even when they are zero; in JSON they would be left out, so zeros of all but pointers are dropped.
"""

from __future__ import annotations

import base64
import datetime as dt
from functools import cache
from importlib import resources
from typing import Any

import orjson

from tricenter.apimachinery import times, wire
from tricenter.apiserver import errors

MAGIC = b"k8s\0"
_META = "k8s.io/apimachinery/pkg/apis/meta/v1"
_DEPTH = 60
TYPE_META, RAW, _ENCODING = 1, 2, 3

Fields = dict[str, tuple[str, str, int]]


@cache
def table() -> dict[str, Fields]:
    """Messages by name: number of each field → its name in JSON, its type, whether its zero is kept."""
    text = resources.files("tricenter.apiserver.protobuf").joinpath("fields.json").read_bytes()
    table: dict[str, Fields] = orjson.loads(text)
    return table


def decode(body: bytes) -> dict[str, Any]:
    """The object in a request body. Raises BadRequest, UnsupportedMedia."""
    if not body.startswith(MAGIC):
        raise errors.BadRequest("the body does not begin as Kubernetes protobuf does")
    try:
        return _unknown(body[len(MAGIC) :])
    except (wire.WireError, ValueError, AttributeError, TypeError, OverflowError, OSError) as error:
        # ValueError: text that is no UTF-8 or JSON, a year beyond 9999; OSError: a time that the C library has not.
        raise errors.BadRequest(f"the body is not valid Kubernetes protobuf: {error}") from error


def _unknown(data: bytes) -> dict[str, Any]:
    parts = {number: value for number, _, value in wire.fields(data)}
    type_meta, raw = parts.get(TYPE_META, b""), parts.get(RAW, b"")
    if not isinstance(type_meta, bytes) or not isinstance(raw, bytes) or parts.get(_ENCODING):
        raise wire.WireError("unexpected envelope")
    named = {number: bytes(value).decode() for number, _, value in wire.fields(type_meta) if isinstance(value, bytes)}
    version, kind = named.get(1, ""), named.get(2, "")
    message = message_name(version, kind)
    if message is None:
        raise errors.UnsupportedMedia(f"{kind} in version {version} cannot be read as protobuf, send JSON")
    return {"apiVersion": version, "kind": kind, **_message(raw, message, 0)}


def message_name(version: str, kind: str) -> str | None:
    """The message of a kind; None where there is none, as for what is custom."""
    group, _, short = version.rpartition("/")
    known = "." not in group or group.endswith(".k8s.io")
    package = (group.partition(".")[0] if known else "") if group else "core"
    for name in (f"k8s.io/api/{package}/{short}.{kind}", f"{_META}.{kind}"):
        if name in table():
            return name
    return None


def _message(data: bytes, name: str, depth: int) -> dict[str, Any]:
    if depth > _DEPTH:
        raise wire.WireError("nested too deeply")
    known = table()[name]
    obj: dict[str, Any] = {}
    for number, _, raw in wire.fields(data):
        field = known.get(str(number))
        if field is None:
            continue
        key, kind, keep = field
        if kind.startswith("list:"):
            obj.setdefault(key, []).append(_value(raw, kind[5:], depth))
        elif kind.startswith("map:"):
            entry = {number: value for number, _, value in wire.fields(_bytes(raw))}
            obj.setdefault(key, {})[_bytes(entry.get(1, b"")).decode()] = _value(entry.get(2), kind[4:], depth)
        else:
            value = _value(raw, kind, depth)
            if not key and isinstance(value, dict):
                obj.update(value)
            elif value is not None and (keep or value not in ("", 0, False, {}, [])):
                obj[key] = value
    return obj


def _value(raw: int | bytes | None, kind: str, depth: int) -> Any:
    if kind in ("int", "bool"):
        number = wire.signed(raw) if isinstance(raw, int) else 0
        return bool(number) if kind == "bool" else number
    if kind == "double":
        return wire.double(_bytes(raw))
    data = _bytes(raw)
    special = _SPECIAL.get(kind)
    return special(data) if special is not None else _message(data, kind, depth + 1)


def _bytes(raw: int | bytes | None) -> bytes:
    if raw is None:
        return b""
    if isinstance(raw, int):
        raise wire.WireError("a number where bytes are expected")
    return raw


def _numbers(data: bytes) -> dict[int, Any]:
    return {number: value for number, _, value in wire.fields(data)}


def _time(data: bytes) -> str | None:
    moment = _moment(data)
    return None if moment is None else times.rfc3339(moment)


def _micro_time(data: bytes) -> str | None:
    moment = _moment(data)
    return None if moment is None else times.rfc3339_micro(moment)


def _moment(data: bytes) -> dt.datetime | None:
    """A time; none for Go's zero time, which is before the first year we could write."""
    parts = _numbers(data)
    seconds = wire.signed(parts.get(1, 0))
    if not parts or seconds <= -62135596800:
        return None
    return dt.datetime.fromtimestamp(seconds, dt.UTC) + dt.timedelta(microseconds=wire.signed(parts.get(2, 0)) // 1000)


def _quantity(data: bytes) -> str:
    return _bytes(_numbers(data).get(1)).decode()


def _int_or_string(data: bytes) -> int | str:
    parts = _numbers(data)
    return _bytes(parts.get(3)).decode() if parts.get(1) else wire.signed(parts.get(2, 0))


def _json(data: bytes) -> Any:
    raw = _bytes(_numbers(data).get(1))
    return orjson.loads(raw) if raw else None


def _items(data: bytes) -> list[str]:
    return [_bytes(value).decode() for number, _, value in wire.fields(data) if number == 1]


_SPECIAL = {
    "string": lambda data: data.decode(),
    "bytes": lambda data: base64.b64encode(data).decode(),
    "time": _time,
    "microtime": _micro_time,
    "quantity": _quantity,
    "intorstring": _int_or_string,
    "json": _json,
    "items": _items,
}
