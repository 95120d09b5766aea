"""Label and field selectors: their text grammar, their object form and their matching.

Grammar and meaning of k8s.io/apimachinery/pkg/labels and pkg/fields.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tricenter.apimachinery import alike, names

_TOKEN = re.compile(r"\s*(?:(==|!=|=|!|<|>|\(|\)|,)|([^\s=!<>(),]+))")
_INT = re.compile(r"[+-]?[0-9]+")
_EQUAL = {"=": "in", "==": "in", "!=": "notin"}
_OBJECT_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


class SelectorError(ValueError):
    """The text or object is no selector."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label; operator is one of: in, notin, exists, !, gt, lt."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "in":
                return value is not None and value in self.values
            case "notin":
                return value is None or value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
        if value is None or not _INT.fullmatch(value):
            return False
        (bound,) = self.values
        return int(value) > int(bound) if self.operator == "gt" else int(value) < int(bound)

    def __str__(self) -> str:
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case "gt" | "lt":
                return f"{self.key}{'>' if self.operator == 'gt' else '<'}{''.join(self.values)}"
        if len(self.values) == 1:
            return f"{self.key}{'=' if self.operator == 'in' else '!='}{''.join(self.values)}"
        return f"{self.key} {self.operator} ({','.join(sorted(self.values))})"


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All requirements must hold; no requirements match everything, `nothing` matches nothing."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    @property
    def empty(self) -> bool:
        """Whether every object matches."""
        return not self.requirements and not self.nothing

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        if self.nothing:
            return False
        labels = labels or {}
        return all(requirement.matches(labels) for requirement in self.requirements)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


EVERYTHING = LabelSelector()
NOTHING = LabelSelector(nothing=True)


