"""What a schema of a CustomResourceDefinition may say: OpenAPI's rules and those of structural schemas.

Upstream's apiextensions-apiserver pkg/apis/apiextensions/validation (ValidateCustomResourceDefinitionOpenAPISchema)
and pkg/apiserver/schema (validation.go, complete.go); KEP-1144 says why.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from tricenter.apimachinery import fielderrors
from tricenter.apimachinery.schema import custom
from tricenter.apimachinery.validation.rules import Errors, Object, sub

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_META = ("apiVersion", "kind", "metadata")
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_JUNCTORS = ("allOf", "anyOf", "oneOf")
_PRESERVE, _EMBEDDED = "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"
_INT_STRING, _LIST_TYPE = "x-kubernetes-int-or-string", "x-kubernetes-list-type"
_LIST_KEYS, _MAP_TYPE, _RULES = "x-kubernetes-list-map-keys", "x-kubernetes-map-type", "x-kubernetes-validations"
_UNSUPPORTED = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")


def at_root(schema: Object, path: str) -> Errors:
    """All rules of the schema of a version."""
    yield from sorted([*_invariants(schema, path, "root"), *_completeness(schema, schema, path, path)], key=str)
    yield from openapi(schema, path, Context(), root=True)


# --- OpenAPI ---


@dataclass(frozen=True, slots=True)
class Context:
    """Where in a schema we are."""

    no_defaults: str = ""
    """Why there may be no default here; empty where there may."""
    inside_meta: bool = False


def openapi(schema: Object, path: str, context: Context, *, root: bool = False) -> Errors:
    """The rules of one node and those below it."""
    yield from _node(schema, path, context)
    extra = schema.get("additionalProperties")
    if extra is not None and schema.get("properties") and extra is not True:
        detail = "additionalProperties and properties are mutual exclusive"
        yield fielderrors.forbidden(f"{path}.additionalProperties", detail)
    if isinstance(extra, dict):
        why = "inside additionalProperties applying to object metadata" if context.inside_meta else context.no_defaults
        yield from openapi(extra, f"{path}.additionalProperties", replace(context, no_defaults=why))
    for name, child in sub(schema, "properties").items():
        below = context
        if (root or schema.get(_EMBEDDED)) and name in _META:
            below = replace(below, inside_meta=True)
            below = replace(below, no_defaults=f"in top-level {name}") if root else below
        yield from openapi(child, f"{path}.properties[{name}]", below)
    for key, child in _junctors(schema):
        yield from openapi(child, f"{path}.{key}", context)
    items = schema.get("items")
    if isinstance(items, dict):
        yield from openapi(items, f"{path}.items", context)
    yield from _extensions(schema, path)


def _junctors(schema: Object) -> Iterator[tuple[str, Object]]:
    if isinstance(schema.get("not"), dict):
        yield "not", schema["not"]
    for key in _JUNCTORS:
        for index, child in enumerate(schema.get(key) or ()):
            yield f"{key}[{index}]", child


def _node(schema: Object, path: str, context: Context) -> Errors:
    kind = schema.get("type", "")
    if kind and kind not in _TYPES:
        yield fielderrors.not_supported(f"{path}.type", kind, _TYPES)
    if "default" in schema and context.no_defaults:
        yield fielderrors.forbidden(f"{path}.default", f"must not be set {context.no_defaults}")
    for key in _UNSUPPORTED:
        if schema.get(key):
            yield fielderrors.forbidden(f"{path}.{key}", f"{key} is not supported")
    if kind == "null":
        detail = "type cannot be set to null, use nullable as an alternative"
        yield fielderrors.forbidden(f"{path}.type", detail)
    if isinstance(schema.get("items"), list):
        yield fielderrors.forbidden(f"{path}.items", "items must be a schema object and not an array")
    if context.inside_meta and schema.get(_EMBEDDED):
        yield fielderrors.forbidden(f"{path}.{_EMBEDDED}", "must not be used inside of resource meta")
    if schema.get("uniqueItems"):
        detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield fielderrors.forbidden(f"{path}.uniqueItems", detail)


def _extensions(schema: Object, path: str) -> Errors:
    if schema.get(_PRESERVE) is False:
        yield fielderrors.invalid(f"{path}.{_PRESERVE}", False, "must be true or undefined")
    map_type, list_type = schema.get(_MAP_TYPE), schema.get(_LIST_TYPE)
    if map_type is not None:
        yield from _of_type(schema, "object", path, _MAP_TYPE)
        if map_type not in ("atomic", "granular"):
            yield fielderrors.not_supported(f"{path}.{_MAP_TYPE}", map_type, ("atomic", "granular"))
    if list_type is not None:
        yield from _of_type(schema, "array", path, _LIST_TYPE)
        if list_type not in ("atomic", "set", "map"):
            yield fielderrors.not_supported(f"{path}.{_LIST_TYPE}", list_type, ("atomic", "set", "map"))
    if list_type == "set" and schema.get("type") == "array":
        yield from _set_items(sub(schema, "items"), f"{path}.items")
    if schema.get(_LIST_KEYS) and list_type != "map":
        detail = "must be map if x-kubernetes-list-map-keys is non-empty"
        where = f"{path}.{_LIST_TYPE}"
        yield (
            fielderrors.required(where, detail) if list_type is None else fielderrors.invalid(where, list_type, detail)
        )
    if list_type == "map":
        yield from _map_items(schema, path)
    if list_type in ("set", "map") and sub(schema, "items").get("nullable"):
        yield fielderrors.forbidden(f"{path}.items.nullable", f"cannot be nullable when {_LIST_TYPE} is {list_type}")


def _of_type(schema: Object, wanted: str, path: str, extension: str) -> Errors:
    kind = schema.get("type", "")
    detail = f"must be {wanted} if {extension} is specified"
    if not kind:
        yield fielderrors.required(f"{path}.type", detail)
    elif kind != wanted:
        yield fielderrors.invalid(f"{path}.type", kind, detail)


def _set_items(items: Object, path: str) -> Errors:
    """Elements of a set are compared as a whole, so they must be owned as a whole."""
    detail = "must be atomic as item of a list with x-kubernetes-list-type=set"
    if items.get("type") == "array" and items.get(_LIST_TYPE, "atomic") != "atomic":
        yield fielderrors.invalid(f"{path}.{_LIST_TYPE}", items[_LIST_TYPE], detail)
    if items.get("type") == "object" and items.get(_MAP_TYPE) != "atomic":
        yield fielderrors.invalid(f"{path}.{_MAP_TYPE}", items.get(_MAP_TYPE), detail)


def _map_items(schema: Object, path: str) -> Errors:
    keys, items = schema.get(_LIST_KEYS) or [], schema.get("items")
    if not keys:
        yield fielderrors.required(f"{path}.{_LIST_KEYS}", "must not be empty if x-kubernetes-list-type is map")
    if items is None:
        yield fielderrors.required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map")
    if not isinstance(items, dict):
        return
    if items.get("type") != "object":
        detail = "must be object if parent array's x-kubernetes-list-type is map"
        yield fielderrors.invalid(f"{path}.items.type", items.get("type", ""), detail)
        return
    for index, key in enumerate(keys):
        field = sub(items, "properties").get(key)
        where = f"{path}.items.properties[{key}]"
        if field is None:
            yield fielderrors.invalid(f"{path}.{_LIST_KEYS}", keys, "entries must all be names of item properties")
        elif field.get("type") in ("array", "object"):
            detail = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            yield fielderrors.invalid(f"{where}.type", items["type"], detail)
        if key in keys[:index]:
            yield fielderrors.invalid(f"{path}.{_LIST_KEYS}", keys, "must not contain duplicate entries")
        if field is not None and key not in (items.get("required") or ()) and field.get("default") is None:
            detail = (
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            )
            yield fielderrors.required(f"{where}.default", detail)
        if field is not None and field.get("nullable"):
            detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable"
            yield fielderrors.forbidden(f"{where}.nullable", detail)


# --- structure ---

_EMPTY_TYPE = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}


def _invariants(schema: Object, path: str, level: str) -> Errors:
    kind, items, extra = schema.get("type", ""), schema.get("items"), schema.get("additionalProperties")
    if kind == "array" and items is None:
        yield fielderrors.required(f"{path}.items", "must be specified")
    if isinstance(items, list):
        yield fielderrors.forbidden(f"{path}.items", "items must be a schema object and not an array")
    if isinstance(items, dict):
        yield from _invariants(items, f"{path}.items", "item")
    for name, child in sub(schema, "properties").items():
        yield from _invariants(child, f"{path}.properties[{name}]", "field")
    if extra is not None and level == "root":
        yield fielderrors.forbidden(f"{path}.additionalProperties", "must not be used at the root")
    if isinstance(extra, dict):
        yield from _invariants(extra, f"{path}.additionalProperties", "field")
    if schema.get(_INT_STRING):
        for key in (_PRESERVE, _EMBEDDED):
            if schema.get(key):
                detail = "must be false if x-kubernetes-int-or-string is true"
                yield fielderrors.invalid(f"{path}.{key}", True, detail)
    yield from _values(schema, path)
    yield from _type(schema, path, level)
    yield from _resource(schema, path, level)


def _type(schema: Object, path: str, level: str) -> Errors:
    kind = schema.get("type", "")
    if schema.get(_EMBEDDED):
        detail = "must be object if x-kubernetes-embedded-resource is true"
        if not kind:
            yield fielderrors.required(f"{path}.type", detail)
        elif kind != "object":
            yield fielderrors.invalid(f"{path}.type", kind, detail)
        if schema.get("additionalProperties") is not None:
            detail = "must not be used if x-kubernetes-embedded-resource is set"
            yield fielderrors.forbidden(f"{path}.additionalProperties", detail)
        if not schema.get(_PRESERVE) and not schema.get("properties"):
            detail = (
                "must not be empty if x-kubernetes-embedded-resource is true without "
                "x-kubernetes-preserve-unknown-fields"
            )
            yield fielderrors.required(f"{path}.properties", detail)
    elif not kind and not schema.get(_INT_STRING) and not schema.get(_PRESERVE):
        yield fielderrors.required(f"{path}.type", _EMPTY_TYPE[level])
    if level == "root" and kind and kind != "object":
        yield fielderrors.invalid(f"{path}.type", kind, "must be object at the root")


def _resource(schema: Object, path: str, level: str) -> Errors:
    """TypeMeta and ObjectMeta are implied; a schema may only restrict the names."""
    if level != "root" and not schema.get(_EMBEDDED):
        return
    fields = sub(schema, "properties")
    for name, wanted in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
        if name in fields and fields[name].get("type", "") != wanted:
            where = f"{path}.properties[{name}].type"
            yield fielderrors.invalid(where, fields[name].get("type", ""), f"must be {wanted}")
    if level == "root" and "metadata" in fields:
        rest = {key: value for key, value in fields["metadata"].items() if key not in ("type", "default", "required")}
        if set(rest.pop("properties", {})) - {"name", "generateName"} or set(rest) - {"description"}:
            detail = "must not specify anything other than name and generateName, but metadata is implicitly specified"
            yield fielderrors.forbidden(f"{path}.properties[metadata]", detail)


def _values(schema: Object, path: str, *, nested: bool = False) -> Errors:
    """Junctors hold rules for values only, nothing that says what a value is."""
    for key, child in _junctors(schema):
        if not nested and key.startswith("anyOf") and schema.get("anyOf") == _INT_OR_STRING:
            continue
        first = key == "allOf[0]" and not nested and child.get("anyOf") == _INT_OR_STRING
        yield from _nested({**child, "anyOf": []} if first else child, f"{path}.{key}")
    pattern = schema.get("pattern")
    if pattern and (why := custom.bad_pattern(pattern)):
        yield fielderrors.invalid(f"{path}.pattern", pattern, f"must be a valid regular expression, but isn't: {why}")


_NESTED_FORBIDDEN = (
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    ("externalDocs", "must be undefined to be structural"),
    (_PRESERVE, "must be false to be structural"),
    (_EMBEDDED, "must be false to be structural"),
    (_INT_STRING, "must be false to be structural"),
    (_LIST_KEYS, "must be empty to be structural"),
    (_LIST_TYPE, "must be undefined to be structural"),
    (_MAP_TYPE, "must be undefined to be structural"),
    (_RULES, "must be empty to be structural"),
)


def _nested(schema: Object, path: str) -> Errors:
    yield from _values(schema, path, nested=True)
    if isinstance(schema.get("items"), dict):
        yield from _nested(schema["items"], f"{path}.items")
    for name, child in sub(schema, "properties").items():
        yield from _nested(child, f"{path}.properties[{name}]")
    for key, detail in _NESTED_FORBIDDEN:
        if schema.get(key) not in (None, "", False, []):
            yield fielderrors.forbidden(f"{path}.{key}", detail)
    if "metadata" in sub(schema, "properties"):
        detail = "must not be specified in a nested context"
        yield fielderrors.forbidden(f"{path}.properties[metadata]", detail)


def _completeness(rules: Object, schema: Object, path: str, rules_path: str) -> Errors:
    """Every value that a junctor speaks of is specified outside of it too."""
    for key, child in _junctors(rules):
        yield from _complete_nested(child, schema, path, f"{rules_path}.{key}")
    if rules is schema:
        for name, field in sub(schema, "properties").items():
            yield from _completeness(field, field, f"{path}.properties[{name}]", f"{rules_path}.properties[{name}]")
        for key in ("items", "additionalProperties"):
            if isinstance(schema.get(key), dict):
                yield from _completeness(schema[key], schema[key], f"{path}.{key}", f"{rules_path}.{key}")


def _complete_nested(rules: Object, schema: Any, path: str, rules_path: str) -> Errors:
    if not isinstance(schema, dict):
        yield fielderrors.required(path, f"because it is defined in {rules_path}")
        return
    yield from _completeness(rules, schema, path, rules_path)
    if isinstance(rules.get("items"), dict):
        yield from _complete_nested(rules["items"], schema.get("items"), f"{path}.items", f"{rules_path}.items")
    for name, child in sub(rules, "properties").items():
        field, where = sub(schema, "properties").get(name), f"properties[{name}]"
        yield from _complete_nested(child, field, f"{path}.{where}", f"{rules_path}.{where}")
