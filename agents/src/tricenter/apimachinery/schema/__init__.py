"""The schema of a kind: what fields it has, of which types, and how they merge.

Definitions are read on first use only; agents that never validate never load them.
"""

from functools import cached_property
from typing import Any

import jsonschema_rs
import orjson

from tricenter.apimachinery import alike
from tricenter.apimachinery.fielderrors import FieldError
from tricenter.apimachinery.records import Kind
from tricenter.apimachinery.schema import custom, definitions, types, validators, walk
from tricenter.apimachinery.schema.decoding import fits, mismatch
from tricenter.apimachinery.schema.types import Shape, Type
from tricenter.apimachinery.structural import expressions, pruning

__all__ = ["FieldError", "Schema", "Shape", "Type", "fits", "merge_info", "mismatch", "of", "prune", "validate"]


class Schema:
    """The compiled schema of one kind; its parts are made when first asked for."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    @cached_property
    def type(self) -> Type:
        """The tree of typed nodes."""
        if self.kind.structural is not None:
            return types.of_structural(self.kind.structural)
        return types.of_definition(self.kind.definition)

    @cached_property
    def validator(self) -> jsonschema_rs.Validator:
        """The compiled validator, about 5 ms to make."""
        if self.kind.structural is not None:
            return custom.of_resource(self.kind.structural)
        return validators.of_definition(self.kind.definition)

    @cached_property
    def rules(self) -> expressions.Node | None:
        """The rules in CEL of a custom resource."""
        return None if self.kind.structural is None else expressions.compiled(self.kind.structural)


_schemas: dict[tuple[str, str, str], Schema] = {}


def of(kind: Kind) -> Schema:
    """The schema of a kind, cached; a custom resource whose definition changed gets a new one."""
    key = (kind.group, kind.version, kind.kind)
    found = _schemas.get(key)
    if found is None or found.kind.structural is not kind.structural:
        found = _schemas[key] = Schema(kind)
    return found


def prune(kind: Kind, obj: dict[str, Any]) -> list[str]:
    """Drop unknown fields, of built-in kinds nulls too, write quantities and times canonically; in place.

    Returns the paths of the fields that the kind does not have, e.g. `spec.containers[0].imge`.
    """
    if kind.structural is not None:
        return pruning.prune(obj, kind.structural)
    spec = obj.get("spec")
    if (kind.group, kind.kind) != ("", "Pod") or not isinstance(spec, dict):
        return walk.prune(obj, of(kind).type)
    return _prune_pod(of(kind).type, obj, spec)


_clean: alike.Memory[bool] = alike.Memory()
"""Specs of pods that have nothing to be pruned: those of a workload come again and again."""


def _prune_pod(node: Type, obj: dict[str, Any], spec: dict[str, Any]) -> list[str]:
    content = orjson.dumps(spec)
    if _clean.get((content,)):
        rest = {key: value for key, value in obj.items() if key != "spec"}
        unknown = walk.prune(rest, node)
        for key in obj.keys() - rest.keys() - {"spec"}:
            del obj[key]
        return unknown
    unknown = walk.prune(obj, node)
    if not unknown and orjson.dumps(spec) == content:
        _clean.learn((content,), value=True)
    return unknown


def validate(kind: Kind, obj: dict[str, Any]) -> list[FieldError]:
    """Wrong types, missing required fields, and for custom resources every rule of their schema."""
    if kind.structural is not None:
        return [problem.error for problem in custom.problems(of(kind).validator, obj)]
    return validators.errors(of(kind).validator, obj)


def raw(definition: str) -> dict[str, Any]:
    """A definition as shipped. Raises KeyError."""
    return definitions.load()[definition]


def merge_info(definition: str, path: str) -> Type:
    """The type at a dotted path (`spec.containers.env`; list elements need no index). Raises KeyError."""
    node = types.of_definition(definition)
    for part in path.split("."):
        while node.shape is Shape.LIST:
            node = node.element
        node = node.element if node.shape is Shape.MAP else node.fields[part]
    return node
