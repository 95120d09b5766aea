"""Elements of associative lists (`x-kubernetes-list-type: map`), found by their keys (KEP-555, KEP-4008)."""

from collections.abc import Mapping
from typing import Any

import orjson

from tricenter.apimachinery.structural.defaulting import Schema


def identity(element: Any, schema: Schema) -> bytes | None:
    """What tells an element of a list from the others; None where nothing does."""
    if schema.get("x-kubernetes-list-type") != "map" or not isinstance(element, dict):
        return None
    return orjson.dumps([element.get(key) for key in schema.get("x-kubernetes-list-map-keys") or ()])


def indexed(elements: Any, schema: Schema) -> Mapping[bytes, Any]:
    """All elements by what they are known by: to look through them for each element of another list takes minutes."""
    found: dict[bytes, Any] = {}
    for element in elements if isinstance(elements, list) else ():
        if (key := identity(element, schema)) is not None:
            found.setdefault(key, element)
    return found
