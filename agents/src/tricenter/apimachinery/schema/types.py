"""Schemas compiled into small typed nodes that walkers follow: what is a struct, a map, a list, and how lists merge.

Built-in kinds come from the OpenAPI definitions, custom resources from their structural schema. Meaning of the
extensions: KEP-555 (list-type, list-map-keys, map-type) and strategic merge patch (patch-strategy, patch-merge-key).
"""

import copy
import enum
from collections.abc import Mapping
from typing import Any

from tricenter.apimachinery.schema import definitions, golang

OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_PREFIX = "#/$defs/"
_SCALARS = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "micro-time",
}
# Types whose content is free and that one manager owns as a whole.
_UNTYPED = {
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1",
    "io.k8s.apimachinery.pkg.runtime.RawExtension",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON",
}
# Unions with a shorthand form that the definitions leave open.
_UNIONS = {
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray",
}


class Shape(enum.Enum):
    """What a node of an object is."""

    SCALAR = enum.auto()
    STRUCT = enum.auto()
    MAP = enum.auto()
    LIST = enum.auto()
    ANY = enum.auto()
    """Free content: maps and lists of anything."""


class Type:
    """One node of a compiled schema. Recursive types refer to themselves, so nodes are compared by identity."""

    __slots__ = (
        "atomic", "fields", "items", "key_defaults", "keys", "merge", "merge_key", "name", "open", "present",
        "retain_keys", "shape",
    )  # fmt: skip

    def __init__(self, shape: Shape, name: str = "") -> None:
        self.shape = shape
        self.name = name
        """Definition name of a struct; for scalars the JSON type, or quantity, int-or-string, time,
        micro-time, bytes."""
        self.fields: dict[str, Type] = {}
        """Fields of a struct."""
        self.present: frozenset[str] = frozenset()
        """Those of them that are there, empty, even where nobody set them."""
        self.items: Type | None = None
        """Elements of a list, values of a map."""
        self.atomic = False
        """Owned and replaced as a whole (list-type atomic, map-type atomic)."""
        self.keys: tuple[str, ...] = ()
        """Key fields of an associative list; empty for a set."""
        self.key_defaults: dict[str, Any] = {}
        """Values of key fields that an element may leave out."""
        self.open = False
        """A struct that keeps fields its schema does not know."""
        self.merge = False
        """Strategic merge patch merges this list or map."""
        self.retain_keys = False
        """Strategic merge patch honours $retainKeys here."""
        self.merge_key = ""
        """Key field of strategic merge patch."""

    @property
    def element(self) -> "Type":
        """Elements of a list or values of a map; free content where the schema says nothing."""
        return self.items or ANY


ANY = Type(Shape.ANY)
UNTYPED = Type(Shape.ANY)
UNTYPED.atomic = True

_compiled: dict[str, Type] = {}


def of_definition(name: str) -> Type:
    """The compiled type of a definition. Raises KeyError for an unknown one."""
    found = _compiled.get(name)
    if found is not None:
        return found
    if name in _SCALARS:
        made = Type(Shape.SCALAR, _SCALARS[name])
    elif name in _UNTYPED:
        made = UNTYPED
    elif name in _UNIONS:
        made = ANY
    else:
        schema = definitions.load()[name]
        made = _blank(schema, name)
        made.present = golang.present(name)
        _compiled[name] = made  # before its fields: a type may contain itself
        _fill(made, schema)
    _compiled[name] = made
    return made


def of_structural(schema: Mapping[str, Any]) -> Type:
    """The compiled type of a custom resource."""
    root = _compile(schema)
    if root.shape is not Shape.STRUCT:
        preserved = root.shape is Shape.ANY
        root = Type(Shape.STRUCT)
        root.open = preserved
    for field in ("apiVersion", "kind"):
        root.fields[field] = Type(Shape.SCALAR, "string")
    root.fields["metadata"] = of_definition(OBJECT_META)
    root.present = frozenset({"metadata"})
    return root


