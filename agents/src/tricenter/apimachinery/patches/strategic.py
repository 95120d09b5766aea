"""Strategic merge patch: lists merge by key, with directives for what JSON merge patch cannot say.

Behaviour of k8s.io/apimachinery/pkg/util/strategicpatch: `$patch: replace|delete|merge`, `$retainKeys`,
`$deleteFromPrimitiveList/<field>` and `$setElementOrder/<field>`.
"""

from collections.abc import Callable
from typing import Any

import orjson

from tricenter.apimachinery.patches.errors import PatchError
from tricenter.apimachinery.schema import types
from tricenter.apimachinery.schema.types import ANY, Shape, Type

_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_DELETE_PRIMITIVES = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"
_Key = Callable[[Any], Any]


def strategic_merge(doc: dict[str, Any], patch: dict[str, Any], definition: str | Type) -> dict[str, Any]:
    """`doc` with `patch` merged into it along the given definition (its name or compiled type). Raises PatchError."""
    if not isinstance(patch, dict):
        raise PatchError("a strategic merge patch is an object")
    kind = types.of_definition(definition) if isinstance(definition, str) else definition
    return _merge_map(doc, patch, kind)


def _merge_map(doc: dict[str, Any], patch: dict[str, Any], kind: Type) -> dict[str, Any]:
    directive = patch.get(_DIRECTIVE)
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != _DIRECTIVE}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise PatchError(f"invalid patch directive: {directive!r}")
    result = _retained(doc, patch)
    parallel = {key.partition("/")[2] for key in patch if key.startswith((_DELETE_PRIMITIVES, _ORDER))}
    for field in sorted(parallel):
        _merge_parallel(result, patch, field, _child(kind, field))
    for key, value in patch.items():
        if key in parallel or (key[:1] == "$" and _is_directive(key)):
            continue
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge_value(result.get(key), value, _child(kind, key))
    return result


def _is_directive(key: str) -> bool:
    return key in {_DIRECTIVE, _RETAIN} or key.startswith((_DELETE_PRIMITIVES, _ORDER))


def _child(kind: Type, key: str) -> Type:
    if kind.shape is Shape.STRUCT:
        return kind.fields.get(key, ANY)
    return kind.element if kind.shape is Shape.MAP else ANY


