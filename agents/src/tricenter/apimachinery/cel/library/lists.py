"""Lists: isSorted, sum, min, max, indexOf, lastIndexOf (library/lists.go)."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import Any

from tricenter.apimachinery.cel.library.function import KINDS, LIST, Function
from tricenter.apimachinery.cel.values import native


def _is_sorted(items: list[Any]) -> bool:
    return all(first <= second for first, second in pairwise(items))


def _sum(items: list[Any]) -> Any:
    if items and isinstance(items[0], dt.timedelta):
        return native(sum(items, dt.timedelta()))
    if any(isinstance(item, str | bool | dict | list) for item in items):
        raise ValueError("no such overload")
    total = sum(items)
    if isinstance(total, int) and not -(2**63) <= total < 2**63:
        raise ValueError("integer overflow")
    return total


def _extreme(name: str, items: list[Any]) -> Any:
    if not items:
        raise ValueError(f"{name} called on empty list")
    return native(min(items) if name == "min" else max(items))


def _equal(first: Any, second: Any) -> bool:
    return isinstance(first, bool) == isinstance(second, bool) and bool(first == second)


def _index(items: list[Any], wanted: Any) -> int:
    return next((index for index, item in enumerate(items) if _equal(item, wanted)), -1)


def _last_index(items: list[Any], wanted: Any) -> int:
    return next((index for index in range(len(items) - 1, -1, -1) if _equal(items[index], wanted)), -1)


FUNCTIONS = (
    Function("isSorted", (LIST,), "bool", _is_sorted),
    Function("sum", (LIST,), "dyn", _sum),
    Function("min", (LIST,), "dyn", lambda items: _extreme("min", items)),
    Function("max", (LIST,), "dyn", lambda items: _extreme("max", items)),
    *(Function("indexOf", (LIST, kind), "int", _index) for kind in KINDS),
    *(Function("lastIndexOf", (LIST, kind), "int", _last_index) for kind in KINDS),
)
