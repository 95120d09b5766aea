"""Defaults of custom resources: the `default` values of their structural schema, and what becomes of nulls.

Upstream's apiextensions-apiserver pkg/apiserver/schema/defaulting.
"""

import copy
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]


def apply(value: Any, schema: Schema) -> None:
    """Set what has a default and is missing, then drop nulls that nothing allows; in place."""
    _default(value, schema)
    _drop_nulls(value, schema)


def _default(value: Any, schema: Schema) -> None:
    """From the outside in, so that a default may bring more fields that have defaults."""
    if isinstance(value, dict):
        for name, field in properties(schema).items():
            if "default" in field and (name not in value or _refused_null(value[name], field)):
                value[name] = copy.deepcopy(field["default"])
        for name in value:
            known = child(schema, name)
            if known is not None:
                value[name] = _filled(value[name], known)
                _default(value[name], known)
    elif isinstance(value, list):
        items = schema.get("items")
        if isinstance(items, Mapping):
            for index, item in enumerate(value):
                value[index] = _filled(item, items)
                _default(value[index], items)


def _filled(value: Any, schema: Schema) -> Any:
    return copy.deepcopy(schema.get("default")) if _refused_null(value, schema) else value


def _drop_nulls(value: Any, schema: Schema) -> None:
    """A null in a field that is not nullable is as if it was not there; in a list it stays and is refused later."""
    if isinstance(value, dict):
        for name in list(value):
            field = child(schema, name)
            if field is None:
                continue
            if _refused_null(value[name], field) and field.get("default") is None:
                del value[name]
            else:
                _drop_nulls(value[name], field)
    elif isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        for item in value:
            _drop_nulls(item, schema["items"])


def _refused_null(value: Any, schema: Schema) -> bool:
    return value is None and not schema.get("nullable")


def properties(schema: Schema) -> Mapping[str, Schema]:
    """The named fields of a schema."""
    return schema.get("properties") or {}


def child(schema: Schema, name: str) -> Schema | None:
    """The schema of a field or of a map's value; None where nothing is said."""
    found = properties(schema).get(name)
    if found is None:
        extra = schema.get("additionalProperties")
        found = extra if isinstance(extra, Mapping) else None
    return found
