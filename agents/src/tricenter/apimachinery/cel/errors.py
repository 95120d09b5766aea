"""Errors of CEL.

CelError
 ├─ CompileError        the text is no expression, or its types do not fit
 └─ EvaluationError     the expression has no value: a missing key, a division by zero
     └─ CostExceeded    it would take too long

The library words some errors differently than cel-go does; clients know the words of cel-go.
"""

# ruff: noqa: N818 - a cost is exceeded

from __future__ import annotations

import re

_STATUS = re.compile(r"^[A-Z_]+: ")
_STATUS_AFTER = re.compile(r" \[[A-Z_]+\]$")
_WORDS = (
    (re.compile(r"Key not found in map : \"?([^\"]*)\"?"), r"no such key: \1"),
    (re.compile(r"No matching overloads found : .*", re.DOTALL), "no such overload"),
    (re.compile(r"Applying SELECT to non-message type"), "no such overload"),
    (re.compile(r"Index error: index=(-?\d+) size=\d+"), r"index out of bounds: \1"),
    (re.compile(r"divide by zero"), "division by zero"),
)
_OVER_BUDGET = "Iteration budget exceeded"


class CelError(Exception):
    """What went wrong with an expression."""


class CompileError(CelError):
    """The expression cannot be compiled."""


class EvaluationError(CelError):
    """The expression has no value for these bindings."""


class CostExceeded(EvaluationError):
    """The evaluation would cost more than it may."""

    def __init__(self) -> None:
        super().__init__("operation cancelled: actual cost limit exceeded")


def compilation(text: str) -> CompileError:
    """The error for what the library says about an expression."""
    return CompileError(f"compilation failed: {_STATUS_AFTER.sub('', _STATUS.sub('', text)).rstrip()}")


def evaluation(text: str) -> EvaluationError:
    """The error for what the library says about an evaluation."""
    if _OVER_BUDGET in text:
        return CostExceeded()
    text = _STATUS_AFTER.sub("", _STATUS.sub("", text))
    for pattern, words in _WORDS:
        text = pattern.sub(words, text)
    return EvaluationError(text)
