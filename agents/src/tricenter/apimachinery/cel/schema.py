"""Values and types of custom resources as rules see them: typed by their structural schema (KEP-2876).

A rule on an object sees its declared fields under escaped names; formats become CEL's own types
(k8s.io/apiserver/pkg/cel/common: SchemaDeclType, UnstructuredToVal).
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf import duration_pb2, timestamp_pb2

from tricenter.apimachinery import times
from tricenter.apimachinery.cel import names
from tricenter.apimachinery.cel.values import native

Schema = Mapping[str, Any]

_FORMATS = {"date": "timestamp", "date-time": "timestamp", "duration": "duration", "byte": "bytes"}
_TYPES = {"integer": "int", "number": "double", "boolean": "bool"}
_UNITS = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "µs": 10**3, "ns": 1}
_LONGEST = 128
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ms|us|µs|ns|h|m|s)")
_METADATA: Schema = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "generateName": {"type": "string"}},
}
_RESOURCE: Schema = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": _METADATA}


def declared(schema: Schema) -> str:
    """The CEL type of a variable whose values a schema describes."""
    if schema.get("nullable") or schema.get("x-kubernetes-int-or-string"):
        return "dyn"
    kind = schema.get("type")
    if kind == "string":
        return _FORMATS.get(schema.get("format", ""), "string")
    if kind == "array":
        return f"list({declared(schema.get('items') or {})})"
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"map(string, {declared(schema['additionalProperties'])})"
    return _TYPES.get(str(kind), "dyn")


def bind(value: Any, schema: Schema, *, resource: bool = False) -> Any:
    """A JSON value as expressions see it; `resource` for a whole object, whose name and kind can always be seen."""
    if isinstance(value, dict):
        return _object(value, schema, resource=resource or bool(schema.get("x-kubernetes-embedded-resource")))
    if isinstance(value, list):
        items = schema.get("items") or {}
        return [bind(item, items) for item in value]
    if isinstance(value, str):
        return _text(value, schema)
    if isinstance(value, int) and not isinstance(value, bool) and schema.get("type") == "number":
        return float(value)
    return value


def _object(value: dict[str, Any], schema: Schema, *, resource: bool) -> dict[str, Any]:
    additional = schema.get("additionalProperties")
    if isinstance(additional, Mapping):
        return {key: bind(item, additional) for key, item in value.items()}
    properties = schema.get("properties") or {}
    if resource:
        properties = {**properties, **_RESOURCE}
    found = {}
    for key, item in value.items():
        name = names.escape(key)
        if name is not None and key in properties:
            found[name] = bind(item, properties[key])
    return found


def _text(text: str, schema: Schema) -> Any:
    """A string, or what its format makes of it; what does not fit its format is for the schema to refuse."""
    convert = _CONVERSIONS.get(schema.get("format", "")) if schema.get("type") == "string" else None
    if convert is None:
        return text
    try:
        return convert(text)
    except (ValueError, binascii.Error):
        return text


def _timestamp(text: str) -> timestamp_pb2.Timestamp:
    made: timestamp_pb2.Timestamp = native(times.parse(text))
    return made


def _date(text: str) -> timestamp_pb2.Timestamp:
    made: timestamp_pb2.Timestamp = native(dt.datetime.combine(dt.date.fromisoformat(text), dt.time(), dt.UTC))
    return made


def _duration(text: str) -> duration_pb2.Duration:
    """Go's time.ParseDuration. What is long is none: hundreds of digits are more than a float can hold."""
    if len(text) > _LONGEST:
        raise ValueError("time: invalid duration")
    sign, body = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    parts = _PART.findall(body)
    if body != "0" and (not parts or "".join(number + unit for number, unit in parts) != body):
        raise ValueError(f"time: invalid duration {text}")
    nanos = sign * sum(round(float(number) * _UNITS[unit]) for number, unit in parts)
    length = duration_pb2.Duration()
    length.FromNanoseconds(nanos)
    return length


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


_CONVERSIONS: dict[str, Callable[[str], Any]] = {
    "date-time": _timestamp,
    "date": _date,
    "duration": _duration,
    "byte": _bytes,
}
