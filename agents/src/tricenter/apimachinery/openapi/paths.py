"""Paths and operations of a group-version: what can be done with each kind, and how clients see it.

kubectl reads from here whether the server takes `fieldValidation` on PATCH, POST and PUT.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tricenter.apimachinery.builtin import definition_name
from tricenter.apimachinery.openapi import parameters
from tricenter.apimachinery.openapi.schemas import META, PATCH, V3, Components, custom_name, gvk
from tricenter.apimachinery.records import Kind, Subresource

Object = dict[str, Any]
_JSON = "application/json"
_YAML = "application/yaml"
_PATCH_TYPES = (
    "application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)  # fmt: skip
_CUSTOM_PATCH_TYPES = tuple(item for item in _PATCH_TYPES if "strategic" not in item)
_CONNECT = {"attach", "exec", "portforward", "proxy"}
_METHODS = {
    "create": ("post", "post"), "get": ("get", "get"), "update": ("put", "put"), "patch": ("patch", "patch"),
    "delete": ("delete", "delete"),
}  # fmt: skip
_SUCCESS = {"post": ("200", "201", "202"), "put": ("200", "201"), "patch": ("200", "201"), "delete": ("200", "202")}
_WORDS = {"200": "OK", "201": "Created", "202": "Accepted", "401": "Unauthorized"}
_VERBS = {"get": "read", "post": "create", "put": "replace", "deletecollection": "deleteCollection"}


def base(group: str, version: str) -> str:
    """`/api/v1`, `/apis/apps/v1`."""
    return f"/apis/{group}/{version}" if group else f"/api/{version}"


@dataclass(frozen=True, slots=True)
class _Target:
    """What an operation is about."""

    kind: Kind
    """The kind whose path it is."""
    gvk: dict[str, str]
    """The kind it takes and gives, another one for some subresources."""
    definition: str | None
    """Its schema; None where bodies are streams."""
    subresource: str = ""


class Paths:
    """Builds the paths of some kinds of one group-version."""

    def __init__(self, components: Components) -> None:
        self.components = components
        self.v3 = components.root == V3
        self.items: dict[str, Object] = {}

    def add(self, kind: Kind) -> None:
        """All paths of a kind and its subresources."""
        root = base(kind.group, kind.version)
        collection = f"{root}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"
        definition = kind.definition or custom_name(kind)
        target = _Target(kind, gvk(kind), definition)
        items = _Target(kind, gvk(kind), f"{definition}List")
        if "list" in kind.verbs:
            self._operation(collection, "get", "list", items)
            if kind.namespaced:
                self._operation(f"{root}/{kind.plural}", "get", "list", items)
        if "create" in kind.verbs:
            self._operation(collection, "post", "post", target)
        if "deletecollection" in kind.verbs:
            self._operation(collection, "delete", "deletecollection", target)
        for verb in ("get", "update", "patch", "delete"):
            if verb in kind.verbs:
                self._operation(f"{collection}/{{name}}", *_METHODS[verb], target)
        for subresource in kind.subresources:
            self._subresource(f"{collection}/{{name}}/{subresource.name}", kind, subresource)

    def _subresource(self, path: str, kind: Kind, subresource: Subresource) -> None:
        definition: str | None = definition_name(subresource.group, subresource.version, subresource.kind)
        if subresource.kind == kind.kind:
            definition = kind.definition or custom_name(kind)
        connect = subresource.name in _CONNECT
        if connect or subresource.name == "log":
            definition = None
        seen = {"group": subresource.group, "kind": subresource.kind, "version": subresource.version}
        target = _Target(kind, seen, definition, subresource.name)
        for verb in subresource.verbs:
            method, action = _METHODS[verb]
            self._operation(path, method, "connect" if connect else action, target)
            if subresource.name == "proxy":
                self._operation(f"{path}/{{path}}", method, "connect", target)

    def _operation(self, path: str, method: str, action: str, target: _Target) -> None:
        item = self.items.setdefault(path, {"parameters": parameters.of_path(path, v3=self.v3)})
        made: Object = {
            "tags": [_group(target.kind, target.kind.version).lower()],
            "description": f"{_VERBS.get(action, action)} {target.subresource or target.gvk['kind']}",
            "operationId": _operation_id(path, method, action, target),
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": target.gvk,
            "parameters": parameters.of_action(action, target.subresource, v3=self.v3),
            "responses": self._responses(method, action, target.definition),
        }
        if method in {"post", "put", "patch"} and target.definition is not None:
            self._body(made, method, target.definition, custom=target.kind.structural is not None)
        elif action in {"delete", "deletecollection"}:
            self._body(made, method, f"{META}.DeleteOptions", required=False)
        item[method] = made

    def _responses(self, method: str, action: str, definition: str | None) -> Object:
        if action in {"delete", "deletecollection"}:
            definition = f"{META}.Status"
        schema = self._schema(definition)
        made: Object = {}
        for code in (*_SUCCESS.get(method, ("200",)), "401"):
            made[code] = {"description": _WORDS[code]}
            if code != "401" and self.v3:
                types = (_JSON, _YAML) if definition else ("*/*",)
                made[code]["content"] = {media: {"schema": schema} for media in types}
            elif code != "401":
                made[code]["schema"] = schema
        return made

    def _schema(self, definition: str | None) -> Object:
        if definition is None:
            return {"type": "string"}
        if definition in self.components.schemas:
            return {"$ref": self.components.root + definition}
        return self.components.ref(definition)

    def _body(
        self, operation: Object, method: str, definition: str, *, required: bool = True, custom: bool = False
    ) -> None:
        schema = self._schema(PATCH if method == "patch" else definition)
        types = (_CUSTOM_PATCH_TYPES if custom else _PATCH_TYPES) if method == "patch" else ("*/*",)
        if self.v3:
            content = {media: {"schema": schema} for media in types}
            operation["requestBody"] = {"content": content, **({"required": True} if required else {})}
        else:
            body = {"name": "body", "in": "body", "schema": schema, **({"required": True} if required else {})}
            operation["parameters"] = [body, *operation["parameters"]]
            operation["consumes"] = list(types)


def _group(kind: Kind, version: str) -> str:
    return f"{(kind.group.split('.')[0] or 'core').capitalize()}_{version}"


def _operation_id(path: str, method: str, action: str, target: _Target) -> str:
    """Upstream's scheme: verb, group, version, scope, kind, subresource."""
    kind = target.kind
    verb = _VERBS.get(action, action)
    group = _group(kind, kind.version.capitalize()).replace("_", "")
    how = method.capitalize() if action == "connect" else ""
    scope = "Namespaced" if "{namespace}" in path else ""
    tail = target.subresource.capitalize() + ("WithPath" if "{path}" in path else "")
    if kind.namespaced and not scope:
        tail += "ForAllNamespaces"
    return f"{verb}{group}{how}{scope}{kind.kind}{tail}"


def build(kinds: Sequence[Kind], components: Components) -> dict[str, Object]:
    """Paths of these kinds; the schemas they need are added to `components`."""
    paths = Paths(components)
    for kind in kinds:
        if kind.structural is not None or not kind.definition:
            components.add_custom(kind)
        paths.add(kind)
    return paths.items


def group_versions(kinds: Sequence[Kind]) -> Iterator[tuple[str, str]]:
    """Group-versions in order of first appearance."""
    yield from dict.fromkeys((kind.group, kind.version) for kind in kinds)
