"""OpenAPI version 2 documents in protobuf, the form in which client-go asks for them.

kubectl reads it for its own validation, for `apply` of what is not built in and for `explain`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import orjson

from tricenter.apimachinery import wire
from tricenter.apiserver.protobuf.openapi_fields import MESSAGES, PARAMETERS

MEDIA = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
OLD_MEDIA = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
"""The name that clients ask for; it is answered under the one above, for `@` is not allowed in a media type."""

_NAME, _VALUE, _YAML = 1, 2, 2
_BODY_PARAMETER, _OTHER_PARAMETER = 1, 2
_BASIC, _API_KEY = 1, 2

_Wire = tuple[int, bytes]


def encode(document: dict[str, Any]) -> bytes:
    """The document, whose keys are OpenAPI's, as a gnostic `openapi.v2.Document`."""
    return _message(document, "Document")


def _message(obj: dict[str, Any], name: str) -> bytes:
    known = MESSAGES[name]
    parts = [_field(known[key], value) for key, value in obj.items() if key in known]
    extensions = {key: value for key, value in obj.items() if key.startswith("x-")}
    if extensions:
        parts.append(_field(known["x-"], extensions))
    return b"".join(parts)


def _field(field: tuple[int, str], value: Any) -> bytes:
    number, kind = field
    outer, _, inner = kind.partition(":")
    if outer == "list":
        values = value if isinstance(value, list) else [value]
        return b"".join(_repeated(number, inner, item) for item in values)
    if outer == "map":
        pairs = (_field((_NAME, "string"), key) + _repeated(_VALUE, inner, item) for key, item in value.items())
        return b"".join(wire.encoded(number, wire.BYTES, pair) for pair in pairs)
    # In proto3 a field without a value is one that is zero.
    return b"" if value in ("", 0, False, None) else _repeated(number, kind, value)


def _repeated(number: int, kind: str, value: Any) -> bytes:
    """A field that is written even when it is zero, as the items of a list are."""
    return wire.encoded(number, *_value(kind, value))


def _value(kind: str, value: Any) -> _Wire:
    plain = _PLAIN.get(kind)
    if plain is not None:
        return plain(value)
    if kind.startswith("in:"):
        _, number, inner = kind.split(":", 2)
        return wire.BYTES, _field((int(number), inner), value)
    return wire.BYTES, _message(value, kind)


def _number(value: int) -> _Wire:
    return wire.VARINT, wire.encoded_varint(int(value))


def _double(value: float) -> _Wire:
    return wire.FIXED64, struct.pack("<d", value)


def _string(value: str) -> _Wire:
    return wire.BYTES, value.encode()


def _any(value: Any) -> _Wire:
    """Any value as YAML, of which JSON is a part."""
    return wire.BYTES, wire.encoded(_YAML, wire.BYTES, orjson.dumps(value))


def _additional(value: bool | dict[str, Any]) -> _Wire:
    if isinstance(value, bool):
        return wire.BYTES, _repeated(2, "bool", value)
    return wire.BYTES, _repeated(1, "Schema", value)


def _parameter(value: dict[str, Any]) -> _Wire:
    place = value["in"]
    if place == "body":
        return wire.BYTES, _repeated(_BODY_PARAMETER, "BodyParameter", value)
    name = f"{place[0].upper()}{place[1:]}Parameter"
    return wire.BYTES, _repeated(_OTHER_PARAMETER, f"in:{PARAMETERS[place]}:{name}", value)


def _security(value: dict[str, Any]) -> _Wire:
    if value["type"] == "basic":
        return wire.BYTES, _repeated(_BASIC, "BasicSecurity", value)
    return wire.BYTES, _repeated(_API_KEY, "ApiKeySecurity", value)


_PLAIN: dict[str, Callable[[Any], _Wire]] = {
    "string": _string,
    "bool": _number,
    "int": _number,
    "double": _double,
    "any": _any,
    "additional": _additional,
    "parameter": _parameter,
    "security": _security,
}
