"""Named formats: format.dns1123Label().validate(text) (library/format.go).

`validate` and `format.named` give optionals upstream; here a map that has the methods of one.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from collections.abc import Callable
from typing import Any

from tricenter.apimachinery import names, times
from tricenter.apimachinery.cel.library import urls
from tricenter.apimachinery.cel.library.function import KINDS, MAP, Function, opaque, unwrap
from tricenter.apimachinery.cel.values import native

_FORMAT, _OPTIONAL = "kubernetes.NamedFormat", "optional_type"
_UUID = re.compile(r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}")


def _prefix(check: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    """The rule for what a generated name starts with: it may end with a dash (api/validation/name.go)."""
    return lambda text: check(text[:-1] + "a" if text.endswith("-") else text)


def _problem(parse: Callable[[str], Any], text: str, message: str) -> list[str]:
    try:
        parse(text)
    except (ValueError, binascii.Error):
        return [message]
    return []


def _url(text: str) -> list[str]:
    return [] if urls._is_url(text) else ["invalid URI"]


def _uuid(text: str) -> list[str]:
    return [] if _UUID.fullmatch(text) else ["does not match the UUID format"]


def _byte(text: str) -> list[str]:
    return _problem(lambda value: base64.b64decode(value, validate=True), text, "invalid base64")


_FORMATS: dict[str, Callable[[str], list[str]]] = {
    "dns1123Label": names.dns_label,
    "dns1123Subdomain": names.dns_subdomain,
    "dns1035Label": names.dns_label_1035,
    "dns1123LabelPrefix": _prefix(names.dns_label),
    "dns1123SubdomainPrefix": _prefix(names.dns_subdomain),
    "dns1035LabelPrefix": _prefix(names.dns_label_1035),
    "qualifiedName": names.qualified_name,
    "labelValue": names.label_value,
    "uri": _url,
    "uuid": _uuid,
    "byte": _byte,
    "date": lambda text: _problem(dt.date.fromisoformat, text, "invalid date"),
    "datetime": lambda text: _problem(times.parse, text, "invalid datetime"),
}


def _named(name: str) -> dict[str, Any]:
    return opaque(_OPTIONAL, [opaque(_FORMAT, name)] if name in _FORMATS else [])


def _validate(value: dict[str, Any], text: str) -> dict[str, Any]:
    problems = _FORMATS[unwrap(_FORMAT, value)](text)
    return opaque(_OPTIONAL, [problems] if problems else [])


def _value(value: dict[str, Any]) -> Any:
    items = unwrap(_OPTIONAL, value)
    if not items:
        raise ValueError("optional.none() dereference")
    return items[0]


def _or_value(value: dict[str, Any], other: Any) -> Any:
    items = unwrap(_OPTIONAL, value)
    return items[0] if items else native(other)


FUNCTIONS = (
    *(Function(f"format.{name}", (), MAP, lambda name=name: opaque(_FORMAT, name), member=False) for name in _FORMATS),
    # An optional may be compared with null: it never is.
    Function("format.named", ("string",), "dyn", _named, member=False),
    Function("validate", (MAP, "string"), "dyn", _validate),
    Function("hasValue", (MAP,), "bool", lambda value: bool(unwrap(_OPTIONAL, value))),
    Function("value", (MAP,), "dyn", _value),
    *(Function("orValue", (MAP, kind), "dyn", _or_value) for kind in KINDS),
)
