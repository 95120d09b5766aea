"""Rules of custom resources in CEL: `x-kubernetes-validations` (KEP-2876, KEP-4008).

Upstream's apiextensions-apiserver pkg/apiserver/schema/cel: compilation.go, validation.go.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tricenter.apimachinery import cel, fielderrors
from tricenter.apimachinery.cel import names
from tricenter.apimachinery.cel import schema as typed
from tricenter.apimachinery.fielderrors import FieldError
from tricenter.apimachinery.structural import fieldpaths, maplists
from tricenter.apimachinery.structural.defaulting import Schema, properties

RULES = "x-kubernetes-validations"
_SELF, _OLD = "self", "oldSelf"
_HAS_OLD = "hasOldSelf__"
_SECONDS = 0.5
"""Processor time that all rules of an object may take together; upstream counts costs, which come to about as much."""
_MESSAGE_MAX = 5 * 1024
_RESOURCE = ("apiVersion", "kind", "metadata")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, compiled."""

    source: Mapping[str, Any]
    program: cel.Program
    message: cel.Program | None
    path: str
    """Where below its node the rule reports, `.spec.size`; empty for the node itself."""
    transition: bool
    """Whether it compares with the old value."""
    optional: bool
    """Whether it is evaluated although there is no old value."""


@dataclass(slots=True)
class Node:
    """The rules of a value and of what is inside it."""

    schema: Schema
    root: bool
    rules: list[Rule] = field(default_factory=list)
    fields: dict[str, "Node"] = field(default_factory=dict)
    items: "Node | None" = None
    values: "Node | None" = None


def compiled(schema: Schema, *, root: bool = True) -> Node | None:
    """All rules of a schema; None where there is none. Rules that cannot be compiled are left out."""
    node = Node(schema, root)
    for source in schema.get(RULES) or ():
        try:
            node.rules.append(rule(source, schema, root=root))
        except cel.CompileError:  # refused when the definition was written; one from elsewhere binds nobody
            continue
    for name, child in properties(schema).items():
        if (found := compiled(child, root=False)) is not None:
            node.fields[name] = found
    if isinstance(schema.get("items"), Mapping):
        node.items = compiled(schema["items"], root=False)
    if isinstance(schema.get("additionalProperties"), Mapping):
        node.values = compiled(schema["additionalProperties"], root=False)
    return node if node.rules or node.fields or node.items or node.values else None


def rule(source: Mapping[str, Any], schema: Schema, *, root: bool) -> Rule:
    """Compile one rule. Raises CompileError."""
    program = _program(str(source.get("rule", "")), source, schema)
    if program.returns not in ("bool", "dyn"):
        raise cel.CompileError("cel expression must evaluate to a bool")
    _check_fields(program, schema, root=root)
    found = fieldpaths.resolve(schema, str(source.get("fieldPath") or ""))
    path = "" if isinstance(found, str) else found.path
    return Rule(
        source=source,
        program=program,
        message=message(source, schema) if source.get("messageExpression") else None,
        path=path,
        transition=program.uses(_OLD),
        optional=bool(source.get("optionalOldSelf")),
    )


def message(source: Mapping[str, Any], schema: Schema) -> cel.Program:
    """Compile the messageExpression of a rule. Raises CompileError."""
    try:
        program = _program(str(source["messageExpression"]), source, schema, wraps="map")
    except cel.CompileError as error:
        raise cel.CompileError(f"messageExpression {error}") from None
    if program.returns not in ("string", "dyn"):
        raise cel.CompileError("messageExpression must evaluate to a string")
    return program


def _program(text: str, source: Mapping[str, Any], schema: Schema, *, wraps: str = "all") -> cel.Program:
    kind = typed.declared(schema)
    if not source.get("optionalOldSelf"):
        return cel.compile(text, {_SELF: kind, _OLD: kind})
    # The engine has no variables of optional types; a macro over one element gives the name such a value.
    plain = cel.compile(text, {_SELF: kind, _OLD: "dyn"})
    if not plain.uses(_OLD):
        return plain
    given = f"[{_HAS_OLD} ? optional.of({_OLD}) : optional.none()]"
    wrapped = f"{given}.{wraps}({_OLD}, {text}\n)"
    return cel.compile(wrapped if wraps == "all" else f"{wrapped}[0]", {_SELF: kind, _OLD: "dyn", _HAS_OLD: "bool"})


def _check_fields(program: cel.Program, schema: Schema, *, root: bool) -> None:
    """Objects are dynamic to the engine, so the fields of `self` are looked up here. Raises CompileError."""
    if schema.get("type") != "object" or isinstance(schema.get("additionalProperties"), Mapping):
        return
    known = {names.escape(name) for name in properties(schema)}
    if root or schema.get("x-kubernetes-embedded-resource"):
        known |= set(_RESOURCE)
    for name in sorted(program.fields_of(_SELF) - known):
        raise cel.CompileError(f"compilation failed: undefined field '{name}'")


