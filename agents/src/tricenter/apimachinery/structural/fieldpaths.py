"""Paths of fields as definitions write them, `.spec.color` or `.spec['my key']`, looked up in a schema.

ValidFieldPath of upstream's apiextensions-apiserver pkg/apiserver/schema/cel/validation.go.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tricenter.apimachinery.structural.defaulting import Schema

_STEP = re.compile(r"\.(?P<name>[^.\[\]]+)|\['(?P<key>(?:[^'\\]|\\.)*)'\]")
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Found:
    """The schema of a field, and its path as errors write it: `.spec.labels[a]`."""

    schema: Schema
    path: str


def resolve(schema: Schema, text: str, *, brackets: bool = True) -> Found | str:
    """The field at a path, or why there is none."""
    position, path = 0, ""
    while position < len(text):
        if text[position] == "[" and not brackets:
            return "array notation is not allowed"
        step = _STEP.match(text, position)
        if step is None:
            return f"expected [ or . but got: {text[position:]}"
        name = step["name"] if step["name"] is not None else _ESCAPE.sub(r"\1", step["key"])
        fields, extra = schema.get("properties"), schema.get("additionalProperties")
        found = (fields or {}).get(name) if fields else extra
        if not isinstance(found, Mapping):
            return "does not refer to a valid field"
        path += f".{name}" if fields else f"[{name}]"
        schema, position = found, step.end()
    return Found(schema, path)
