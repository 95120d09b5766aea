"""Rules of custom resources in CEL: what they refuse, how they word it, and which of them a definition may have."""

from __future__ import annotations

from typing import Any

import pytest

from tricenter.apimachinery.structural import expressions
from tricenter.apimachinery.validation import expressions as definitions

Object = dict[str, Any]

_ITEM: Object = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "size": {"type": "integer", "x-kubernetes-validations": [{"rule": "self >= oldSelf", "message": "shrinks"}]},
    },
}
_SCHEMA: Object = {
    "type": "object",
    "x-kubernetes-validations": [{"rule": "self.metadata.name.startsWith('w')"}],
    "properties": {
        "spec": {
            "type": "object",
            "x-kubernetes-validations": [
                {
                    "rule": "self.min <= self.max",
                    "message": "static",
                    "messageExpression": "'%d is more than %d'.format([self.min, self.max])",
                    "fieldPath": ".max",
                },
            ],
            "properties": {
                "min": {"type": "integer", "default": 0},
                "max": {"type": "integer", "default": 9},
                "name": {
                    "type": "string",
                    "x-kubernetes-validations": [
                        {"rule": "self == oldSelf", "message": "is fixed", "reason": "FieldValueForbidden"}
                    ],
                },
                "grows": {
                    "type": "integer",
                    "x-kubernetes-validations": [
                        {"rule": "!oldSelf.hasValue() || self >= oldSelf.value()", "optionalOldSelf": True}
                    ],
                },
                "map": {
                    "type": "object",
                    "additionalProperties": {"type": "string", "x-kubernetes-validations": [{"rule": "self != 'x'"}]},
                },
                "items": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["id"],
                    "items": _ITEM,
                },
                "port": {
                    "x-kubernetes-int-or-string": True,
                    "x-kubernetes-validations": [{"rule": "type(self) == string || self > 0"}],
                },
                "broken": {
                    "type": "string",
                    "x-kubernetes-validations": [{"rule": "self.split(',')[3] == 'a'", "message": "no fourth"}],
                },
            },
        },
    },
}
_RULES = expressions.compiled(_SCHEMA)


def widget(name: str = "w", /, **spec: Any) -> Object:
    return {"metadata": {"name": name}, "spec": {"min": 0, "max": 9, **spec}}


@pytest.mark.parametrize(
    ("new", "old", "wanted"),
    [
        (widget(name="a", port="http", map={"a": "b"}), None, []),
        (widget("x"), None, ["<nil>: Invalid value: \"object\": failed rule: self.metadata.name.startsWith('w')"]),
        (widget(min=10), None, ['spec.max: Invalid value: "object": 10 is more than 9']),
        (widget(name="b"), widget(name="a"), ["spec.name: Forbidden: is fixed"]),
        (widget(name="b"), widget(), []),
        (widget(grows=1), widget(grows=2), [
            'spec.grows: Invalid value: "integer": failed rule: !oldSelf.hasValue() || self >= oldSelf.value()']),
        (widget(grows=1), None, []),
        (widget(map={"a": "x"}), None, ["spec.map[a]: Invalid value: \"string\": failed rule: self != 'x'"]),
        (widget(map={"a": "x", "b": "y"}), widget(map={"a": "x"}), []),
        (
            widget(items=[{"id": "2", "size": 2}, {"id": "1", "size": 0}]),
            widget(items=[{"id": "1", "size": 1}]),
            ['spec.items[1].size: Invalid value: "integer": shrinks'],
        ),
        (widget(port=0), None, ['spec.port: Invalid value: "": failed rule: type(self) == string || self > 0']),
        (
            widget(broken="a,b"),
            None,
            ['spec.broken: Invalid value: "string": index out of bounds: 3 evaluating rule: no fourth'],
        ),
    ],
)  # fmt: skip
def test_rules(new: Object, old: Object | None, wanted: list[str]) -> None:
    assert [str(error) for error in expressions.problems(_RULES, new, old)] == wanted


def test_a_rule_cannot_hold_the_server() -> None:
    slow = {
        "type": "object",
        "properties": {
            "list": {
                "type": "array",
                "items": {"type": "integer"},
                "x-kubernetes-validations": [{"rule": "self.all(a, self.all(b, self.all(c, a + b + c >= 0)))"}],
            }
        },
    }
    found = expressions.problems(expressions.compiled(slow), {"list": list(range(5000))})
    assert "cost limit exceeded" in str(found[0])


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"type": "integer", "x-kubernetes-validations": [{"rule": "self > oldSelf"}]}, None),
        ({"type": "integer", "x-kubernetes-validations": [{"rule": " "}]}, "rule: Required value: rule is not"),
        ({"type": "integer", "x-kubernetes-validations": [{"rule": "self"}]}, "cel expression must evaluate to a bool"),
        ({"type": "integer", "x-kubernetes-validations": [{"rule": "self > 'a'"}]}, "compilation failed: "),
        (
            {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 1", "messageExpression": "self"}]},
            "messageExpression must evaluate to a string",
        ),
        (
            {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 1", "reason": "Bad"}]},
            'reason: Unsupported value: "Bad"',
        ),
        (
            {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 1", "fieldPath": ".a"}]},
            'fieldPath: Invalid value: ".a": must be a valid path',
        ),
        (
            {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 1", "optionalOldSelf": True}]},
            "optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule",
        ),
        (
            {"type": "array", "items": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}},
            "oldSelf cannot be used on the uncorrelatable portion of the schema within schema.properties[spec]",
        ),
        (
            {"type": "object", "x-kubernetes-validations": [{"rule": "self.b == 1"}], "properties": {"a": {}}},
            "undefined field 'b'",
        ),
    ],
)
def test_definitions(field: Object, message: str | None) -> None:
    schema = {"type": "object", "properties": {"spec": field}}
    found = [str(error) for error in definitions.of_schema(schema, "schema")]
    assert (found == []) if message is None else (len(found) == 1 and message in found[0]), found