def _retained(doc: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """A copy of `doc` with only the keys of $retainKeys, if the patch has any."""
    keep = patch.get(_RETAIN)
    if keep is None:
        return dict(doc)
    if not isinstance(keep, list):
        raise PatchError("$retainKeys must be a list of field names")
    kept = {name for name in keep if isinstance(name, str)}
    for key, value in patch.items():
        if value is not None and not _is_directive(key) and key not in kept:
            raise PatchError(f"field {key!r} is in the patch but not in $retainKeys")
    return {key: value for key, value in doc.items() if key in kept}


def _merge_value(old: Any, new: Any, kind: Type) -> Any:
    if isinstance(new, dict):
        return _merge_map(old, new, kind) if isinstance(old, dict) else _plain(new)
    if isinstance(new, list):
        if not kind.merge:
            return _plain(new)
        return _merge_list(old if isinstance(old, list) else [], new, kind)
    return new


def _plain(value: Any) -> Any:
    """A patch value where there is nothing to merge with: directives and nulls go."""
    if isinstance(value, dict):
        if value.get(_DIRECTIVE) == "delete":
            return {}
        return {key: _plain(child) for key, child in value.items() if child is not None and not _is_directive(key)}
    if isinstance(value, list):
        return [
            _plain(item)
            for item in value
            if not (isinstance(item, dict) and (item.get(_DIRECTIVE) == "delete" or item.keys() == {_DIRECTIVE}))
        ]
    return value


def _merge_parallel(result: dict[str, Any], patch: dict[str, Any], field: str, kind: Type) -> None:
    """Merge one list that comes with a deletion list or an order."""
    old = result.get(field)
    old = old if isinstance(old, list) else []
    new = patch.get(field)
    if field in patch and new is None:
        result.pop(field, None)
        return
    order = patch.get(_ORDER + field)
    gone = patch.get(_DELETE_PRIMITIVES + field, [])
    if not isinstance(gone, list) or not isinstance(order, list | None) or not isinstance(new, list | None):
        raise PatchError(f"the patch of list {field!r} and its directives must be lists")
    key = _key(kind)
    if order is not None:
        _check_order(new or [], order, key, field)
    leaving = {_identity(item) for item in gone}
    kept = [item for item in old if _identity(item) not in leaving]
    merged = _merge_list(kept, new, kind) if new is not None else kept
    if order is not None:
        merged = _ordered(merged, order, old, key)
    if merged or field in result or new is not None:
        result[field] = merged


def _check_order(new: list[Any], order: list[Any], key: _Key, field: str) -> None:
    wanted = {_identity(key(item)) for item in order}
    for item in new:
        removed = isinstance(item, dict) and item.get(_DIRECTIVE) in ("delete", "replace")
        if not removed and _identity(key(item)) not in wanted:
            raise PatchError(f"{item!r} is in the patch of {field!r} but not in its $setElementOrder")


def _key(kind: Type) -> _Key:
    """How an element of a merged list is told from another: by its merge key, or as a whole."""
    name = kind.merge_key
    if not name:
        return lambda item: item

    def key(item: Any) -> Any:
        if not isinstance(item, dict) or name not in item:
            raise PatchError(f"map: {item!r} does not contain declared merge key: {name}")
        return item[name]

    return key


def _merge_list(old: list[Any], new: list[Any], kind: Type) -> list[Any]:
    key = _key(kind)
    if not kind.merge_key:
        known = {_identity(item) for item in old}
        fresh = {_identity(item): item for item in reversed(new)}
        merged = [*old, *(item for identity, item in reversed(fresh.items()) if identity not in known)]
        return _ordered(merged, new, old, key)
    changed, special = _split_directives(new)
    if any(item.get(_DIRECTIVE) == "replace" for item in special):
        return [_plain(item) for item in changed] + [
            _plain(item) for item in special if item["$patch"] == "replace" and len(item) > 1
        ]
    deleted = {_identity(key(item)) for item in special if item[_DIRECTIVE] == "delete"}
    merged = [item for item in old if _identity(key(item)) not in deleted]
    places = {_identity(key(item)): index for index, item in reversed(list(enumerate(merged)))}
    for item in changed:
        place = places.get(_identity(key(item)))
        if place is None:
            places[_identity(key(item))] = len(merged)
            merged.append(_plain(item))
        else:
            merged[place] = _merge_map(merged[place], item, kind.element)
    return _ordered(merged, changed, old, key)


def _identity(value: Any) -> str | bytes:
    """What equal values have in common: lists of a patch may be long, so they are not searched item by item."""
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _split_directives(items: list[Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Elements to merge, and elements that carry a directive."""
    changed: list[dict[str, Any]] = []
    special: list[dict[str, Any]] = []
    for item in items:
        if not isinstance(item, dict):
            raise PatchError(f"expected an object in a list merged by key, found {item!r}")
        directive = item.get(_DIRECTIVE)
        if directive in (None, "merge"):
            changed.append(item)
        elif directive in ("delete", "replace"):
            special.append(item)
        else:
            raise PatchError(f"invalid patch directive: {directive!r}")
    return changed, special


def _ordered(merged: list[Any], order: list[Any], old: list[Any], key: _Key) -> list[Any]:
    """Elements named in `order` in its order, the others where the old list had them relative to those.

    Upstream's rule: walk both sorted lists; an element of the server goes first only where the old list knew both and
    had it first.
    """
    place = {_identity(key(item)): index for index, item in reversed(list(enumerate(order)))}
    before = {_identity(key(item)): index for index, item in reversed(list(enumerate(old)))}

    def identity(item: Any) -> Any:
        return _identity(key(item))

    ours = sorted((item for item in merged if identity(item) in place), key=lambda item: place[identity(item)])
    theirs = [item for item in merged if identity(item) not in place]
    theirs.sort(key=lambda item: before.get(identity(item), len(before)))
    result: list[Any] = []
    left = 0
    for item in ours:
        known = before.get(identity(item))
        while left < len(theirs) and known is not None and before.get(identity(theirs[left]), len(before)) < known:
            result.append(theirs[left])
            left += 1
        result.append(item)
    return result + theirs[left:]
