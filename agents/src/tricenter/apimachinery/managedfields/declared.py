"""Whether a value is what its type says: what nobody can own must not be applied.

The checks and words of sigs.k8s.io/structured-merge-diff typed/validate.go, which refuses an apply whatever the
request says of field validation.
"""

from collections.abc import Iterator
from typing import Any

from tricenter.apimachinery.managedfields import fieldset, typed
from tricenter.apimachinery.managedfields.typed import TypedError
from tricenter.apimachinery.schema import golang
from tricenter.apimachinery.schema.types import Shape, Type

_TYPES = {bool: "bool", int: "int64", float: "float64", str: "string", list: "[]interface {}",
          dict: "map[string]interface {}"}  # fmt: skip


def check(value: dict[str, Any], kind: Type) -> None:
    """Raises TypedError that names every place where `value` is not as `kind` says."""
    found = [f"{path}: {why}" if path else why for path, why in _walk(value, kind, "")]
    if len(found) == 1:
        raise TypedError(found[0])
    if found:
        raise TypedError("\n".join(["errors:", *(f"  {problem}" for problem in found)]))


_Found = Iterator[tuple[str, str]]


def _walk(value: Any, kind: Type, path: str) -> _Found:
    if value is None or kind.shape is Shape.ANY:
        return
    if kind.shape is Shape.SCALAR:
        if why := _scalar(value, kind.name):
            yield path, why
    elif kind.shape is Shape.LIST:
        if isinstance(value, list):
            yield from _items(value, kind, path)
        else:
            yield path, f"expected list, got &{{{golang.shown(value)}}}"
    elif not isinstance(value, dict):
        yield path, f"expected map, got &{{{golang.shown(value)}}}"
    else:
        yield from _members(value, kind, path)


def _members(value: dict[str, Any], kind: Type, path: str) -> _Found:
    for key, item in value.items():
        where = f"{path}.{key}"
        field = kind.fields.get(key) if kind.shape is Shape.STRUCT else kind.element
        if field is not None:
            yield from _walk(item, field, where)
        elif kind.fields and not kind.open:
            yield where, "field not declared in schema"


def _items(value: list[Any], kind: Type, path: str) -> _Found:
    seen = set()
    for index, item in enumerate(value):
        where = f"[{index}]"
        if not kind.atomic:
            try:
                key = typed.element_key(item, kind)
            except TypedError as error:
                # Nobody can say which element it is, so nothing after it is looked into.
                yield path, f"element {index}: {error}"
                return
            where = fieldset.shown(key)
            if key in seen:
                yield path, f"duplicate entries for key {where}"
            seen.add(key)
        yield from _walk(item, kind.element, f"{path}{where}")


def _scalar(value: Any, name: str) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if name in {"integer", "number"}:
        return "" if number else f"expected numeric (int or float), got {_TYPES[type(value)]}"
    if name in {"string", "bytes"}:
        given = golang.shown(value)
        return "" if isinstance(value, str) else f"expected string, got &value.valueUnstructured{{Value:{given}}}"
    if name == "boolean":
        return "" if isinstance(value, bool) else f"expected boolean, got &{{{golang.shown(value)}}}"
    return f"expected any scalar, got &{{{golang.shown(value)}}}" if isinstance(value, list | dict) else ""