def _json_type(schema: Mapping[str, Any]) -> str:
    found = schema.get("type", "")
    if isinstance(found, list):
        return next((name for name in found if name != "null"), "")
    return str(found)


def _scalar(schema: Mapping[str, Any]) -> str:
    if schema.get("x-kubernetes-int-or-string"):
        return "int-or-string"
    return "bytes" if schema.get("format") == "byte" else _json_type(schema)


def _blank(schema: Mapping[str, Any], name: str = "") -> Type:
    """A node of the right shape, its children not yet compiled."""
    made = Type(_shape(schema), name)
    preserve = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    if made.shape is Shape.SCALAR:
        made.name = _scalar(schema)
    if made.shape in {Shape.STRUCT, Shape.MAP}:
        made.atomic = schema.get("x-kubernetes-map-type") == "atomic"
        made.open = preserve
    if made.shape is Shape.LIST:
        kind = schema.get("x-kubernetes-list-type", "atomic")
        made.atomic = kind == "atomic"
        made.keys = tuple(schema.get("x-kubernetes-list-map-keys", ())) if kind == "map" else ()
        made.key_defaults = _key_defaults(made.keys, schema)
    _patch_info(made, schema)
    return made


def _key_defaults(keys: tuple[str, ...], schema: Mapping[str, Any]) -> dict[str, Any]:
    items = schema.get("items")
    fields = items.get("properties", {}) if isinstance(items, Mapping) else {}
    found = {key: fields[key]["default"] for key in keys if "default" in fields.get(key, {})}
    # the one key field of built-in lists that has a default; the definitions carry no defaults
    return {"protocol": "TCP", **found} if "protocol" in keys else found


def _shape(schema: Mapping[str, Any]) -> Shape:
    kind = _json_type(schema)
    if kind == "array":
        return Shape.LIST
    if schema.get("properties") or schema.get("x-kubernetes-embedded-resource"):
        return Shape.STRUCT
    if isinstance(schema.get("additionalProperties"), Mapping):
        return Shape.MAP
    if schema.get("x-kubernetes-preserve-unknown-fields") or schema.get("additionalProperties") is True:
        return Shape.ANY
    if kind == "object":
        return Shape.STRUCT
    return Shape.SCALAR if kind or schema.get("x-kubernetes-int-or-string") else Shape.ANY


def _fill(made: Type, schema: Mapping[str, Any]) -> None:
    if made.shape is Shape.STRUCT:
        for name, field in (schema.get("properties") or {}).items():
            made.fields[name] = _compile(field)
        if schema.get("x-kubernetes-embedded-resource"):
            made.fields.setdefault("apiVersion", Type(Shape.SCALAR, "string"))
            made.fields.setdefault("kind", Type(Shape.SCALAR, "string"))
            made.fields["metadata"] = of_definition(OBJECT_META)
    elif made.shape is Shape.MAP:
        made.items = _compile(schema["additionalProperties"])
    elif made.shape is Shape.LIST and isinstance(schema.get("items"), Mapping):
        made.items = _compile(schema["items"])


def _compile(schema: Mapping[str, Any]) -> Type:
    reference = schema.get("$ref")
    if reference is None:
        made = _blank(schema)
        _fill(made, schema)
        return made
    target = of_definition(str(reference).removeprefix(_PREFIX))
    if not ({"x-kubernetes-patch-strategy", "x-kubernetes-map-type"} & schema.keys()):
        return target
    made = copy.copy(target)  # shares `fields`, which may still be filling
    made.atomic = target.atomic or schema.get("x-kubernetes-map-type") == "atomic"
    _patch_info(made, schema)
    return made


def _patch_info(made: Type, schema: Mapping[str, Any]) -> None:
    strategies = str(schema.get("x-kubernetes-patch-strategy", "")).split(",")
    made.merge = "merge" in strategies
    made.retain_keys = "retainKeys" in strategies
    made.merge_key = str(schema.get("x-kubernetes-patch-merge-key", ""))
