"""Small checks that the rules of all kinds are made of. Each yields field errors in upstream's words."""

import ipaddress
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from tricenter.apimachinery import alike, fielderrors, names, quantity, selectors
from tricenter.apimachinery.fielderrors import FieldError

Object = dict[str, Any]
Errors = Iterator[FieldError]
_NOTHING: Errors = iter(())
"""What nearly every check finds; to make a generator for each would take longer than the check."""
IMMUTABLE = "field is immutable"
_DOMAIN_PATH = re.compile(r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+")
_LOCAL_GROUPS = (ipaddress.ip_network("224.0.0.0/24"), ipaddress.ip_network("ff02::/16"))
_PERCENT = re.compile(r"[0-9]+%")
_SELECTOR_OPERATORS = ("DoesNotExist", "Exists", "In", "NotIn")
PROTOCOLS = ("SCTP", "TCP", "UDP")


def each(obj: Object | None, key: str, path: str) -> Iterator[tuple[str, Object]]:
    """Path and value of every object of a list that may be missing."""
    for index, item in enumerate((obj or {}).get(key) or ()):
        if isinstance(item, dict):
            yield f"{path}.{key}[{index}]", item


def sub(obj: Object | None, key: str) -> Object:
    """A sub-object, empty when it is missing."""
    found = (obj or {}).get(key)
    return found if isinstance(found, dict) else {}


def named(check: Callable[[str], list[str]], value: Any, path: str) -> Errors:
    """A syntax check of `names` on a value."""
    text = str(value)
    reasons = _reasons(check, text) if len(text) <= alike.LONGEST else check(text)
    return iter([fielderrors.invalid(path, value, reason) for reason in reasons]) if reasons else _NOTHING


def required_name(obj: Object, key: str, path: str, check: Callable[[str], list[str]], detail: str = "") -> Errors:
    """The field must be there, and a name of its kind."""
    if obj.get(key):
        yield from named(check, obj[key], f"{path}.{key}")
    else:
        yield fielderrors.required(f"{path}.{key}", detail)


@lru_cache(maxsize=8192)
def _reasons(check: Callable[[str], list[str]], value: str) -> tuple[str, ...]:
    """Objects name the same things again and again: containers, ports, labels, resources, nodes."""
    return tuple(check(value))


def required(obj: Object, key: str, path: str, detail: str = "") -> Errors:
    """The field must be there and not empty."""
    if obj.get(key) in (None, "", [], {}):
        yield fielderrors.required(f"{path}.{key}", detail)


def one_of(obj: Object, key: str, path: str, supported: Collection[str]) -> Errors:
    """The value must be one of a closed list; a missing one is left to other rules."""
    value = obj.get(key)
    if value is not None and value not in supported:
        yield fielderrors.not_supported(f"{path}.{key}", value, supported)


def not_negative(obj: Object, path: str, *keys: str) -> Errors:
    """The numbers must be 0 or more."""
    for key in keys:
        value = obj.get(key)
        if value is not None and value < 0:
            yield fielderrors.invalid(f"{path}.{key}", value, "must be greater than or equal to 0")


def between(obj: Object, key: str, path: str, low: int, high: int) -> Errors:
    """The number must lie in a range."""
    value = obj.get(key)
    if value is not None and not low <= value <= high:
        yield fielderrors.invalid(f"{path}.{key}", value, f"must be between {low} and {high}, inclusive")


def port_number(value: Any, path: str) -> Errors:
    """A port number."""
    if isinstance(value, int) and not 1 <= value <= 65535:
        yield fielderrors.invalid(path, value, "must be between 1 and 65535, inclusive")


def port_or_name(value: Any, path: str) -> Errors:
    """A port number or the name of a port."""
    if isinstance(value, str):
        yield from named(names.port_name, value, path)
    else:
        yield from port_number(value, path)


def unique(values: Iterable[tuple[str, Any]]) -> Errors:
    """No value may appear twice; pairs of path and value, empty values do not count."""
    seen: set[Any] = set()
    for path, value in values:
        if value in seen:
            yield fielderrors.duplicate(path, value)
        elif value not in (None, ""):
            seen.add(value)


def unchanged(old: Object, new: Object, path: str, *keys: str, detail: str = IMMUTABLE) -> Errors:
    """The fields may not change."""
    for key in keys:
        if old.get(key) != new.get(key):
            yield fielderrors.invalid(f"{path}.{key}", new.get(key), detail)


def labels(found: Mapping[str, Any] | None, path: str) -> Errors:
    """Keys and values of labels."""
    for key, value in (found or {}).items():
        yield from named(names.qualified_name, key, path)
        yield from named(names.label_value, value, path)


def selector(found: Object | None, path: str) -> Errors:
    """A label selector object."""
    yield from labels(sub(found, "matchLabels"), f"{path}.matchLabels")
    for where, expression in each(found, "matchExpressions", path):
        yield from requirement(expression, where)
        yield from named(names.qualified_name, expression.get("key", ""), f"{where}.key")


def requirement(found: Object, path: str, *, newer: bool = False) -> Errors:
    """Operator and values of a requirement of a selector; `newer`: the operator may be one that we do not know."""
    operator, values = found.get("operator"), found.get("values")
    if operator in {"In", "NotIn"} and not values:
        yield fielderrors.required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in {"Exists", "DoesNotExist"} and values:
        yield fielderrors.forbidden(
            f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        )
    elif operator not in _SELECTOR_OPERATORS and not newer:
        yield fielderrors.invalid(f"{path}.operator", operator, "not a valid selector operator")


def amount(value: Any, path: str) -> Errors:
    """A quantity that is not negative."""
    try:
        if quantity.parse(value).numerator < 0:  # comparing Fractions costs ten times as much
            yield fielderrors.invalid(path, value, "must be greater than or equal to 0")
    except quantity.QuantityError as error:
        yield fielderrors.invalid(path, value, str(error))


def parsed(value: object) -> Fraction | None:
    """The value of a quantity; None where it is none, which `amount` reports."""
    try:
        return quantity.parse(str(value))
    except quantity.QuantityError:
        return None


def whole(value: object, path: str) -> Errors:
    """A quantity without a fraction."""
    found = parsed(value)
    if found is not None and found.denominator != 1:
        yield fielderrors.invalid(path, value, "must be an integer")


def number_or_percent(value: Any, path: str) -> Errors:
    """A number that is not negative or a percentage."""
    if isinstance(value, str):
        if not _PERCENT.fullmatch(value):
            yield fielderrors.invalid(
                path, value, "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%', "
                "or '93%', regex used for validation is '[0-9]+%')",
            )  # fmt: skip
    elif value is not None and value < 0:
        yield fielderrors.invalid(path, value, "must be greater than or equal to 0")


def at_most_all(value: Any, path: str) -> Errors:
    """A percentage of 100 or less; numbers are not looked at."""
    if isinstance(value, str) and _PERCENT.fullmatch(value) and int(value[:-1]) > 100:
        yield fielderrors.invalid(path, value, "must not be greater than 100%")


def local_path(value: str | None, path: str) -> Errors:
    """A path that stays below where it starts."""
    if not value:
        return
    if value.startswith("/"):
        yield fielderrors.invalid(path, value, "must be a relative path")
    if ".." in value.split("/"):
        yield fielderrors.invalid(path, value, "must not contain '..'")


def matches(found: Object, labels: Mapping[str, str]) -> bool:
    """Whether a label selector picks the labels; one that is wrong in itself is reported by its own rule."""
    try:
        return selectors.from_object(found).matches(labels)
    except selectors.SelectorError:
        return True


def domain_path(value: str, path: str) -> Errors:
    """`example.com/name`: who something belongs to, and what it is called there."""
    domain, slash, rest = value.partition("/")
    if not value:
        yield fielderrors.required(path)
    elif not slash or not domain or not rest:
        yield fielderrors.invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")')
    else:
        yield from named(names.dns_subdomain, domain, path)
        if not _DOMAIN_PATH.fullmatch(rest):
            detail = f"Invalid path (regex used for validation is '{_DOMAIN_PATH.pattern}')"
            yield fielderrors.invalid(path, value, detail)


def ordinary_address(value: Any, path: str) -> Errors:
    """An address that is one machine's in a network: external addresses and endpoints are (ValidateNonSpecialIP)."""
    try:
        found = ipaddress.ip_address(str(value))
    except ValueError:
        return
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found  # ::ffff:127.0.0.1 leads to where 127.0.0.1 does
    if found.is_unspecified:
        yield fielderrors.invalid(path, value, f"may not be unspecified ({value})")
    if found.is_loopback:
        yield fielderrors.invalid(path, value, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if found.is_link_local:
        yield fielderrors.invalid(path, value, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if found in _LOCAL_GROUPS[found.version == 6]:
        detail = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"
        yield fielderrors.invalid(path, value, detail)


def is_zero(value: Any) -> bool:
    """Whether a number or percentage is nothing."""
    return value in {0, "0%"}


def address(value: Any, path: str) -> Errors:
    """An IP address."""
    try:
        ipaddress.ip_address(str(value))
    except ValueError:
        yield fielderrors.invalid(path, value, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")


def cidr(value: Any, path: str) -> Errors:
    """An address range."""
    if not _is_cidr(str(value)):
        yield fielderrors.invalid(path, value, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")


def _is_cidr(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text