class _Parser:
    """Recursive descent over the tokens of a label selector."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text.rstrip()):
            match = _TOKEN.match(text, position)
            if match is None:
                raise SelectorError(f"unable to parse selector {text!r}")
            self.tokens.append(("op", match[1]) if match[1] else ("word", match[2]))
            position = match.end()
        self.at = 0

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def next(self) -> tuple[str, str]:
        token = self.peek()
        self.at += 1
        return token

    def expect_word(self, what: str) -> str:
        kind, value = self.next()
        if kind != "word":
            raise SelectorError(f"unable to parse requirement: found '{value}', expected: {what}")
        return value

    def parse(self) -> tuple[Requirement, ...]:
        found: list[Requirement] = []
        if self.peek()[0] == "end":
            return ()
        while True:
            found.append(self.requirement())
            kind, value = self.next()
            if kind == "end":
                return tuple(sorted(found, key=lambda requirement: requirement.key))
            if value != ",":
                raise SelectorError(f"unable to parse requirement: found '{value}', expected: ',' or 'end of string'")
            if self.peek()[0] == "end":
                raise SelectorError("unable to parse requirement: found '', expected: identifier after ','")

    def requirement(self) -> Requirement:
        if self.peek() == ("op", "!"):
            self.next()
            return _checked(self.expect_word("identifier"), "!")
        key = self.expect_word("!, identifier, or 'end of string'")
        kind, value = self.peek()
        if kind == "end" or value == ",":
            return _checked(key, "exists")
        self.next()
        if value in _EQUAL:
            return _checked(key, _EQUAL[value], self.exact())
        if value in {"<", ">"}:
            return _checked(key, "lt" if value == "<" else "gt", self.exact())
        if kind == "word" and value in {"in", "notin"}:
            return _checked(key, value, *self.values())
        raise SelectorError(f"unable to parse requirement: found '{value}', expected: in, notin, =, ==, !=, gt, lt")

    def exact(self) -> str:
        kind, value = self.peek()
        if kind == "end" or value == ",":
            return ""
        return self.expect_word("identifier")

    def values(self) -> list[str]:
        if self.next() != ("op", "("):
            raise SelectorError("unable to parse requirement: expected: '('")
        found: list[str] = []
        value = ""
        while True:
            kind, text = self.next()
            if kind == "word" and not value:
                value = text
            elif kind == "op" and text in {",", ")"}:
                found.append(value)
                value = ""
                if text == ")":
                    return found
            else:
                raise SelectorError(f"unable to parse requirement: found '{text}', expected: ',', ')' or identifier")


def _checked(key: str, operator: str, *values: str) -> Requirement:
    for reason in names.qualified_name(key):
        raise SelectorError(f'unable to parse requirement: <nil>: Invalid value: "{key}": {reason}')
    for value in values:
        for reason in names.label_value(value):
            raise SelectorError(f'unable to parse requirement: values[0][{key}]: Invalid value: "{value}": {reason}')
        if operator in {"gt", "lt"} and not _INT.fullmatch(value):
            raise SelectorError(
                f"unable to parse requirement: values[0]: Invalid value: \"{value}\": for 'Gt', 'Lt' operators, the "
                "value must be an integer"
            )
    return Requirement(key, operator, frozenset(values))


@alike.remembered(512)
def parse_labels(text: str) -> LabelSelector:
    """Read `a=b,c in (d,e),!f`; the empty text matches everything. Raises SelectorError."""
    return LabelSelector(_Parser(text).parse())


def from_object(selector: Mapping[str, Any] | None) -> LabelSelector:
    """A `metav1.LabelSelector`: None matches nothing, an empty one everything. Raises SelectorError."""
    if selector is None:
        return NOTHING
    found = [Requirement(key, "in", frozenset((value,))) for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        operator = _OBJECT_OPERATORS.get(expression.get("operator", ""))
        if operator is None:
            raise SelectorError(f'"{expression.get("operator")}" is not a valid label selector operator')
        found.append(Requirement(expression["key"], operator, frozenset(expression.get("values") or ())))
    return LabelSelector(tuple(found))


def from_map(labels: Mapping[str, str] | None) -> LabelSelector:
    """The selector of a Service or ReplicationController: all labels equal; nothing where there are none."""
    if not labels:
        return NOTHING
    return LabelSelector(tuple(Requirement(key, "in", frozenset((value,))) for key, value in labels.items()))


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """One condition on one field: `equal` says whether the value must or must not be this one."""

    field: str
    equal: bool
    value: str

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")
        return f"{self.field}{'=' if self.equal else '!='}{escaped}"


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """All requirements must hold on the fields of an object; a field it does not have is the empty string."""

    requirements: tuple[FieldRequirement, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether every object matches."""
        return not self.requirements

    def matches(self, fields: Mapping[str, str]) -> bool:
        return all((fields.get(r.field, "") == r.value) is r.equal for r in self.requirements)

    def exact(self, field: str) -> str | None:
        """The value that `field` must have, None where any will do: lets a caller use an index."""
        return next((r.value for r in self.requirements if r.field == field and r.equal), None)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


_FIELD_TERM = re.compile(r"((?:[^,\\]|\\.)*)(?:,|$)", re.DOTALL)
_FIELD_OPERATOR = re.compile(r"!=|==|=")
_FIELD_ESCAPE = re.compile(r"\\(.)?", re.DOTALL)


@alike.remembered(512)
def parse_fields(text: str) -> FieldSelector:
    r"""Read `spec.nodeName=a,status.phase!=Running`; `\,`, `\=` and `\\` stand for themselves. Raises SelectorError."""
    found = [_field_term(term) for term in _split_terms(text) if term]
    return FieldSelector(tuple(found))


def _split_terms(text: str) -> list[str]:
    terms: list[str] = []
    position = 0
    while position < len(text):
        match = _FIELD_TERM.match(text, position)
        if match is None:
            raise SelectorError(f"invalid field selector: {text!r} ends in an escape")
        terms.append(match[1])
        position = match.end()
    return terms


def _field_term(term: str) -> FieldRequirement:
    operator = _FIELD_OPERATOR.search(term)
    if operator is None:
        raise SelectorError(f"invalid selector: '{term}'; can't understand '{term}'")
    raw = term[operator.end() :]
    if re.search(r"(?<!\\)(?:\\\\)*=", raw):
        raise SelectorError(f"invalid field selector: unescaped character in {raw!r}")
    return FieldRequirement(term[: operator.start()], operator[0] != "!=", _FIELD_ESCAPE.sub(_unescape, raw))


def _unescape(match: re.Match[str]) -> str:
    if match[1] not in {"\\", ",", "="}:
        raise SelectorError(f"invalid field selector: invalid escape sequence {match[0]!r}")
    return match[1]
