"""Fields that a structural schema does not specify: found, and dropped.

Upstream's apiextensions-apiserver pkg/apiserver/schema/pruning, and schema/objectmeta for metadata. `apiVersion`,
`kind` and `metadata` are there at the root and in embedded resources whatever the schema says.
"""

from collections.abc import Mapping
from typing import Any

from tricenter.apimachinery.schema import types, walk
from tricenter.apimachinery.structural.defaulting import Schema, child, properties

_TYPE_META = ("apiVersion", "kind")
_NOTHING: Schema = {}


def prune(obj: dict[str, Any], schema: Schema) -> list[str]:
    """Drop them, in place; the paths of what was dropped: `spec.containers[0].imge`."""
    return _Walk().run(obj, schema)


class _Walk:
    """One walk over an object; notes and drops what nothing specifies."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def run(self, obj: dict[str, Any], schema: Schema) -> list[str]:
        self._struct(obj, {**schema, "x-kubernetes-embedded-resource": True}, "")
        return self._found

    def _value(self, value: Any, schema: Schema, path: str) -> None:
        if isinstance(value, dict):
            self._struct(value, schema, path)
        elif isinstance(value, list):
            items = schema.get("items")
            kept = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
            for index, item in enumerate(value):
                if isinstance(items, Mapping):
                    # What a list preserves its elements preserve too.
                    preserving = {**items, "x-kubernetes-preserve-unknown-fields": True} if kept else items
                    self._value(item, preserving, f"{path}[{index}]")
                elif not kept:
                    self._value(item, _NOTHING, f"{path}[{index}]")

    def _struct(self, value: dict[str, Any], schema: Schema, path: str) -> None:
        embedded = bool(schema.get("x-kubernetes-embedded-resource"))
        for name in list(value):
            where = f"{path}.{name}" if path else name
            if embedded and name == "metadata":
                self._metadata(value[name], where)
            elif embedded and name in _TYPE_META:
                continue
            elif (field := child(schema, name)) is not None:
                self._value(value[name], field, where)
            elif _open(schema):
                continue
            else:
                self._unknown(value, name, where)

    def _metadata(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            return
        kind = types.of_definition(types.OBJECT_META)
        self._found += (f"{path}.{field}" for field in walk.prune(value, kind))

    def _unknown(self, value: dict[str, Any], name: str, path: str) -> None:
        self._found.append(path)
        del value[name]


def _open(schema: Schema) -> bool:
    """Whether fields that are not specified stay."""
    return bool(schema.get("x-kubernetes-preserve-unknown-fields")) or (
        schema.get("additionalProperties") is True and not properties(schema)
    )
