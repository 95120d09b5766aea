"""Reasons why a field of an object is refused, worded as upstream words them (apimachinery util/validation/field).

`str(error)` is a line of the Status message (`spec.replicas: Invalid value: -1: must be ...`); reason, message and path
are a cause of its details.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

REASON_REQUIRED = "FieldValueRequired"
REASON_INVALID = "FieldValueInvalid"
REASON_FORBIDDEN = "FieldValueForbidden"
REASON_DUPLICATE = "FieldValueDuplicate"
REASON_NOT_SUPPORTED = "FieldValueNotSupported"
REASON_NOT_FOUND = "FieldValueNotFound"
REASON_TOO_LONG = "FieldValueTooLong"
REASON_TOO_MANY = "FieldValueTooMany"
REASON_TYPE = "FieldValueTypeInvalid"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One refused field."""

    path: str
    reason: str
    """Reason of the cause in a Status, e.g. FieldValueInvalid."""
    message: str
    """What is wrong, without the path."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def show(value: Any) -> str:
    """A value as messages show it: strings quoted, nothing as `"null"`, the rest as compact JSON."""
    return '"null"' if value is None else json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)


def _detailed(head: str, detail: str) -> str:
    return f"{head}: {detail}" if detail else head


def required(path: str, detail: str = "") -> FieldError:
    """The field is missing or empty."""
    return FieldError(path, REASON_REQUIRED, _detailed("Required value", detail))


def invalid(path: str, value: Any, detail: str) -> FieldError:
    """The value breaks a rule."""
    return FieldError(path, REASON_INVALID, _detailed(f"Invalid value: {show(value)}", detail))


def type_invalid(path: str, value: Any, detail: str) -> FieldError:
    """The value is of another type."""
    return FieldError(path, REASON_TYPE, _detailed(f"Invalid value: {show(value)}", detail))


def forbidden(path: str, detail: str) -> FieldError:
    """The field may not be set here."""
    return FieldError(path, REASON_FORBIDDEN, _detailed("Forbidden", detail))


def duplicate(path: str, value: Any) -> FieldError:
    """Another element has this value already."""
    return FieldError(path, REASON_DUPLICATE, f"Duplicate value: {show(value)}")


def not_found(path: str, value: Any) -> FieldError:
    """The value refers to something that is not there."""
    return FieldError(path, REASON_NOT_FOUND, f"Not found: {show(value)}")


def not_supported(path: str, value: Any, supported: Iterable[str]) -> FieldError:
    """The value is none of a closed list; a set is shown in alphabetical order, a tuple in its own."""
    choices = ", ".join(map(show, supported if isinstance(supported, tuple) else sorted(supported)))
    return FieldError(path, REASON_NOT_SUPPORTED, f"Unsupported value: {show(value)}: supported values: {choices}")


def too_long(path: str, limit: int) -> FieldError:
    """The value is longer than `limit` bytes."""
    return FieldError(path, REASON_TOO_LONG, f"Too long: may not be more than {limit} bytes")


def too_many(path: str, count: int, limit: int) -> FieldError:
    """The list is longer than `limit` items."""
    return FieldError(path, REASON_TOO_MANY, f"Too many: {count}: must have at most {limit} items")