# --- evaluation ---


class _OutOfBudget(Exception):  # noqa: N818  # ends the walk
    pass


def problems(node: Node | None, new: Any, old: Any = None) -> list[FieldError]:
    """What the rules refuse in an object (`old` is None for a new one)."""
    if node is None:
        return []
    found: list[FieldError] = []
    deadline = time.thread_time() + _SECONDS
    try:
        found.extend(_walk(node, new, old, "", deadline, same=old is not None and old == new))
    except _OutOfBudget:
        detail = "validation failed due to running out of cost budget, no further validation rules will be run"
        found.append(_invalid("", "object", detail))
    return found


def _walk(node: Node, new: Any, old: Any, path: str, deadline: float, *, same: bool) -> Iterator[FieldError]:
    """`same`: this value or one around it is what it was, and only rules about the change are looked at."""
    if new is None:
        return
    if time.thread_time() > deadline:
        raise _OutOfBudget
    yield from _evaluate(node, new, old, path, same=same)
    if isinstance(new, dict):
        before = old if isinstance(old, dict) else {}
        for name, value in new.items():
            below = node.fields.get(name) or node.values
            if below is not None:
                where = f"{path}.{name}" if name in node.fields else f"{path}[{name}]"
                unchanged = same or (name in before and before[name] == value)
                yield from _walk(below, value, before.get(name), where, deadline, same=unchanged)
    elif isinstance(new, list) and node.items is not None:
        known = maplists.indexed(old, node.schema)
        for index, value in enumerate(new):
            counterpart = known.get(maplists.identity(value, node.schema) or b"")
            unchanged = same or (counterpart is not None and counterpart == value)
            yield from _walk(node.items, value, counterpart, f"{path}[{index}]", deadline, same=unchanged)


def _evaluate(node: Node, new: Any, old: Any, path: str, *, same: bool) -> Iterator[FieldError]:
    wanted = [
        rule
        for rule in node.rules
        if (rule.transition and (old is not None or rule.optional)) or (not rule.transition and not same)
    ]
    if not wanted:
        return
    bindings = _bindings(node, new, old)
    for found in wanted:
        error = _verdict(found, bindings, str(node.schema.get("type", "")), path)
        if error is not None:
            yield error


def _bindings(node: Node, new: Any, old: Any) -> cel.Bindings:
    def bound(value: Any) -> Any:
        return typed.bind(value, node.schema, resource=node.root)

    before = bound(new if old is None else old)
    return cel.Bindings({_SELF: bound(new), _OLD: before, _HAS_OLD: old is not None})


def _verdict(found: Rule, bindings: cel.Bindings, kind: str, path: str) -> FieldError | None:
    source = found.source
    text = str(source.get("message") or source["rule"]).strip()
    try:
        if found.program.evaluate(bindings) is True:
            return None
    except cel.CostExceeded as error:
        detail = f"'{error}': no further validation rules will be run due to call cost exceeds limit for rule: {text}"
        return _invalid(path, kind, detail)
    except cel.EvaluationError as error:
        if str(error).startswith("no such overload"):
            detail = f"'{error}': call arguments did not match a supported operator, function or macro signature"
            return _invalid(path, kind, f"{detail} for rule: {text}")
        return _invalid(path, kind, f"{error} evaluating rule: {text}")
    detail = _message(found, bindings) or str(source.get("message") or "").strip() or f"failed rule: {text}"
    return _refusal(f"{path}{found.path}", kind, detail, source.get("reason"))


def _message(found: Rule, bindings: cel.Bindings) -> str:
    """What the messageExpression says, nothing where it fails."""
    if found.message is None:
        return ""
    try:
        value = found.message.evaluate(bindings)
    except cel.EvaluationError:
        return ""
    text = value.strip() if isinstance(value, str) else ""
    return text if "\n" not in text and len(text.encode()) <= _MESSAGE_MAX else ""


def _refusal(path: str, kind: str, detail: str, reason: str | None) -> FieldError:
    where = path.removeprefix(".") or "<nil>"
    if reason == fielderrors.REASON_FORBIDDEN:
        return fielderrors.forbidden(where, detail)
    if reason == fielderrors.REASON_REQUIRED:
        return fielderrors.required(where, detail)
    if reason == fielderrors.REASON_DUPLICATE:
        return fielderrors.duplicate(where, kind)
    return fielderrors.invalid(where, kind, detail)


def _invalid(path: str, kind: str, detail: str) -> FieldError:
    return _refusal(path, kind, detail, None)
