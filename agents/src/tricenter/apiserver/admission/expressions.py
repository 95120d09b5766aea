"""CEL in admission: the variables of a request and match conditions (KEP-3488, KEP-3716)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from tricenter.apimachinery import cel
from tricenter.apimachinery.cel.variables import ADMISSION
from tricenter.apiserver.admission import requests
from tricenter.apiserver.admission.requests import View
from tricenter.apiserver.auth.authorize import Authorizer
from tricenter.apiserver.auth.rbac import Request
from tricenter.apiserver.auth.user import AUTHENTICATED, SERVICE_ACCOUNT_PREFIX, SERVICE_ACCOUNTS, User

Object = dict[str, Any]

_SECONDS = 0.5
"""Processor time of all expressions of a policy together; upstream's RuntimeCELCostBudget comes to about as much."""
_ASKED = ("group", "resource", "subresource", "namespace", "name", "path")


def budget() -> float:
    """Until when a policy may be evaluated that begins now."""
    return time.thread_time() + _SECONDS


def values(seen: View, authorizer: Authorizer, *, until: float, **more: Any) -> cel.Bindings:
    """What expressions about a request may use; `more` are namespaceObject, params and variables."""
    from tricenter.apimachinery.cel.library.authorizer import authorizer as variable  # noqa: PLC0415 - see environment

    call = seen.attributes.call
    info = call.info
    own = {"group": info.group, "resource": info.resource, "subresource": info.subresource}
    own |= {"namespace": info.namespace, "name": seen.attributes.name}
    found = {
        "object": seen.obj,
        "oldObject": seen.old,
        "request": requests.request(seen),
        "authorizer": variable({key: value for key, value in own.items() if value}),
        "namespaceObject": None,
        "params": None,
        "variables": {},
        **more,
    }
    return cel.Bindings(found, lambda question: _decide(authorizer, call.user, question), until=until)


def _decide(authorizer: Authorizer, user: User, question: Mapping[str, str]) -> tuple[bool, str]:
    account = question.get("serviceAccount")
    if account:
        namespace = account.removeprefix(SERVICE_ACCOUNT_PREFIX).partition(":")[0]
        user = User(account, groups=(SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}", AUTHENTICATED))
    asked: dict[str, Any] = {key: question[key] for key in _ASKED if key in question}
    decision = authorizer.decide(Request(user=user, verb=question["verb"], **asked))
    return decision.allowed, decision.reason


def evaluate(expression: str, bindings: cel.Bindings) -> Any:
    """The value of an expression of a configuration. Raises CelError, worded as upstream's."""
    try:
        return cel.compile(expression, ADMISSION).evaluate(bindings)
    except cel.CostExceeded as error:
        text = "validation failed due to running out of cost budget, no further validation rules will be run"
        raise cel.EvaluationError(text) from error
    except cel.EvaluationError as error:
        raise cel.EvaluationError(f"expression '{expression}' resulted in error: {error}") from error


def conditions_hold(conditions: Iterable[Mapping[str, str]], bindings: cel.Bindings) -> bool:
    """Whether all match conditions hold: one that is false decides, else an error does (matchconditions/matcher.go).

    Raises CelError.
    """
    problems: list[str] = []
    for condition in conditions:
        try:
            if evaluate(condition["expression"], bindings) is False:
                return False
        except cel.CelError as error:
            problems.append(str(error))
    if problems:
        raise cel.EvaluationError(problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")
    return True
