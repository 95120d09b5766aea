"""ResourceLists as numbers: amounts by resource name that add up and are written as upstream writes them.

Rules of k8s.io/apimachinery Quantity (a sum keeps the form of what it began with) and k8s.io/apiserver pkg/quota/v1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tricenter.apimachinery import quantity
from tricenter.apimachinery.quantity import Form


@dataclass(frozen=True, slots=True, order=True)
class Amount:
    """A quantity and the form it is written in; compared by its value first."""

    value: Fraction
    form: Form = Form.DECIMAL

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.value + other.value, self.form if self.value else other.form)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.value - other.value, self.form if self.value else other.form)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Amount) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)

    def __str__(self) -> str:
        return quantity.format(self.value, self.form)


Amounts = dict[str, Amount]

ZERO, ONE = Amount(Fraction(0)), Amount(Fraction(1))


def parse(text: str | float) -> Amount:
    """A quantity. Raises quantity.QuantityError."""
    return Amount(*quantity.parse_form(str(text)))


def of(resources: Mapping[str, Any] | None) -> Amounts:
    """A ResourceList. Raises quantity.QuantityError."""
    return {name: parse(value) for name, value in (resources or {}).items()}


def written(amounts: Mapping[str, Amount]) -> dict[str, str]:
    """The ResourceList of amounts."""
    return {name: str(amount) for name, amount in amounts.items()}


def added(first: Mapping[str, Amount], second: Mapping[str, Amount]) -> Amounts:
    """The sum; names of either."""
    return {**first, **{name: first.get(name, ZERO) + amount for name, amount in second.items()}}


def grown(new: Mapping[str, Amount], old: Mapping[str, Amount]) -> Amounts:
    """By how much each amount is greater than it was, never less than nothing."""
    return {name: max(ZERO, amount - old.get(name, ZERO), key=_value) for name, amount in new.items()}


def highest(first: Mapping[str, Amount], second: Mapping[str, Amount]) -> Amounts:
    """The greater of each."""
    return {**first, **{name: max(first.get(name, amount), amount, key=_value) for name, amount in second.items()}}


def masked(amounts: Mapping[str, Amount], names: Iterable[str]) -> Amounts:
    """Only these names."""
    wanted = set(names)
    return {name: amount for name, amount in amounts.items() if name in wanted}


def shown(amounts: Mapping[str, Amount]) -> str:
    """`cpu=1,pods=2`, as messages show a ResourceList."""
    return ",".join(f"{name}={amounts[name]}" for name in sorted(amounts))


def _value(amount: Amount) -> Fraction:
    return amount.value
