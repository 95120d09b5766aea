"""What Go's types say of a kind and its OpenAPI definition does not, taken from the types.go files of release 1.33."""

from functools import cache
from importlib import resources
from typing import Any

import orjson


@cache
def _facts() -> dict[str, dict[str, Any]]:
    facts: dict[str, dict[str, Any]] = orjson.loads(resources.files(__package__).joinpath("golang.json").read_bytes())
    return facts


def present(definition: str) -> frozenset[str]:
    """Fields of a struct that it always has, empty when nobody set them: structs that are no pointers, and lists that
    are written even when they are null."""
    return frozenset(_facts()["present"].get(definition, ()))


def named(definition: str) -> dict[str, str]:
    """The types of a struct's fields that have a name of their own where OpenAPI says string, array or object."""
    found: dict[str, str] = _facts()["named"].get(definition, {})
    return found


def shown(value: Any) -> str:
    """A value as Go's %v prints it."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{shown(item)}' for key, item in sorted(value.items()))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(shown, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return "<nil>" if value is None else str(value)
