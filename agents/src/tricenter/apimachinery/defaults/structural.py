"""Defaults of custom resources: the `default` values of their structural schema."""

import copy
from collections.abc import Mapping
from typing import Any


def apply(value: Any, schema: Mapping[str, Any]) -> None:
    """Set every missing field that has a default, from the outside in, so that a default may bring more of them."""
    if isinstance(value, dict):
        for name, field in (schema.get("properties") or {}).items():
            if value.get(name) is None and "default" in field and not (name in value and field.get("nullable")):
                value[name] = copy.deepcopy(field["default"])
            if name in value:
                apply(value[name], field)
        extra = schema.get("additionalProperties")
        if isinstance(extra, Mapping):
            for name, child in value.items():
                if name not in (schema.get("properties") or {}):
                    apply(child, extra)
    elif isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        for child in value:
            apply(child, schema["items"])
