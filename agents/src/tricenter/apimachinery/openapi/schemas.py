"""Definitions as components of an OpenAPI document: version 3 or 2, reachable ones only."""

from collections.abc import Mapping
from typing import Any

from tricenter.apimachinery.records import Kind
from tricenter.apimachinery.schema import definitions

Object = dict[str, Any]
META = "io.k8s.apimachinery.pkg.apis.meta.v1"
PATCH = f"{META}.Patch"
_SOURCE = "#/$defs/"
V3 = "#/components/schemas/"
V2 = "#/definitions/"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_PATCH_SCHEMA: Object = {
    "description": "Patch is provided to give a concrete name and type to the Kubernetes PATCH request body.",
    "type": "object",
}
_SPECIAL: dict[str, dict[str, Object]] = {
    V3: {
        PATCH: _PATCH_SCHEMA,
        _INT_OR_STRING: {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
        _QUANTITY: {"oneOf": [{"type": "string"}, {"type": "number"}]},
    },
    V2: {
        PATCH: _PATCH_SCHEMA,
        _INT_OR_STRING: {"format": "int-or-string", "type": "string"},
        _QUANTITY: {"type": "string"},
    },
}
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_CONVENTIONS = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"
# Kept in version 2; the rest of JSON schema that a structural schema may use has no place there.
_V3_ONLY = ("allOf", "oneOf", "anyOf", "not", "nullable")


class Components:
    """Collects the schemas that a document refers to."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.schemas: dict[str, Object] = {}

    def ref(self, name: str) -> Object:
        """A reference to a definition, which is added with all it refers to."""
        self.add(name)
        return {"$ref": self.root + name}

    def add(self, name: str) -> None:
        """Add a definition and all it refers to."""
        if name in self.schemas:
            return
        self.schemas[name] = {}  # before what it refers to: a type may contain itself
        special = _SPECIAL[self.root].get(name)
        self.schemas[name] = special if special is not None else self._convert(definitions.load()[name], top=True)

    def _convert(self, schema: Any, *, top: bool = False) -> Any:
        made: Object = {}
        for key, value in schema.items():
            if key == "properties":
                made[key] = {name: self._property(name, field, top=top) for name, field in value.items()}
            elif key == "$ref":
                made[key] = self.ref(str(value).removeprefix(_SOURCE))["$ref"]
            elif key == "type":
                made[key] = next((name for name in value if name != "null"), "") if isinstance(value, list) else value
            elif isinstance(value, dict):
                made[key] = self._convert(value)
            else:
                made[key] = value
        return made

    def _property(self, name: str, field: Object, *, top: bool) -> Object:
        made: Object = self._convert(field)
        if top and name in {"apiVersion", "kind"}:
            made.pop("enum", None)  # upstream documents these as plain strings
        reference = made.pop("$ref", None)
        if reference is None:
            return made
        if not made:
            return {"$ref": reference}
        if self.root == V2:
            return {"$ref": reference, **made}
        return {**made, "allOf": [{"$ref": reference}]}  # siblings of $ref mean nothing in version 3

    def add_custom(self, kind: Kind) -> str:
        """Add a custom resource and its list; returns the name of its definition."""
        name = custom_name(kind)
        source = kind.structural or {"type": "object"}
        self.schemas[name] = {**self._custom(source), "x-kubernetes-group-version-kind": [gvk(kind)]}
        if kind.selectable and self.root == V3:
            fields = [{"fieldPath": field} for field in kind.selectable]
            self.schemas[name]["x-kubernetes-selectable-fields"] = fields
        items = {"type": "array", "items": {"$ref": self.root + name}}
        self.schemas[f"{name}List"] = {
            "description": f"{kind.list_kind} is a list of {kind.kind}",
            "type": "object",
            "required": ["items"],
            "properties": {
                **_type_meta(),
                "items": {"description": f"List of {kind.plural}. More info: {_CONVENTIONS}", **items},
                "metadata": self._documented("ListMeta", "Standard list metadata.", "types-kinds"),
            },
            "x-kubernetes-group-version-kind": [{**gvk(kind), "kind": kind.list_kind}],
        }
        return name

    def _custom(self, source: Mapping[str, Any]) -> Object:
        """The schema of a custom resource with what all objects have."""
        if self.root == V2 and source.get(_PRESERVE):
            return {"type": "object"}  # clients take fields beside those of a schema of version 2 for unknown ones
        schema = self._embedding(source) if self.root == V3 else _version_2(source)
        meta = self._documented("ObjectMeta", "Standard object's metadata.", "metadata")
        properties = {**schema.get("properties", {}), **_type_meta(), "metadata": meta}
        return {**schema, "type": "object", "properties": properties}

    def _embedding(self, schema: Mapping[str, Any]) -> Object:
        """A structural schema whose embedded resources have what all objects have."""
        made = dict(schema)
        if "properties" in made:
            made["properties"] = {name: self._embedding(field) for name, field in made["properties"].items()}
        for key in ("items", "additionalProperties"):
            if isinstance(made.get(key), Mapping):
                made[key] = self._embedding(made[key])
        if made.get("x-kubernetes-embedded-resource"):
            meta = self._documented("ObjectMeta", "Standard object's metadata.", "metadata")
            made["properties"] = {**made.get("properties", {}), **_type_meta(), "metadata": meta}
            required = made.get("required", [])
            made["required"] = [*required, *(name for name in ("kind", "apiVersion") if name not in required)]
        return made

    def _documented(self, kind: str, what: str, where: str) -> Object:
        """The property `metadata`."""
        field = {"$ref": f"{_SOURCE}{META}.{kind}", "description": f"{what} More info: {_CONVENTIONS}#{where}"}
        return self._property("metadata", field, top=True)


def _type_meta() -> Object:
    meta = definitions.load()[f"{META}.Status"]["properties"]
    return {field: {"description": meta[field]["description"], "type": "string"} for field in ("apiVersion", "kind")}


def _version_2(schema: Mapping[str, Any]) -> Object:
    """A structural schema as clients of version 2 can read it: what they would misread is left open.

    Upstream's apiextensions-apiserver pkg/controller/openapi/v2/conversion.go.
    """
    made = {key: value for key, value in schema.items() if key not in _V3_ONLY}
    preserves, nullable = schema.get(_PRESERVE), schema.get("nullable")
    if nullable:
        made.pop("type", None)
    if nullable or preserves:
        made.pop("items", None)
        made.pop("properties", None)
    if (preserves and made.get("type") == "object") or (made.get("type") == "array" and "items" not in made):
        del made["type"]
    fields = made.get("properties")
    if fields:
        made["properties"] = {name: _version_2(field) for name, field in fields.items()}
        required = [name for name in made.pop("required", ()) if not fields.get(name, {}).get("nullable")]
        made |= {"required": required} if required else {}
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), Mapping):
            made[key] = _version_2(made[key])
    return made


def gvk(kind: Kind) -> dict[str, str]:
    """`x-kubernetes-group-version-kind` of a kind."""
    return {"group": kind.group, "kind": kind.kind, "version": kind.version}


def custom_name(kind: Kind) -> str:
    """Name of a custom resource's definition: its group backwards, version, kind."""
    return ".".join([*reversed(kind.group.split(".")), kind.version, kind.kind])
