"""Resource quantities: quantity, isQuantity, comparison and sums (library/quantity.go)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tricenter.apimachinery import quantity
from tricenter.apimachinery.cel.library.function import MAP, Function, opaque, unwrap

KIND = "kubernetes.Quantity"


def _quantity(text: str) -> dict[str, Any]:
    # The decimal form, so that equality is by value: 1k and 1000 are one quantity.
    return opaque(KIND, quantity.format(quantity.parse(text)))


def _is_quantity(text: str) -> bool:
    try:
        quantity.parse(text)
    except quantity.QuantityError:
        return False
    return True


def _value(value: dict[str, Any]) -> Fraction:
    return quantity.parse(unwrap(KIND, value))


def _sign(value: dict[str, Any]) -> int:
    number = _value(value)
    return (number > 0) - (number < 0)


def _as_integer(value: dict[str, Any]) -> int:
    number = _value(value)
    if number.denominator != 1:
        raise ValueError("cannot convert value to integer")
    return int(number)


def _sum(first: dict[str, Any], second: dict[str, Any], factor: int) -> dict[str, Any]:
    return opaque(KIND, quantity.format(_value(first) + factor * _value(second)))


FUNCTIONS = (
    Function("quantity", ("string",), MAP, _quantity, member=False),
    Function("isQuantity", ("string",), "bool", _is_quantity, member=False),
    Function("isInteger", (MAP,), "bool", lambda value: _value(value).denominator == 1),
    Function("asInteger", (MAP,), "int", _as_integer),
    Function("asApproximateFloat", (MAP,), "double", lambda value: float(_value(value))),
    Function("sign", (MAP,), "int", _sign),
    Function("add", (MAP, MAP), MAP, lambda first, second: _sum(first, second, 1)),
    Function("add", (MAP, "int"), MAP, lambda first, second: _sum(first, _quantity(str(second)), 1)),
    Function("sub", (MAP, MAP), MAP, lambda first, second: _sum(first, second, -1)),
    Function("sub", (MAP, "int"), MAP, lambda first, second: _sum(first, _quantity(str(second)), -1)),
)
