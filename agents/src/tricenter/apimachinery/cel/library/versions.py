"""Semantic versions, and the comparisons that they share with quantities (library/semverlib.go, quantity.go)."""

from __future__ import annotations

import re
from typing import Any

from tricenter.apimachinery import quantity
from tricenter.apimachinery.cel.library import quantities
from tricenter.apimachinery.cel.library.function import MAP, Function, opaque, unwrap

_KIND = "kubernetes.Semver"
_NUMBER = r"(0|[1-9]\d*)"
_WORDS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_PATTERN = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_WORDS}))?(?:\+{_WORDS})?", re.ASCII)


def _match(text: str) -> re.Match[str]:
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(f'invalid semantic version "{text}"')
    return match


def _normal(text: str) -> str:
    """Without `v` and leading zeros, with all three numbers (semverlib.go normalizeAndParse)."""
    numbers, mark, rest = re.fullmatch(r"v?([0-9.]*)([-+]?)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    parts = [part.lstrip("0") or "0" for part in numbers.split(".")] if numbers else []
    return ".".join([*parts, *["0"] * (3 - len(parts))]) + mark + rest


def _semver(text: str, normalize: bool = False) -> dict[str, Any]:
    text = _normal(text) if normalize else text
    _match(text)
    return opaque(_KIND, text)


def _is_semver(text: str, normalize: bool = False) -> bool:
    return _PATTERN.fullmatch(_normal(text) if normalize else text) is not None


def _rank(value: dict[str, Any]) -> tuple[Any, ...]:
    """What versions are ordered by (semver.org, rule 11)."""
    match = _match(unwrap(_KIND, value))
    words = [(0, int(word), "") if word.isdigit() else (1, 0, word) for word in (match[4] or "").split(".") if word]
    return (int(match[1]), int(match[2]), int(match[3]), not words, words)


def _compare(first: dict[str, Any], second: dict[str, Any]) -> int:
    if quantities.KIND in first:
        one: Any = quantity.parse(unwrap(quantities.KIND, first))
        other: Any = quantity.parse(unwrap(quantities.KIND, second))
    else:
        one, other = _rank(first), _rank(second)
    return int(one > other) - int(one < other)


FUNCTIONS = (
    Function("semver", ("string",), MAP, _semver, member=False),
    Function("semver", ("string", "bool"), MAP, _semver, member=False),
    Function("isSemver", ("string",), "bool", _is_semver, member=False),
    Function("isSemver", ("string", "bool"), "bool", _is_semver, member=False),
    Function("major", (MAP,), "int", lambda value: _rank(value)[0]),
    Function("minor", (MAP,), "int", lambda value: _rank(value)[1]),
    Function("patch", (MAP,), "int", lambda value: _rank(value)[2]),
    Function("compareTo", (MAP, MAP), "int", _compare),
    Function("isLessThan", (MAP, MAP), "bool", lambda first, second: _compare(first, second) < 0),
    Function("isGreaterThan", (MAP, MAP), "bool", lambda first, second: _compare(first, second) > 0),
)
