"""Compiled expressions and their evaluation."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tricenter.apimachinery.cel import ast, cost, errors, values

if TYPE_CHECKING:
    from cel_expr_python import cel

    from tricenter.apimachinery.cel.library.authorizer import Ask

MAX_LENGTH = 64 * 1024
"""Characters of an expression; the engine's parser stops at 32 levels of nesting by itself."""


class Bindings:
    """Values of variables, measured and handed to the engine once however many expressions are evaluated on them.

    `ask` answers what expressions ask the variable `authorizer`. Once this thread has used as much processor time as
    `until` says (time.thread_time), nothing more is evaluated.
    """

    def __init__(self, values: Mapping[str, Any], ask: Ask | None = None, *, until: float = math.inf) -> None:
        self.values = values
        self.ask = ask
        self.until = until
        self._sizes: dict[str, float] = {}
        self._activations: dict[cel.Env, cel.Activation] = {}

    def sizes(self) -> Mapping[str, float]:
        """How large each value is, for the bound of the cost."""
        if not self._sizes:
            self._sizes = {name: cost.size(value) for name, value in self.values.items()}
        return self._sizes

    def activation(self, environment: cel.Env) -> cel.Activation:
        """The engine's form of the values."""
        found = self._activations.get(environment)
        if found is None:
            found = self._activations[environment] = environment.Activation(dict(self.values))
        return found


def bindable(value: Any) -> Any:
    """A value that came out of an expression as it may go into another one."""
    if isinstance(value, dict):
        return {key: bindable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [bindable(item) for item in value]
    if isinstance(value, bytearray):
        return bytes(value)
    return values.native(value)


class Program:
    """An expression, ready to be evaluated."""

    def __init__(self, environment: cel.Env, expression: cel.Expression, variables: tuple[str, ...]) -> None:
        self._environment = environment
        self._expression = expression
        self._tree = ast.parse(expression.serialize())
        self.returns: str = expression.return_type().name().lower()
        """The type of the value: `bool`, `string`, ... or `dyn` where it is not known before."""
        self._variables = variables
        # An expression that stays below the limit for anything a request can bring needs no measuring.
        self._harmless_to = cost.HUGE if self._bound(cost.HUGE) <= cost.LIMIT else 0.0

    def fields_of(self, variable: str) -> set[str]:
        """The fields of a variable that the expression names: for `variables.a && variables.b` these are a and b."""
        return {
            node.field
            for node in ast.walk(self._tree)
            if isinstance(node, ast.Select) and node.operand == ast.Ident(variable)
        }

    def uses(self, variable: str) -> bool:
        """Whether the expression mentions a variable."""
        return ast.Ident(variable) in ast.walk(self._tree)

    def _bound(self, size: float) -> float:
        """The most that an evaluation can cost when no value is larger."""
        return cost.bound(self._tree, dict.fromkeys(self._variables, size))

    def _check_cost(self, sizes: Mapping[str, float]) -> None:
        """Raise CostExceeded; the largest size that was found harmless is remembered, for most values are small."""
        largest = max(sizes.values(), default=0.0)
        if largest <= self._harmless_to:
            return
        if self._bound(largest) <= cost.LIMIT:
            self._harmless_to = largest
        elif cost.bound(self._tree, sizes) > cost.LIMIT:
            raise errors.CostExceeded

    def evaluate(self, given: Mapping[str, Any] | Bindings) -> Any:
        """The value for these bindings, of None, bool, int, float, str, bytes, list, dict, datetime and timedelta.

        Raises EvaluationError; CostExceeded before anything is done for what would take too long.
        """
        bindings = given if isinstance(given, Bindings) else Bindings(given)
        if bindings.until < math.inf and time.thread_time() > bindings.until:
            raise errors.CostExceeded
        if self._harmless_to < cost.HUGE:
            self._check_cost(bindings.sizes())
        token = _asking(bindings.ask)
        try:
            value = self._expression.eval(bindings.activation(self._environment))
            kind, plain = value.type().name(), value.plain_value()
        except (RuntimeError, TypeError) as error:
            raise errors.evaluation(str(error)) from None
        finally:
            if token is not None:
                token.var.reset(token)
        if kind == "ERROR":
            raise errors.evaluation(str(plain))
        return plain


def _asking(ask: Ask | None) -> Any:
    if ask is None:
        return None
    from tricenter.apimachinery.cel.library import authorizer  # noqa: PLC0415 - only with the engine

    return authorizer.asking.set(ask)


@lru_cache(maxsize=1024)
def _compiled(expression: str, variables: tuple[tuple[str, str], ...]) -> Program:
    from tricenter.apimachinery.cel.environment import environment  # noqa: PLC0415 - 20 MB, for who has expressions

    env = environment(variables)
    try:
        return Program(env, env.compile(expression), tuple(name for name, _ in variables))
    except RuntimeError as error:
        raise errors.compilation(str(error)) from None


def compile(expression: str, variables: Mapping[str, str], returns: str = "") -> Program:  # noqa: A001 - cel.compile
    """A Program of an expression over variables of these types (`dyn`, `int`, `list(string)`, `map(string, dyn)`).

    `returns` demands a type; `dyn`, which is known only when it is evaluated, passes. Raises CompileError.
    """
    if len(expression) > MAX_LENGTH:
        raise errors.CompileError(f"compilation failed: expression is longer than {MAX_LENGTH} characters")
    program = _compiled(expression, tuple(sorted(variables.items())))
    if returns and program.returns not in (returns, "dyn"):
        raise errors.CompileError(f"must evaluate to {returns}")
    return program
