"""Custom resources by their structural schema: defaults, pruning, values, list types, ratcheting, names."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest

from tricenter.apimachinery.kinds import Kind
from tricenter.apimachinery.structural import defaulting, naming, pruning
from tricenter.apimachinery.validation import validate_create, validate_update

Object = dict[str, Any]


def kind(spec: Object, **more: Any) -> Kind:
    return Kind(
        group="example.com", version="v1", kind="Widget", plural="widgets", singular="widget", namespaced=False,
        verbs=(), structural={"type": "object", "properties": {"spec": spec}}, **more,
    )  # fmt: skip


def widget(spec: Any) -> Object:
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec}


# --- defaults: the table of the documentation's "Defaulting and Nullable" and nested ones ---

_FIELDS: Object = {
    "type": "object",
    "properties": {
        "foo": {"type": "string", "nullable": False, "default": "default"},
        "bar": {"type": "string", "nullable": True},
        "baz": {"type": "string"},
        "deep": {
            "type": "object",
            "properties": {"a": {"type": "object", "default": {}, "properties": {"b": {"default": 1}}}},
        },
        "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"x": {"default": 2}}}},
        "list": {"type": "array", "items": {"type": "object", "properties": {"y": {"default": 3}}}},
    },
}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, {"foo": "default"}),
        ({"foo": None, "bar": None, "baz": None}, {"foo": "default", "bar": None}),
        ({"foo": "x", "deep": {}}, {"foo": "x", "deep": {"a": {"b": 1}}}),
        ({"foo": "x", "deep": {"a": {"b": 7}}}, {"foo": "x", "deep": {"a": {"b": 7}}}),
        ({"foo": "x", "map": {"k": {}, "n": None}}, {"foo": "x", "map": {"k": {"x": 2}}}),
        ({"foo": "x", "list": [{}, {"y": 4}, None]}, {"foo": "x", "list": [{"y": 3}, {"y": 4}, None]}),
    ],
)
def test_defaults(given: Object, wanted: Object) -> None:
    defaulting.apply(given, _FIELDS)
    assert given == wanted


def test_a_default_is_copied_for_each_object() -> None:
    one: Object = {"deep": {}}
    defaulting.apply(one, _FIELDS)
    one["deep"]["a"]["c"] = 1
    two: Object = {"deep": {}}
    defaulting.apply(two, _FIELDS)
    assert two["deep"]["a"] == {"b": 1}


# --- pruning ---

_OPEN: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_PRUNED: Object = {
    "type": "object",
    "properties": {
        "known": {"type": "object", "properties": {"a": {"type": "string"}}},
        "open": {**_OPEN, "properties": {"a": {"type": "object", "properties": {"b": {"type": "string"}}}}},
        "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"a": {}}}},
        "list": {"type": "array", "items": {"type": "object", "properties": {"a": {}}}},
        "pod": {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"spec": _OPEN}},
    },
}


@pytest.mark.parametrize(
    ("spec", "unknown", "left"),
    [
        ({"known": {"a": "1", "b": 2}}, ["spec.known.b"], {"known": {"a": "1"}}),
        (
            {"open": {"x": {"y": 1}, "a": {"b": "1", "c": 2}}},
            ["spec.open.a.c"],
            {"open": {"x": {"y": 1}, "a": {"b": "1"}}},
        ),
        ({"map": {"k": {"a": 1, "b": 2}}}, ["spec.map.k.b"], {"map": {"k": {"a": 1}}}),
        ({"list": [{"a": 1}, {"b": 2}]}, ["spec.list[1].b"], {"list": [{"a": 1}, {}]}),
        (
            {"pod": {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "x", "nam": 1}, "spec": {"z": 1}, "q": 1}},
            ["spec.pod.metadata.nam", "spec.pod.q"],
            {"pod": {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "x"}, "spec": {"z": 1}}},
        ),
        ({"gone": 1}, ["spec.gone"], {}),
    ],
)
def test_pruning(spec: Object, unknown: list[str], left: Object) -> None:
    schema = {"type": "object", "properties": {"spec": _PRUNED}}
    obj = widget(spec)
    assert pruning.prune(obj, schema) == unknown
    assert obj["spec"] == left


# --- values ---

_VALUES: Object = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": 5, "minLength": 1, "pattern": "^[a-z]*$"},
        "replicas": {"type": "integer", "minimum": 1, "maximum": 5, "exclusiveMaximum": True},
        "port": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
        "mode": {"type": "string", "enum": ["slow", "fast"]},
        "when": {"type": "string", "format": "date-time"},
        "note": {"type": "string", "nullable": True},
        "tags": {"type": "array", "maxItems": 2, "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "parts": {
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"],
            "items": {"type": "object", "properties": {"id": {"type": "string"}, "size": {"type": "integer",
                      "maximum": 9}}},
        },
        "pick": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
                 "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
        "pod": {"type": "object", "x-kubernetes-embedded-resource": True, **_OPEN},
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "a", "note": None, "port": "http", "when": "2026-01-02T03:04:05Z"}, None),
        ({}, "spec.name: Required value"),
        ({"name": "abcdef"}, "spec.name: Too long: may not be more than 5 bytes"),
        ({"name": ""}, 'spec.name: Invalid value: "": spec.name in body should be at least 1 chars long'),
        ({"name": "A"}, "spec.name: Invalid value: \"A\": spec.name in body should match '^[a-z]*$'"),
        (
            {"name": "a", "replicas": "x"},
            'spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string"',
        ),
        (
            {"name": "a", "replicas": 0},
            "spec.replicas: Invalid value: 0: spec.replicas in body should be greater than or equal to 1",
        ),
        ({"name": "a", "replicas": 5}, "spec.replicas: Invalid value: 5: spec.replicas in body should be less than 5"),
        (
            {"name": "a", "port": 1.5},
            'spec.port: Invalid value: "number": spec.port in body must be of type integer,string: "number"',
        ),
        ({"name": "a", "mode": "x"}, 'spec.mode: Unsupported value: "x": supported values: "slow", "fast"'),
        (
            {"name": "a", "when": "x"},
            'spec.when: Invalid value: "x": spec.when in body must be of type date-time: "x"',
        ),
        ({"name": "a", "tags": ["x", "y", "z"]}, "spec.tags: Too many: 3: must have at most 2 items"),
        ({"name": "a", "tags": ["x", "x"]}, 'spec.tags[1]: Duplicate value: "x"'),
        ({"name": "a", "parts": [{"id": "1"}, {"id": "1"}]}, 'spec.parts[1]: Duplicate value: {"id":"1"}'),
        ({"name": "a", "pod": {"kind": "Pod"}}, "spec.pod.apiVersion: Required value"),
        (
            {"name": "a", "pick": {"a": "1", "b": "2"}},
            (
                '<nil>: Invalid value: "": "spec.pick" must validate one and only one schema (oneOf). '
                "Found 2 valid alternatives"
            ),
        ),
    ],
)
def test_values(spec: Object, message: str | None) -> None:
    found = [str(error) for error in validate_create(kind(_VALUES), widget(spec))]
    assert found == ([] if message is None else [message])


def test_what_was_wrong_before_may_stay() -> None:
    """KEP-4008: an update is refused for what it changes, elements of lists being found by their keys."""
    old = widget({"name": "TOO-LONG", "parts": [{"id": "1", "size": 20}, {"id": "2", "size": 1}], "tags": ["a", "a"]})
    new = copy.deepcopy(old)
    new["spec"]["parts"] = [{"id": "2", "size": 2}, {"id": "1", "size": 20}]
    assert validate_update(kind(_VALUES), old, new) == []
    new["spec"]["parts"][1]["size"] = 21
    found = [str(error) for error in validate_update(kind(_VALUES), old, new)]
    assert found == [
        "spec.parts[1].size: Invalid value: 21: spec.parts[1].size in body should be less than or equal to 9"
    ]


@pytest.mark.parametrize(
    "field",
    [
        {"type": "object", "required": ["a", "a"], "properties": {"a": {"type": "string"}}},
        {"type": "object", "allOf": [], "anyOf": [], "oneOf": []},
        {"type": "", "x-kubernetes-preserve-unknown-fields": True},
        {"type": "object", "minProperties": -1},
        {"type": "object", "properties": {"a": {"type": "string", "pattern": r"^[\w-.]+$"}}},
        {"type": "object", "properties": {"a": {"type": "string", "pattern": r"^({|\{|\p{L}|.){1,3}$"}}},
    ],
)
def test_schemas_that_only_go_knows_how_to_take(field: Object) -> None:
    spec = {"type": "object", "properties": {"field": field}}
    assert validate_create(kind(spec), widget({"field": {"a": "b-c"}})) == []


def test_an_update_of_a_long_list_is_looked_at_in_one_pass() -> None:
    fields = {"name": {"type": "string"}, "size": {"type": "integer", "maximum": 5}}
    items = {"type": "object", "required": ["name"], "properties": fields}
    listed = {"type": "array", "items": items, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    spec = kind({"type": "object", "properties": {"list": listed}})
    old = widget({"list": [{"name": str(number), "size": 1} for number in range(20_000)]})
    new = copy.deepcopy(old)
    for element in new["spec"]["list"]:
        element["size"] = 6
    started = time.thread_time()
    assert len(validate_update(spec, old, new)) == 20_000
    assert time.thread_time() - started < 60  # minutes, when each element is looked for in the whole list


def test_scale_values_are_counts() -> None:
    scale = {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}
    found = validate_create(kind({**_OPEN}, scale=scale), widget({"size": -1}))
    assert [str(error) for error in found] == [".spec.size: Invalid value: -1: should be a non-negative integer"]


# --- names ---


def crd(name: str, **names: Any) -> Object:
    named = {"plural": f"{name}s", "singular": name, "kind": name.title(), "listKind": f"{name.title()}List", **names}
    return {"metadata": {"name": f"{name}s.example.com"}, "spec": {"group": "example.com", "names": named}}


def state(obj: Object) -> dict[str, tuple[str, str]]:
    return {item["type"]: (item["status"], item["reason"]) for item in obj["status"]["conditions"]}


def test_free_names_are_accepted_and_kept() -> None:
    settled = naming.settled(crd("widget", shortNames=["w"]), [])
    assert settled["status"]["acceptedNames"] == settled["spec"]["names"]
    assert state(settled) == {"NamesAccepted": ("True", "NoConflicts"), "Established": ("True", "InitialNamesAccepted")}
    assert naming.settled(settled, []) == settled


def test_taken_names_are_refused_but_an_established_definition_stays() -> None:
    first = naming.settled(crd("widget", shortNames=["w"]), [])
    second = naming.settled(crd("wheel", shortNames=["w", "wh"]), [first])
    assert state(second) == {"NamesAccepted": ("False", "ShortNamesConflict"), "Established": ("False", "NotAccepted")}
    assert "shortNames" not in second["status"]["acceptedNames"]
    assert state(naming.settled(second, []))["Established"] == ("True", "InitialNamesAccepted")
    first["spec"]["names"]["shortNames"] = ["wheel"]
    other = naming.settled(crd("wheel"), [])
    again = naming.settled(first, [other])
    assert state(again) == {"NamesAccepted": ("False", "ShortNamesConflict"), "Established": (
        "True", "InitialNamesAccepted")}  # fmt: skip
    assert again["status"]["acceptedNames"]["shortNames"] == ["w"]
