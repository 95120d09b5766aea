"""One walk over an object along its type: unknown fields, nulls and the canonical form of scalars.

This is what decoding into a typed struct and encoding again does to an object upstream.
"""

from typing import Any

from tricenter.apimachinery import quantity, times
from tricenter.apimachinery.schema.types import Shape, Type

_STRUCT, _LIST, _MAP, _SCALAR = Shape.STRUCT, Shape.LIST, Shape.MAP, Shape.SCALAR
_TIME_LENGTH = len("2026-01-02T03:04:05Z")
_MICRO_LENGTH = len("2026-01-02T03:04:05.000006Z")


def unknown_fields(obj: dict[str, Any], kind: Type) -> list[str]:
    """Paths of the fields that the type does not have: `spec.containers[0].imge`."""
    found: list[str] = []
    if not _known(obj, kind):
        _unknown(obj, kind, "", found)
    return found


def _known(value: Any, kind: Type) -> bool:
    """Whether the type has all fields: asked first, for paths are needed for very few objects."""
    if kind.shape is _STRUCT:
        return not isinstance(value, dict) or _known_struct(value, kind)
    element = kind.items
    if element is None or element.shape is _SCALAR:
        return True
    if kind.shape is _LIST:
        return not isinstance(value, list) or all(_known(child, element) for child in value)
    return (
        kind.shape is not _MAP or not isinstance(value, dict) or all(_known(item, element) for item in value.values())
    )


def _known_struct(value: dict[str, Any], kind: Type) -> bool:
    fields = kind.fields
    for key, child in value.items():
        field = fields.get(key)
        if field is None:
            if not kind.open:
                return False
        elif isinstance(child, dict | list) and not _known(child, field):
            return False
    return True


def _unknown(value: Any, kind: Type, path: str, found: list[str]) -> None:
    if kind.shape is _STRUCT:
        if isinstance(value, dict):
            for key, child in value.items():
                field = kind.fields.get(key)
                if field is None:
                    if not kind.open:
                        found.append(f"{path}.{key}" if path else key)
                elif isinstance(child, dict | list):
                    _unknown(child, field, f"{path}.{key}" if path else key, found)
    elif kind.shape is _MAP:
        if kind.element.shape is not _SCALAR and isinstance(value, dict):
            for key, child in value.items():
                _unknown(child, kind.element, f"{path}.{key}", found)
    elif kind.shape is _LIST and kind.element.shape is not _SCALAR and isinstance(value, list):
        for index, child in enumerate(value):
            _unknown(child, kind.element, f"{path}[{index}]", found)


def prune(value: Any, kind: Type) -> None:
    """Drop unknown fields and nulls and write quantities and times canonically, in place.

    Values of the wrong type are left for validation to report.
    """
    if kind.shape is _STRUCT:
        if isinstance(value, dict):
            _prune_struct(value, kind)
    elif kind.shape is _MAP:
        if isinstance(value, dict):
            _prune_map(value, kind.element)
    elif kind.shape is _LIST and isinstance(value, list):
        _prune_list(value, kind.element)


def _prune_struct(value: dict[str, Any], kind: Type) -> None:
    dropped: list[str] = []
    for key, child in value.items():
        field = kind.fields.get(key)
        if child is None:
            if field is not None or not kind.open:
                dropped.append(key)
        elif field is None:
            if not kind.open:
                dropped.append(key)
        elif field.shape is not _SCALAR:
            prune(child, field)
        elif field.name in _CANONICAL:
            value[key] = _CANONICAL[field.name](child)
    for key in dropped:
        del value[key]


def _prune_map(value: dict[str, Any], element: Type) -> None:
    for key, child in list(value.items()):
        if child is None:
            # decoding null into a map of strings gives the empty string
            if element.shape is _SCALAR and element.name in ("string", "bytes"):
                value[key] = ""
            elif element.shape is not Shape.ANY:
                del value[key]
        elif element.shape is not _SCALAR:
            prune(child, element)
        elif element.name in _CANONICAL:
            value[key] = _CANONICAL[element.name](child)


def _prune_list(value: list[Any], element: Type) -> None:
    if element.shape is not _SCALAR:
        for child in value:
            prune(child, element)
    elif element.name in _CANONICAL:
        value[:] = [_CANONICAL[element.name](child) for child in value]


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
