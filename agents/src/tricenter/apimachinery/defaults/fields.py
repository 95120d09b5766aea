"""Small helpers for setting what is not set.

A field counts as unset when it is missing or an empty string, as it does in Go's decoded structs.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Object = dict[str, Any]


def put(obj: Object, key: str, value: Any) -> None:
    """Set a field unless it is set."""
    if obj.get(key) in (None, ""):
        obj[key] = value


def put_all(obj: Object, values: Mapping[str, Any]) -> None:
    """Set several fields unless they are set. Values must be immutable."""
    for key, value in values.items():
        if obj.get(key) in (None, ""):
            obj[key] = value


def section(obj: Object, key: str) -> Object:
    """A sub-object, made when missing."""
    found: Object = obj.setdefault(key, {})
    return found


def optional(obj: Object, *path: str) -> Object | None:
    """A sub-object if it is there."""
    found: Any = obj
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


def each(obj: Object | None, key: str) -> Sequence[Object]:
    """The objects of a list that may be missing."""
    found = obj.get(key) if obj else None
    return [item for item in found if isinstance(item, dict)] if found else ()
