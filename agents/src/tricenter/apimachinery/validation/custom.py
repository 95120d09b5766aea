"""Rules of custom objects: their schema, list types, embedded resources and scale.

Upstream's apiextensions-apiserver pkg/registry/customresource (validator.go, strategy.go), schema/listtype,
schema/objectmeta; what an update leaves as it was is not refused (ratcheting, KEP-4008).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from tricenter.apimachinery import fielderrors, names, schema
from tricenter.apimachinery.fielderrors import FieldError
from tricenter.apimachinery.records import Kind
from tricenter.apimachinery.schema import custom
from tricenter.apimachinery.structural import expressions, maplists
from tricenter.apimachinery.structural.defaulting import Schema, child
from tricenter.apimachinery.validation import metadata
from tricenter.apimachinery.validation.rules import Errors, Object

_MAX_INT32 = 2**31 - 1
_BLOCKING = {
    fielderrors.REASON_NOT_SUPPORTED, fielderrors.REASON_REQUIRED, fielderrors.REASON_TOO_LONG,
    fielderrors.REASON_TOO_MANY, fielderrors.REASON_TYPE,
}  # fmt: skip
_NOT_CHECKED = (
    'Invalid value: "null": some validation rules were not checked because the object was invalid; correct the '
    "existing errors to complete validation"
)
_GO_TYPES = {
    str: "string", bool: "bool", float: "float64", dict: "map[string]interface {}", list: "[]interface {}",
}  # fmt: skip


def create(kind: Kind, obj: Object) -> list[FieldError]:
    """What is wrong with a new object."""
    typed = [problem.error for problem in custom.problems(schema.of(kind).validator, obj)]
    return _with_rules(kind, [*metadata.check(kind, obj), *typed, *_scale(kind, obj), *_shared(kind, obj)], obj, None)


def update(kind: Kind, old: Object, new: Object, *, subresource: str = "") -> list[FieldError]:
    """What is wrong with a changed object; through its status endpoint only the status counts."""
    status_only = subresource == "status"
    found = [
        problem
        for problem in custom.problems(schema.of(kind).validator, new)
        if not status_only or problem.place[:1] == ("status",)
    ]
    structural = kind.structural or {}
    before = _Before(old, structural)
    typed = [item.error for item in found if not before.has(item.place, new)]
    general = list(metadata.check_update(kind, old, new))
    if status_only:
        return _with_rules(kind, [*general, *typed, *_scale(kind, new, status_only=True)], new, old)
    lists = [] if list(_lists(old, structural, "")) else list(_lists(new, structural, ""))
    found_here = [*general, *typed, *_scale(kind, new), *_embedded(new, structural, ""), *lists]
    return _with_rules(kind, found_here, new, old)


def _with_rules(kind: Kind, found: list[FieldError], new: Object, old: Object | None) -> list[FieldError]:
    """The rules of the definition see only objects whose shape is right."""
    rules = schema.of(kind).rules
    if rules is None:
        return found
    if any(error.reason in _BLOCKING for error in found):
        return [*found, FieldError("<nil>", fielderrors.REASON_INVALID, _NOT_CHECKED)]
    return [*found, *expressions.problems(rules, new, old)]


def _shared(kind: Kind, obj: Object) -> Errors:
    structural = kind.structural or {}
    yield from _embedded(obj, structural, "")
    yield from _lists(obj, structural, "")


def warnings(old: Object | None, new: Object) -> Iterator[str]:
    """What a client is told about finalizers that may clash with those of others."""
    before = (old or {}).get("metadata", {}).get("finalizers") or ()
    for finalizer in sorted(set(new["metadata"].get("finalizers") or ()) - set(before)):
        if "/" not in finalizer and finalizer not in ("orphan", "foregroundDeletion", "kubernetes"):
            path = " including a path (/)" if "." in finalizer else ""
            yield (
                f'metadata.finalizers: "{finalizer}": prefer a domain-qualified finalizer name{path} to avoid '
                "accidental conflicts with other finalizer writers"
            )


# --- ratcheting ---


class _Before:
    """The object that was: whether a value, or one around it, is as it was; elements of lists are found by keys."""

    def __init__(self, old: Object, structural: Schema) -> None:
        self._old = old
        self._structural = structural
        self._indexes: dict[int, Mapping[bytes, Any]] = {}

    def has(self, place: custom.Place, new: Any) -> bool:
        """Whether the value there is no change."""
        old: Any = self._old
        node: Schema | None = self._structural
        for part in place:
            if isinstance(part, int):
                old, new = self._element(old, new[part], node or {}), new[part]
                items = (node or {}).get("items")
                node = items if isinstance(items, Mapping) else None
            else:
                if (node or {}).get("x-kubernetes-map-type") == "atomic":
                    return False
                old = old.get(part) if isinstance(old, dict) else None
                new = new.get(part) if isinstance(new, dict) else None
                node = child(node or {}, part)
            if old is None:
                return False
            if old == new:
                return True
        return False

    def _element(self, old: Any, wanted: Any, node: Schema) -> Any:
        key = maplists.identity(wanted, node)
        if key is None or not isinstance(old, list):
            return None
        index = self._indexes.get(id(old))
        if index is None:
            index = self._indexes[id(old)] = maplists.indexed(old, node)
        return index.get(key)


# --- scale ---


def at(obj: Any, path: str) -> Any:
    """The value at `.spec.replicas`."""
    for part in path.removeprefix(".").split("."):
        obj = obj.get(part) if isinstance(obj, dict) else None
    return obj


def _scale(kind: Kind, obj: Object, *, status_only: bool = False) -> Errors:
    scale = kind.scale
    if scale is None:
        return
    for path in (
        (scale["statusReplicasPath"],)
        if status_only
        else (
            scale["specReplicasPath"],
            scale["statusReplicasPath"],
        )
    ):
        value = at(obj, path)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool):
            detail = f"{path} accessor error: {value} is of the type {_GO_TYPES[type(value)]}, expected int64"
            yield fielderrors.invalid(path, 0, detail)
        elif value < 0:
            yield fielderrors.invalid(path, value, "should be a non-negative integer")
        elif value > _MAX_INT32:
            yield fielderrors.invalid(path, value, f"should be less than or equal to {_MAX_INT32}")


# --- embedded resources ---


def _embedded(value: Any, node: Schema, path: str, *, root: bool = True) -> Errors:
    if isinstance(value, dict):
        if node.get("x-kubernetes-embedded-resource") and not root:
            yield from _resource(value, path)
        for name, item in value.items():
            below = child(node, name)
            if below is not None:
                yield from _embedded(item, below, f"{path}.{name}" if path else name, root=False)
    elif isinstance(value, list) and isinstance(node.get("items"), Mapping):
        for index, item in enumerate(value):
            yield from _embedded(item, node["items"], f"{path}[{index}]", root=False)


def _resource(value: Object, path: str) -> Errors:
    for key in ("apiVersion", "kind"):
        text = value.get(key)
        if key not in value:
            yield fielderrors.required(f"{path}.{key}")
        elif not isinstance(text, str):
            yield fielderrors.invalid(f"{path}.{key}", text, "must be a string")
        elif not text:
            yield fielderrors.invalid(f"{path}.{key}", text, "must not be empty")
    version, kind = value.get("apiVersion"), value.get("kind")
    if isinstance(version, str) and version.count("/") > 1:
        yield fielderrors.invalid(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}")
    if isinstance(kind, str) and kind and (reasons := names.dns_label_1035(kind.lower())):
        detail = f"may have mixed case, but should otherwise match: {','.join(reasons)}"
        yield fielderrors.invalid(f"{path}.kind", kind, detail)
    meta = value.get("metadata")
    if isinstance(meta, dict):
        yield from metadata.embedded(meta, f"{path}.metadata")
    elif meta is not None:
        yield fielderrors.invalid(f"{path}.metadata", meta, "must be an object")


# --- sets and maps ---


def _lists(value: Any, node: Schema, path: str) -> Errors:
    """No element twice in a set, no key twice in an associative list."""
    if isinstance(value, dict):
        for name, item in value.items():
            below = child(node, name)
            if below is not None:
                yield from _lists(item, below, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        yield from _unique(value, node, path)
        items = node.get("items")
        if isinstance(items, Mapping):
            for index, item in enumerate(value):
                yield from _lists(item, items, f"{path}[{index}]")


def _unique(value: list[Any], node: Schema, path: str) -> Errors:
    kind = node.get("x-kubernetes-list-type")
    if kind == "map":
        for index, item in enumerate(value):
            if item is not None and not isinstance(item, dict):
                detail = "must be an object for an array of list-type map"
                yield fielderrors.invalid(f"{path}[{index}]", item, detail)
                return
        keys = node.get("x-kubernetes-list-map-keys") or ()
        seen_as = [{key: item[key] for key in keys if key in item} if item else {} for item in value]
    elif kind == "set":
        seen_as = value
    else:
        return
    counts: dict[bytes, int] = {}
    for index, item in enumerate(seen_as):
        identity = orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
        counts[identity] = counts.get(identity, 0) + 1
        if counts[identity] == 2:
            yield fielderrors.duplicate(f"{path}[{index}]", item)
