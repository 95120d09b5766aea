"""Resource quantities: `100m`, `1.5Gi`, `2e3`. Grammar and canonical form of k8s.io/apimachinery/pkg/api/resource.

A value is an exact Fraction; anything finer than a billionth is rounded up and magnitudes are capped at 2^63-1, as
upstream does. The three forms (binary, decimal, exponent) decide only how a value is written.
"""

import enum
import re
from fractions import Fraction
from functools import lru_cache

_PATTERN = re.compile(r"([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)")
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_SUFFIX = {power: suffix for suffix, power in _BINARY.items()} | {0: ""}
_DECIMAL_SUFFIX = {power: suffix for suffix, power in _DECIMAL.items()}
_NANO = 10**9
_MAX = Fraction(2**63 - 1)
_LONGEST = 256  # what is remembered is short, and Python reads numbers of up to 4300 digits only
_MAX_EXPONENT = 30  # far beyond the cap; keeps 1e999999999 from becoming a number of a gigabyte


class QuantityError(ValueError):
    """The text is no quantity."""


class Form(enum.Enum):
    """How a quantity is written."""

    BINARY = "BinarySI"
    DECIMAL = "DecimalSI"
    EXPONENT = "DecimalExponent"


def parse(text: str | float) -> Fraction:
    """The value of a quantity. JSON numbers are taken as upstream takes them. Raises QuantityError."""
    return parse_form(str(text))[0]


def parse_form(text: str) -> tuple[Fraction, Form]:
    """The value of a quantity and the form it is written in. Raises QuantityError."""
    if len(text) > _LONGEST:
        raise QuantityError(f"quantities must be no more than {_LONGEST} characters")
    return _parsed(text)


@lru_cache(maxsize=4096)
def _parsed(text: str) -> tuple[Fraction, Form]:
    match = _PATTERN.fullmatch(text.strip())
    if match is None:
        raise QuantityError(f"quantities must match the regular expression '^{_PATTERN.pattern}$'")
    number, suffix = match.groups()
    if not _NUMBER.fullmatch(number):
        raise QuantityError("unable to parse numeric part of quantity")
    value = Fraction(number)
    form = Form.DECIMAL
    if suffix in _BINARY:
        value *= 1024 ** _BINARY[suffix]
        form = Form.BINARY
    elif suffix in _DECIMAL:
        value *= Fraction(10) ** _DECIMAL[suffix]
    elif exponent := _EXPONENT.fullmatch(suffix):
        value *= Fraction(10) ** max(-_MAX_EXPONENT, min(_MAX_EXPONENT, int(exponent[1])))
        form = Form.EXPONENT
    else:
        raise QuantityError("unable to parse quantity's suffix")
    return _bounded(value), form


def _bounded(value: Fraction) -> Fraction:
    """Round away from zero to billionths and cap the magnitude."""
    if _NANO % value.denominator:
        scaled = abs(value) * _NANO
        rounded = Fraction(-(-scaled.numerator // scaled.denominator), _NANO)
        value = rounded if value > 0 else -rounded
    return max(-_MAX, min(_MAX, value))


def format(value: Fraction | int, form: Form = Form.DECIMAL) -> str:  # noqa: A001 - read as quantity.format
    """The canonical text: an integer with the largest suffix that loses nothing."""
    value = _bounded(Fraction(value))
    if value == 0:
        return "0"
    if form is Form.BINARY and abs(value) >= 1024:
        return _format_binary(value)
    power = 0
    while value.denominator != 1:
        value *= 1000
        power -= 3
    number = value.numerator
    while number % 1000 == 0 and power < 18:
        number //= 1000
        power += 3
    if form is Form.EXPONENT:
        return f"{number}e{power}" if power else str(number)
    return f"{number}{_DECIMAL_SUFFIX[power]}"


def _format_binary(value: Fraction) -> str:
    number = -((-value.numerator) // value.denominator) if value > 0 else value.numerator // value.denominator
    power = 0
    while number % 1024 == 0 and power < 6:
        number //= 1024
        power += 1
    return f"{number}{_BINARY_SUFFIX[power]}"


@lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """The same quantity as the API server stores it: `0.5` becomes `500m`, `1024Mi` becomes `1Gi`."""
    value, form = parse_form(text)
    return format(value, form)


def _ceil(value: Fraction) -> int:
    return -(-value.numerator // value.denominator)


@lru_cache(maxsize=4096)
def _milli(text: str) -> int:
    return _ceil(parse_form(text)[0] * 1000)


@lru_cache(maxsize=4096)
def _whole(text: str) -> int:
    return _ceil(parse_form(text)[0])


def milli(quantity: str | float | Fraction) -> int:
    """Thousandths, rounded up: how CPU is counted."""
    return _ceil(quantity * 1000) if isinstance(quantity, Fraction) else _milli(str(quantity))


def to_int(quantity: str | float | Fraction) -> int:
    """Whole units, rounded up: how bytes and counts are counted."""
    return _ceil(quantity) if isinstance(quantity, Fraction) else _whole(str(quantity))
