"""Permission checks of the requesting user: authorizer.group(..).resource(..).check(..) (library/authz.go).

The question is a map that the methods fill; `check` asks whoever evaluates the expression.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from tricenter.apimachinery.cel.library.function import MAP, Function, opaque, unwrap

_QUESTION, _DECISION = "kubernetes.authorization.Check", "kubernetes.authorization.Decision"

Question = dict[str, str]
Ask = Callable[[Question], tuple[bool, str]]
"""From `verb`, `group`, `resource`, `subresource`, `namespace`, `name`, `path`, `serviceAccount` to answer and reason.

A ValueError is an error of the decision."""

asking: ContextVar[Ask] = ContextVar("authorizer")
"""Who answers during an evaluation."""


def authorizer(request: Question) -> dict[str, Any]:
    """The value of the variable `authorizer`; `request` is the resource of the request that is looked at."""
    return {_QUESTION: {}, "requestResource": opaque(_QUESTION, request)}


def _with(key: str) -> Callable[..., dict[str, Any]]:
    def fill(value: dict[str, Any], text: str) -> dict[str, Any]:
        return opaque(_QUESTION, {**_question(value), key: text})

    return fill


def _question(value: dict[str, Any]) -> Question:
    question: Question = unwrap(_QUESTION, {_QUESTION: value[_QUESTION]} if _QUESTION in value else value)
    return question


def _account(value: dict[str, Any], namespace: str, name: str) -> dict[str, Any]:
    return opaque(_QUESTION, {**_question(value), "serviceAccount": f"system:serviceaccount:{namespace}:{name}"})


def _check(value: dict[str, Any], verb: str) -> dict[str, Any]:
    try:
        allowed, reason = asking.get()({**_question(value), "verb": verb})
    except ValueError as error:
        return opaque(_DECISION, {"allowed": False, "reason": "", "error": str(error)})
    return opaque(_DECISION, {"allowed": allowed, "reason": reason, "error": ""})


FUNCTIONS = (
    *(Function(key, (MAP, "string"), MAP, _with(key)) for key in ("path", "group", "resource", "subresource")),
    *(Function(key, (MAP, "string"), MAP, _with(key)) for key in ("namespace", "name")),
    Function("serviceAccount", (MAP, "string", "string"), MAP, _account),
    Function("check", (MAP, "string"), MAP, _check),
    Function("allowed", (MAP,), "bool", lambda value: unwrap(_DECISION, value)["allowed"]),
    Function("reason", (MAP,), "string", lambda value: unwrap(_DECISION, value)["reason"]),
    Function("errored", (MAP,), "bool", lambda value: unwrap(_DECISION, value)["error"] != ""),
    Function("error", (MAP,), "string", lambda value: unwrap(_DECISION, value)["error"]),
)
