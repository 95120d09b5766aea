"""One walk over an object along its type: unknown fields, nulls and the canonical form of scalars.

This is what decoding into a typed struct and encoding again does to an object upstream.
"""

from typing import Any

from tricenter.apimachinery import quantity, times
from tricenter.apimachinery.schema.types import ANY, Shape, Type

_STRUCT, _LIST, _MAP, _SCALAR = Shape.STRUCT, Shape.LIST, Shape.MAP, Shape.SCALAR
_TIME_LENGTH = len("2026-01-02T03:04:05Z")
_MICRO_LENGTH = len("2026-01-02T03:04:05.000006Z")

_ZEROS: dict[str, Any] = {
    "string": "", "bytes": "", "integer": 0, "number": 0, "boolean": False, "quantity": "0", "int-or-string": 0,
}  # fmt: skip
_Unknown = list[tuple[dict[str, Any], str]]
"""Objects and their members that the schema does not know."""


def prune(obj: Any, kind: Type) -> list[str]:
    """Drop unknown fields and nulls and write quantities and times canonically, in place.

    Returns the paths of the unknown fields: `spec.containers[0].imge`. Values of the wrong type are left for
    validation to report.
    """
    unknown: _Unknown = []
    _prune(obj, kind, unknown)
    if not unknown:
        return []
    # Paths are needed for very few objects, so they are looked for only now.
    paths: list[str] = []
    _paths(obj, kind, "", paths)
    for holder, key in unknown:
        del holder[key]
    return paths


def _prune(value: Any, kind: Type, unknown: _Unknown) -> None:
    if kind.shape is _STRUCT:
        if isinstance(value, dict):
            _prune_struct(value, kind, unknown)
    elif kind.shape is _LIST:
        if isinstance(value, list):
            _prune_list(value, kind.items or ANY, unknown)
    elif kind.shape is _MAP and isinstance(value, dict):
        _prune_map(value, kind.items or ANY, unknown)


def _prune_struct(value: dict[str, Any], kind: Type, unknown: _Unknown) -> None:
    nulls: list[str] = []
    fields = kind.fields
    for key, child in value.items():
        field = fields.get(key)
        if field is None:
            if not kind.open:
                unknown.append((value, key))
        elif child is None:
            nulls.append(key)
        elif field.shape is _SCALAR:
            if field.name in _CANONICAL:
                value[key] = _CANONICAL[field.name](child)
        elif child:
            _prune(child, field, unknown)
    for key in nulls:
        del value[key]


def _prune_map(value: dict[str, Any], element: Type, unknown: _Unknown) -> None:
    if element.name == "string" and None not in value.values():
        return  # labels, annotations and data, as they nearly always are
    for key, child in list(value.items()):
        if child is None:
            # decoding null into a map of strings gives the empty string
            if element.shape is _SCALAR and element.name in ("string", "bytes"):
                value[key] = ""
            elif element.shape is not Shape.ANY:
                del value[key]
        elif element.shape is not _SCALAR:
            _prune(child, element, unknown)
        elif element.name in _CANONICAL:
            value[key] = _CANONICAL[element.name](child)


def _zero(kind: Type) -> Any:
    if kind.shape in (_STRUCT, _MAP):
        return {}
    return [] if kind.shape is _LIST else _ZEROS.get(kind.name) if kind.shape is _SCALAR else None


def _prune_list(value: list[Any], element: Type, unknown: _Unknown) -> None:
    if None in value:
        # Decoding null into an element of a list gives its zero value; printers and agents rely on there being one.
        value[:] = [_zero(element) if child is None else child for child in value]
    if element.shape is _STRUCT:
        for child in value:
            if isinstance(child, dict):
                _prune_struct(child, element, unknown)
    elif element.shape is not _SCALAR:
        for child in value:
            _prune(child, element, unknown)
    elif element.name in _CANONICAL:
        value[:] = [_CANONICAL[element.name](child) for child in value]


def _paths(value: Any, kind: Type, path: str, found: list[str]) -> None:
    if kind.shape is _STRUCT:
        if isinstance(value, dict):
            for key, child in value.items():
                field = kind.fields.get(key)
                if field is None:
                    if not kind.open:
                        found.append(f"{path}.{key}" if path else key)
                elif isinstance(child, dict | list):
                    _paths(child, field, f"{path}.{key}" if path else key, found)
    elif kind.shape is _MAP:
        if kind.element.shape is not _SCALAR and isinstance(value, dict):
            for key, child in value.items():
                _paths(child, kind.element, f"{path}.{key}", found)
    elif kind.shape is _LIST and kind.element.shape is not _SCALAR and isinstance(value, list):
        for index, child in enumerate(value):
            _paths(child, kind.element, f"{path}[{index}]", found)


def _quantity(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return value
    try:
        return quantity.canonical(str(value))
    except quantity.QuantityError:
        return value


def _time(value: Any) -> Any:
    if not isinstance(value, str) or (len(value) == _TIME_LENGTH and value[-1] == "Z"):
        return value
    try:
        return times.rfc3339(times.parse(value))
    except ValueError:
        return value


def _micro_time(value: Any) -> Any:
    if not isinstance(value, str) or (len(value) == _MICRO_LENGTH and value[-1] == "Z"):
        return value
    try:
        return times.rfc3339_micro(times.parse(value))
    except ValueError:
        return value


def _bytes(value: Any) -> Any:
    """Base64 on one line; line breaks do not count when it is read (Go's encoding/base64)."""
    if not isinstance(value, str) or not ("\n" in value or "\r" in value):
        return value
    return value.replace("\n", "").replace("\r", "")


_CANONICAL = {"bytes": _bytes, "quantity": _quantity, "time": _time, "micro-time": _micro_time}
