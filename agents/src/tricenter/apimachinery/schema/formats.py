"""The string formats that a structural schema may demand (upstream's strfmt, apiserver/validation/formats.go)."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from datetime import date
from urllib.parse import urlsplit

from tricenter.apimachinery import times

Check = Callable[[str], bool]

_DURATION = re.compile(
    r"[+-]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+|[+-]?0"
    r"|[0-9]+\s*(n|ns|nano\w*|u|us|µ|µs|micro\w*|ms|milli\w*|s|sec\w*|m|min\w*|h|hr\w*|hour\w*|d|day\w*|w|week\w*)"
)
_HOST_LABEL = r"[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?"
_HEX = "[0-9a-fA-F]"


def _pattern(text: str) -> Check:
    compiled = re.compile(text)
    return lambda value: compiled.fullmatch(value) is not None


def _uuid(version: str = _HEX, variant: str = _HEX) -> Check:
    return _pattern(f"{_HEX}{{8}}-?{_HEX}{{4}}-?{version}{_HEX}{{3}}-?{variant}{_HEX}{{3}}-?{_HEX}{{12}}")


def _without_error(parse: Callable[[str], object]) -> Check:
    def check(value: str) -> bool:
        try:
            parse(value)
        except (ValueError, binascii.Error):
            return False
        return True

    return check


def _uri(value: str) -> object:
    parts = urlsplit(value)
    if not parts.scheme and not value.startswith("/"):
        raise ValueError(value)
    return parts


def _network(value: str) -> object:
    if "/" not in value:
        raise ValueError(value)
    return ipaddress.ip_network(value, strict=False)


def _bytes(value: str) -> object:
    return base64.b64decode(value, validate=True)


def _isbn(value: str) -> bool:
    digits = value.replace("-", "").replace(" ", "")
    return _isbn10(digits) or _isbn13(digits)


def _isbn10(digits: str) -> bool:
    if not re.fullmatch(r"[0-9]{9}[0-9Xx]", digits):
        return False
    values = [10 if digit in "Xx" else int(digit) for digit in digits]
    return sum(weight * value for weight, value in zip(range(10, 0, -1), values, strict=True)) % 11 == 0


def _isbn13(digits: str) -> bool:
    if not re.fullmatch(r"[0-9]{13}", digits):
        return False
    return sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits)) % 10 == 0


CHECKS: dict[str, Check] = {
    "bsonobjectid": _pattern(f"{_HEX}{{24}}"),
    "uri": _without_error(_uri),
    "email": _pattern(r"(?:[^<>]*<)?[^@\s<>]+@[^@\s<>]+>?"),
    "hostname": _pattern(rf"(?=.{{1,255}}$){_HOST_LABEL}(\.{_HOST_LABEL})*\.?"),
    "ipv4": _without_error(ipaddress.IPv4Address),
    "ipv6": _without_error(ipaddress.IPv6Address),
    "cidr": _without_error(_network),
    "mac": _pattern(rf"{_HEX}{{2}}([:-]{_HEX}{{2}}){{5}}|({_HEX}{{4}}\.){{2}}{_HEX}{{4}}"),
    "uuid": _uuid(),
    "uuid3": _uuid("3"),
    "uuid4": _uuid("4", "[89abAB]"),
    "uuid5": _uuid("5", "[89abAB]"),
    "isbn": _isbn,
    "isbn10": lambda value: _isbn10(value.replace("-", "").replace(" ", "")),
    "isbn13": lambda value: _isbn13(value.replace("-", "").replace(" ", "")),
    "creditcard": lambda value: 13 <= len(re.sub(r"\D", "", value)) <= 16,
    "ssn": _pattern(r"[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}"),
    "hexcolor": _pattern(f"#?({_HEX}{{3}}|{_HEX}{{6}})"),
    "rgbcolor": _pattern(r"rgb\(\s*([0-9]{1,3})\s*,\s*([0-9]{1,3})\s*,\s*([0-9]{1,3})\s*\)"),
    "byte": _without_error(_bytes),
    "password": lambda _: True,
    "date": _without_error(date.fromisoformat),
    "duration": lambda value: _DURATION.fullmatch(value) is not None,
    "datetime": _without_error(times.parse),
}
"""Names are those of the schema without hyphens."""

SHOWN = {"datetime": "date-time"}
"""How messages name a format."""
