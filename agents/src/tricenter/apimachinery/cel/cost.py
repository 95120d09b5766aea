"""An upper bound of the work that an evaluation takes, known before it starts.

Upstream counts costs while it evaluates (k8s.io/apiserver/pkg/cel/limits.go); the library here counts only iterations.
So the bound is computed from the sizes of the bindings: a value has the size of all its elements and characters, a
comprehension over a range of size S makes at most min(S, limit) iterations, and what its step costs grows at least
linearly with the size of the element, so that elements which together have size S cost together at most what one
element of size S costs, on top of the constant part of each iteration.

One unit is about 50 ns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tricenter.apimachinery.cel.ast import Call, Comprehension, Constant, Ident, Literal, Node, Select

LIMIT = 10_000_000
"""k8s.io/apiserver/pkg/apis/cel RuntimeCELCostBudget; half a second here."""

ITERATIONS = 10_000
"""What the library allows all comprehensions of an evaluation together."""

HUGE = 1_000_000
"""The size of the largest object that a request can bring."""

_CHARACTERS = 8
"""So many characters weigh as much as one element."""

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
    """The most that an evaluation can cost."""
    return _estimate(node, sizes).cost


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


def _estimate(node: Node, sizes: Mapping[str, float]) -> Estimate:
    if isinstance(node, Constant):
        return Estimate(1, 1 + node.length / _CHARACTERS)
    if isinstance(node, Ident):
        return Estimate(1, sizes.get(node.name, 1))
    if isinstance(node, Select):
        inner = _estimate(node.operand, sizes)
        return Estimate(inner.cost + 1, 1 if node.test else inner.size)
    if isinstance(node, Literal):
        parts = [_estimate(item, sizes) for item in node.elements]
        return Estimate(1 + sum(item.cost for item in parts), 1 + sum(item.size for item in parts))
    if isinstance(node, Call):
        return _call(node.function, [_estimate(item, sizes) for item in node.arguments])
    return _comprehension(node, sizes)


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


def _comprehension(node: Comprehension, sizes: Mapping[str, float]) -> Estimate:
    source = _estimate(node.range, sizes)
    initial = _estimate(node.initial, sizes)
    rounds = min(source.size, ITERATIONS)
    empty = _step(node, {**sizes, node.accumulator: 0, **dict.fromkeys(node.variables, 0)})
    full = _step(node, {**sizes, node.accumulator: 0, **dict.fromkeys(node.variables, source.size)})
    cost = rounds * empty.cost + (full.cost - empty.cost)
    grown = rounds * empty.size + (full.size - empty.size) + initial.size
    result = _estimate(node.result, {**sizes, node.accumulator: grown})
    return Estimate(source.cost + initial.cost + cost + result.cost, result.size)


def _step(node: Comprehension, sizes: Mapping[str, float]) -> Estimate:
    condition, step = _estimate(node.condition, sizes), _estimate(node.step, sizes)
    return Estimate(condition.cost + step.cost, step.size)
