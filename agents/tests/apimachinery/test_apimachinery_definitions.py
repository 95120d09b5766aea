"""What a CustomResourceDefinition may say: one table of schemas and one of the rest, in upstream's words."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tricenter.apimachinery.kinds import by_kind
from tricenter.apimachinery.validation import validate_create, validate_update

Object = dict[str, Any]

CRD = by_kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
SCHEMA = "spec.versions[0].schema.openAPIV3Schema"


def definition(schema: Object | None = None, /, **version: Any) -> Object:
    first = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema or {"type": "object"}}}
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Cluster", "names": names, "versions": [{**first, **version}]},
        "status": {"storedVersions": ["v1"], "acceptedNames": {"plural": "", "kind": ""}, "conditions": []},
    }


def refused(obj: Object, old: Object | None = None) -> list[str]:
    assert CRD is not None
    found = validate_create(CRD, obj) if old is None else validate_update(CRD, old, obj)
    return [str(error) for error in found]


def spec(field: Object) -> Object:
    return {"type": "object", "properties": {"spec": field}}


_KEYED: Object = {
    "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"],
    "items": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
}  # fmt: skip
_INT_OR_STRING: Object = {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (_KEYED, None),
        (_INT_OR_STRING, None),
        ({"x-kubernetes-preserve-unknown-fields": True}, None),
        (
            {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True},
            None,
        ),
        ({"type": "object", "properties": {"a": {"type": "string", "default": "x"}}, "default": {"a": "y"}}, None),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "anyOf": [{"required": ["a"]}]}, None),
        ({}, "type: Required value: must not be empty for specified object fields"),
        ({"type": "text"}, 'type: Unsupported value: "text"'),
        ({"type": "array"}, "items: Required value: must be specified"),
        ({"type": "array", "items": {}}, "items.type: Required value: must not be empty for specified array items"),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}},
            "additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
        ),
        ({"type": "array", "items": {"type": "string"}, "uniqueItems": True}, "uniqueItems: Forbidden"),
        ({"type": "object", "patternProperties": {"a": {"type": "string"}}}, "patternProperties: Forbidden"),
        ({"type": "string", "pattern": "("}, "pattern: Invalid value"),
        (
            {"type": "object", "anyOf": [{"properties": {"a": {"minimum": 1}}}]},
            "properties[a]: Required value: because it is defined in",
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "anyOf": [{"properties": {"a": {"type": "x"}}}],
            },
            "anyOf[0].properties[a].type: Forbidden: must be empty to be structural",
        ),
        ({"type": "string", "default": 1}, 'default: Invalid value: "integer":  in body must be of type string'),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "default": {"b": 1}},
            'default: Invalid value: {"b":1}: must not have unknown fields',
        ),
        ({"type": "object", "x-kubernetes-preserve-unknown-fields": False}, "must be true or undefined"),
        ({"type": "object", "x-kubernetes-list-type": "set"}, "type: Invalid value"),
        ({**_KEYED, "x-kubernetes-list-map-keys": []}, "x-kubernetes-list-map-keys: Required value: must not be empty"),
        ({**_KEYED, "x-kubernetes-list-map-keys": ["x"]}, "entries must all be names of item properties"),
        (
            {**_KEYED, "items": {"type": "object", "properties": {"id": {"type": "string"}}}},
            "items.properties[id].default: Required value: this property is in x-kubernetes-list-map-keys",
        ),
        (
            {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "object"}},
            'items.x-kubernetes-map-type: Invalid value: "null": must be atomic as item of a list',
        ),
        (
            {**_INT_OR_STRING, "x-kubernetes-preserve-unknown-fields": True},
            "x-kubernetes-preserve-unknown-fields: Invalid value: true: must be false if x-kubernetes-int-or-string",
        ),
        (
            {"type": "object", "x-kubernetes-embedded-resource": True},
            "properties: Required value: must not be empty if",
        ),
    ],
)
def test_schemas(field: Object, message: str | None) -> None:
    found = refused(definition(spec(field)))
    if message is None:
        assert found == []
    else:
        assert any(f"{SCHEMA}.properties[spec]" in text and message in text for text in found), found


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "string"}, f'{SCHEMA}.type: Invalid value: "string": must be object at the root'),
        ({}, f"{SCHEMA}.type: Required value: must not be empty at the root"),
        ({"type": "object", "additionalProperties": True}, f"{SCHEMA}.additionalProperties: Forbidden: must not be"),
        (
            {"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": {}}}}},
            f"{SCHEMA}.properties[metadata]: Forbidden: must not specify anything other than name and generateName",
        ),
        ({"type": "object", "nullable": True}, f"{SCHEMA}.nullable: Forbidden: nullable cannot be true at the root"),
    ],
)
def test_root_schemas(schema: Object, message: str) -> None:
    obj = definition()
    obj["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema
    assert any(text.startswith(message) for text in refused(obj)), refused(obj)


_SCALE = {"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n"}
_COLOR = spec({"type": "object", "properties": {"color": {"type": "string"}, "size": {"type": "number"}}})


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ({"subresources": {"scale": _SCALE}}, None),
        (
            {"subresources": {"scale": {**_SCALE, "specReplicasPath": ".status.n"}}},
            'subresources.scale.specReplicasPath: Invalid value: ".status.n": should be a json path under .spec',
        ),
        (
            {"additionalPrinterColumns": [{"name": "a", "type": "int", "jsonPath": ".a"}]},
            'additionalPrinterColumns[0].type: Invalid value: "int": must be one of boolean,date,integer,number,string',
        ),
        (
            {"additionalPrinterColumns": [{"name": "a", "type": "string", "jsonPath": "a"}]},
            "additionalPrinterColumns[0].JSONPath: Invalid value",
        ),
        ({"schema": {"openAPIV3Schema": _COLOR}, "selectableFields": [{"jsonPath": ".spec.color"}]}, None),
        (
            {"schema": {"openAPIV3Schema": _COLOR}, "selectableFields": [{"jsonPath": ".spec.colour"}]},
            'selectableFields[0].jsonPath: Invalid value: ".spec.colour": is an invalid path: does not refer to',
        ),
        (
            {"schema": {"openAPIV3Schema": _COLOR}, "selectableFields": [{"jsonPath": ".spec.size"}]},
            "must point to a field of type string, boolean or integer",
        ),
        ({"deprecationWarning": "old"}, "deprecationWarning: Invalid value"),
        ({"storage": False}, 'spec.versions: Invalid value: ["v1"]: must have exactly one version marked as storage'),
        ({"name": "V1"}, "spec.versions[0].name: Invalid value"),
    ],
)
def test_versions(version: Object, message: str | None) -> None:
    found = refused(definition(**version))
    assert (found == []) if message is None else any(message in text for text in found), found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"group": "example"}, "should be a domain with at least one dot"),
        ({"scope": "All"}, 'spec.scope: Unsupported value: "All": supported values: "Cluster", "Namespaced"'),
        ({"group": "x.k8s.io"}, "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups"),
        ({"preserveUnknownFields": True}, "spec.preserveUnknownFields: Invalid value: true"),
        ({"conversion": {"strategy": "Webhook"}}, "spec.conversion.webhookClientConfig: Required value"),
    ],
)
def test_the_rest_of_the_spec(change: Object, message: str) -> None:
    obj = definition()
    obj["spec"] |= change
    assert any(message in text for text in refused(obj)), refused(obj)


def test_updates_keep_what_stored_objects_depend_on() -> None:
    old = definition()
    old["status"]["conditions"] = [{"type": "Established", "status": "True"}]
    new = copy.deepcopy(old)
    assert refused(new, old) == []
    new["spec"]["scope"] = "Namespaced"
    assert refused(new, old) == ['spec.scope: Invalid value: "Namespaced": field is immutable']
    new = copy.deepcopy(old)
    new["spec"]["versions"][0]["name"] = "v2"
    new["status"]["storedVersions"] = ["v1", "v2"]
    assert refused(new, old)[0].startswith(
        'status.storedVersions[0]: Invalid value: "v1": missing from spec.versions; v1 was previously a storage version'
    )
