"""An upper bound of the work that an evaluation takes, known before it starts.

Upstream counts costs while it evaluates (k8s.io/apiserver/pkg/cel/limits.go); the library here counts only iterations.
So the bound is computed from the sizes of the bindings: a value has the size of all its elements and characters, a
comprehension over a range of size S makes at most min(S, limit) iterations, and what its step costs grows at least
linearly with the size of the element, so that elements which together have size S cost together at most what one
element of size S costs, on top of the constant part of each iteration.

One unit is about 50 ns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tricenter.apimachinery.cel.ast import Call, Comprehension, Ident, Literal, Node, Select

LIMIT = 10_000_000
"""k8s.io/apiserver/pkg/apis/cel RuntimeCELCostBudget; half a second here."""

ITERATIONS = 10_000
"""What the library allows all comprehensions of an evaluation together."""

HUGE = 1_000_000
"""The size of the largest object that a request can bring."""

_CHARACTERS = 8
"""So many characters weigh as much as one element."""

_VISITS = 20_000
"""Nodes that an estimate may look at, 40 ms; seven loops in one another take less."""

_FUNCTION = 50
"""A call of a function that is written in Python."""

_NATIVE = frozenset(
    {"size", "int", "uint", "double", "bool", "type", "dyn", "duration", "timestamp", "string", "bytes", "_[_]"}
    | {"_[?_]", "_?._", "_?_:_", "@not_strictly_false", "_&&_", "_||_", "!_", "_-_", "_*_", "_/_", "_%_", "-_"}
    | {"hasValue", "value", "orValue", "or", "optional.of", "optional.none", "optional.ofNonZeroValue"}
)
"""Functions whose work does not depend on the size of what they get."""

_TRUTH = frozenset({"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in", "!_", "_&&_", "_||_", "@not_strictly_false"})
"""Functions that give a boolean."""

_LINEAR = frozenset(
    {"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in", "_+_", "contains", "startsWith", "endsWith", "matches"}
    | {"indexOf", "lastIndexOf", "lowerAscii", "upperAscii", "split", "substring", "trim", "charAt", "format"}
    | {"join", "replace", "sets.contains", "sets.equivalent", "sets.intersects"}
)
"""Native functions that look at all of what they get."""

_EQUALITIES = frozenset({"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"})


@dataclass(frozen=True)
class Estimate:
    """The work of an expression and the size of its value."""

    cost: float
    size: float


def bound(node: Node, sizes: Mapping[str, float]) -> float:
    """The most that an evaluation can cost; without end for loops so deep that the bound itself costs too much."""
    try:
        return _Estimator().of(node, sizes).cost
    except _TooDeep:
        return math.inf


class _TooDeep(Exception):  # noqa: N818 - it only leaves the recursion
    """The estimate takes too long."""


def size(value: Any) -> float:
    """The size of a value, for one of JSON all elements and characters in it."""
    total, todo = 0, [value]
    while todo:
        item = todo.pop()
        total += _CHARACTERS
        if isinstance(item, str):
            total += len(item)
        elif isinstance(item, dict):
            total += sum(map(len, item))
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)
    return total / _CHARACTERS


class _Estimator:
    """Estimates an expression; at each level of nested loops a step is looked at twice, so visits are counted."""

    def __init__(self) -> None:
        self._visits = _VISITS

    def of(self, node: Node, sizes: Mapping[str, float]) -> Estimate:
        """The estimate of a node. Raises _TooDeep."""
        self._visits -= 1
        if self._visits < 0:
            raise _TooDeep
        if isinstance(node, Comprehension):
            return self._comprehension(node, sizes)
        if isinstance(node, Call):
            return _call(node.function, [self.of(item, sizes) for item in node.arguments])
        if isinstance(node, Literal):
            parts = [self.of(item, sizes) for item in node.elements]
            return Estimate(1 + sum(item.cost for item in parts), 1 + sum(item.size for item in parts))
        if isinstance(node, Select):
            inner = self.of(node.operand, sizes)
            return Estimate(inner.cost + 1, 1 if node.test else inner.size)
        if isinstance(node, Ident):
            return Estimate(1, sizes.get(node.name, 1))
        return Estimate(1, 1 + node.length / _CHARACTERS)

    def _comprehension(self, node: Comprehension, sizes: Mapping[str, float]) -> Estimate:
        source, initial = self.of(node.range, sizes), self.of(node.initial, sizes)
        grown, cost = initial.size, source.cost + initial.cost
        if source.size:
            rounds = min(source.size, ITERATIONS)
            empty, full = self._step(node, sizes, 0), self._step(node, sizes, source.size)
            cost += rounds * empty.cost + (full.cost - empty.cost)
            grown += rounds * empty.size + (full.size - empty.size)
        result = self.of(node.result, {**sizes, node.accumulator: grown})
        return Estimate(cost + result.cost, result.size)

    def _step(self, node: Comprehension, sizes: Mapping[str, float], element: float) -> Estimate:
        """One iteration over an element of a size."""
        inner = {**sizes, node.accumulator: 0, **dict.fromkeys(node.variables, element)}
        condition, step = self.of(node.condition, inner), self.of(node.step, inner)
        return Estimate(condition.cost + step.cost, step.size)


def _call(function: str, parts: list[Estimate]) -> Estimate:
    total = sum(item.size for item in parts)
    cost = 1 + sum(item.cost for item in parts)
    result = 1.0 if function in _TRUTH else max(1.0, total)
    if function in _EQUALITIES:
        cost += min(item.size for item in parts)
    elif function in ("sets.contains", "sets.equivalent", "sets.intersects"):
        cost += parts[0].size * parts[1].size
    elif function in _LINEAR:
        cost += total
    elif function not in _NATIVE:
        cost += _FUNCTION + total
    if function in ("join", "replace") and len(parts) > 1:
        # The separator, or the replacement, may come once for each character.
        result = parts[0].size * _CHARACTERS * max(1.0, parts[-1].size)
        cost += result
    return Estimate(cost, result)
