"""What a policy says of a request (plugin/policy/validating/validator.go)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tricenter.apimachinery import cel
from tricenter.apiserver.admission import expressions
from tricenter.apiserver.admission.policies.definitions import Policy
from tricenter.apiserver.admission.requests import View
from tricenter.apiserver.auth.authorize import Authorizer

Object = dict[str, Any]

_MAX_MESSAGE = 5 * 1024
_MAX_ANNOTATION = 10 * 1024


@dataclass(frozen=True)
class Denial:
    """A validation that does not hold; `index` is its place in the policy."""

    message: str
    reason: str = "Invalid"
    index: int = 0


@dataclass
class Outcome:
    """What came of a policy for one parameter."""

    denials: list[Denial] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)
    annotation_errors: list[str] = field(default_factory=list)


def evaluate(policy: Policy, seen: View, authorizer: Authorizer, **values: Any) -> Outcome:
    """Evaluate a policy; `values` are params and namespaceObject. Failures deny unless the policy ignores them."""
    outcome = Outcome()
    scope = _Scope(policy, seen, authorizer, values)
    try:
        if not expressions.conditions_hold(policy.conditions, scope.bindings):
            return outcome
    except cel.CelError as error:
        outcome.denials += _failed(policy, str(error), 0)
        return outcome
    for index, validation in enumerate(policy.validations):
        try:
            if scope.value(validation["expression"]) is not True:
                reason = validation.get("reason") or "Invalid"
                outcome.denials.append(Denial(_message(validation, scope), reason, index))
        except cel.CelError as error:
            outcome.denials += _failed(policy, str(error), index)
    _annotate(policy, scope, outcome)
    return outcome


def _failed(policy: Policy, text: str, index: int) -> Iterator[Denial]:
    if not policy.ignores_failure:
        yield Denial(text, index=index)


class _Scope:
    """The variables of one evaluation.

    Variables of the policy are evaluated first, each from those before it. One that fails is left out, for nobody may
    need it: whoever does fails over the missing key, and is told why it is missing.
    """

    def __init__(self, policy: Policy, seen: View, authorizer: Authorizer, values: Mapping[str, Any]) -> None:
        self._failures: dict[str, str] = {}
        variables: Object = {}
        until = expressions.budget()
        self.bindings = expressions.values(seen, authorizer, until=until, **values, variables=variables)
        for name, expression in policy.variables.items():
            try:
                variables[name] = cel.bindable(self.value(expression))
            except cel.CelError as error:
                self._failures[name] = str(error)
            self.bindings = expressions.values(seen, authorizer, until=until, **values, variables=dict(variables))

    def value(self, expression: str) -> Any:
        """The value of an expression. Raises CelError."""
        try:
            return expressions.evaluate(expression, self.bindings)
        except cel.EvaluationError as error:
            for name, why in self._failures.items():
                if f"no such key: {name}" in str(error):
                    text = f'composited variable "{name}" fails to evaluate: {why}'
                    raise cel.EvaluationError(f"expression '{expression}' resulted in error: {text}") from error
            raise


def _message(validation: Mapping[str, str], scope: _Scope) -> str:
    """The message of a denial: the expression's if it has a proper one, else the fixed one, else what failed."""
    if validation.get("messageExpression"):
        try:
            value = scope.value(validation["messageExpression"])
        except cel.CelError:
            value = None
        text = value.strip() if isinstance(value, str) else ""
        if text and len(text) <= _MAX_MESSAGE and "\n" not in text:
            return text
    return validation.get("message", "").strip() or f"failed expression: {validation['expression'].strip()}"


def _annotate(policy: Policy, scope: _Scope, outcome: Outcome) -> None:
    for annotation in policy.annotations:
        expression = annotation["valueExpression"]
        try:
            value = scope.value(expression)
        except cel.CelError as error:
            if not policy.ignores_failure:
                outcome.annotation_errors.append(str(error))
            continue
        if isinstance(value, str):
            if value.strip():
                outcome.annotations[annotation["key"]] = value.strip()[:_MAX_ANNOTATION]
        elif value is not None:
            outcome.annotation_errors.append(
                f"valueExpression '{expression}' resulted in unsupported return type: {type(value).__name__}. "
                "Return type must be either string or null."
            )
