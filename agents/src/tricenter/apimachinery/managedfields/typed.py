"""What ownership needs to know of typed values: their field set, how two differ, merging and removing.

Semantics of sigs.k8s.io/structured-merge-diff (KEP-555).
"""

from functools import lru_cache
from typing import Any

import orjson

from tricenter.apimachinery import alike
from tricenter.apimachinery.managedfields.fieldset import LEAF, SELF, Node, is_member, make
from tricenter.apimachinery.schema.types import ANY, Shape, Type


class TypedError(ValueError):
    """An associative list has an element without its key fields, or two with the same key."""


def element_key(item: Any, kind: Type) -> str:
    """The path element of a list element: by key fields, or by value for sets. Raises TypedError."""
    if not kind.keys:
        return f"v:{orjson.dumps(item, option=orjson.OPT_SORT_KEYS).decode()}"
    if not isinstance(item, dict):
        raise TypedError(
            f"associative list with keys may not have {'a null element' if item is None else 'non-map elements'}"
        )
    if len(kind.keys) == 1 and isinstance(value := item.get(kind.keys[0]), str) and len(value) <= alike.LONGEST:
        return _named(kind.keys[0], value)
    found = {}
    for name in kind.keys:
        value = item.get(name, kind.key_defaults.get(name))
        if value is not None:
            found[name] = value
    if not found:
        keys = " ".join(f'"{name}"' for name in kind.keys)
        raise TypedError(
            f"associative list with keys has an element that omits all key fields [{keys}] "
            "(and doesn't have default values for any key fields)"
        )
    return f"k:{orjson.dumps(found, option=orjson.OPT_SORT_KEYS).decode()}"


@lru_cache(maxsize=4096)
def _named(key: str, value: str) -> str:
    """The usual case: elements that go by one name, and the same names again and again."""
    return f"k:{orjson.dumps({key: value}).decode()}"


_STRUCT, _LIST, _SCALAR = Shape.STRUCT, Shape.LIST, Shape.SCALAR
_NESTED = (dict, list)


def _is_list(kind: Type, value: Any) -> bool:
    return isinstance(value, list) and kind.shape is _LIST and not kind.atomic


def _is_map(kind: Type, value: Any) -> bool:
    return isinstance(value, dict) and not kind.atomic and kind.shape is not _LIST and kind.shape is not _SCALAR


def child(kind: Type, key: str) -> Type:
    """The type of a field or map entry."""
    return kind.fields.get(key, ANY) if kind.shape is Shape.STRUCT else kind.element


def field_set(value: Any, kind: Type) -> Node | None:
    """The node of a value: what somebody who sets it owns. None for an empty associative list."""
    shape = kind.shape
    if kind.atomic or shape is _SCALAR:
        return LEAF
    if isinstance(value, dict):
        return LEAF if shape is _LIST else _map_set(value, kind)
    return _list_set(value, kind) if isinstance(value, list) and shape is _LIST else LEAF


def _map_set(value: dict[str, Any], kind: Type) -> Node | None:
    fields = kind.fields if kind.shape is _STRUCT else {}
    children: Node = {}
    for key, item in value.items():
        node: Node | None = LEAF
        # Most members are scalars, and what is not an object or a list is owned as a whole.
        if isinstance(item, _NESTED):
            field = fields.get(key)
            node = _item(kind, item) if field is None else field_set(item, field)
            if node is None and item == {}:
                node = LEAF
        if node is not None:
            children["f:" + key] = node
    return children or None


def _item(kind: Type, item: Any) -> Node:
    """The node of an entry of a map: entries are items, which are owned as such."""
    node = field_set(item, ANY if kind.shape is _STRUCT else kind.element)
    if node is None:
        return LEAF
    return node if is_member(node) else make(True, node) or LEAF


def _list_set(value: list[Any], kind: Type) -> Node | None:
    elements: Node = {}
    for item in value:
        key = element_key(item, kind)
        # an element that is there twice is owned as a whole
        elements[key] = LEAF if key in elements else make(True, field_set(item, kind.element) or {})
    return elements or None


def whole(value: Any, kind: Type) -> Node:
    """The node of a value that was not there before, or is no longer: every path on the way belongs to it, too."""
    children: Node = {}
    if kind.atomic or kind.shape is _SCALAR:
        return LEAF
    if isinstance(value, dict) and kind.shape is not _LIST:
        # Most members are scalars, which are leaves whatever their type says.
        children = {
            "f:" + key: whole(item, child(kind, key)) if isinstance(item, _NESTED) else LEAF
            for key, item in value.items()
        }
    elif isinstance(value, list) and kind.shape is _LIST:
        children = _elements(value, kind)
    return {SELF: LEAF, **children} if children else LEAF


_CONTAINER = "io.k8s.api.core.v1.Container"
_known: alike.Memory[Node] = alike.Memory()
"""Nodes of lists of containers, which in a workload are the same and the largest part of a pod."""


def _elements(value: list[Any], kind: Type) -> Node:
    """The nodes of all elements of a list that was empty before, or is now."""
    if kind.element.name != _CONTAINER or not value:
        return _each(value, kind)
    key = (alike.content(value),)
    found = _known.get(key)
    if found is None:
        found = _each(value, kind)
        if not alike.has_made_name(found):
            _known.learn(key, found)
    return found


def _each(value: list[Any], kind: Type) -> Node:
    elements: Node = {}
    for item in value:
        key = element_key(item, kind)
        elements[key] = LEAF if key in elements else whole(item, kind.element)
    return elements


class Comparison:
    """Paths that were added, removed and modified from one value to another."""

    __slots__ = ("added", "modified", "removed")

    def __init__(self) -> None:
        self.added: Node = {}
        self.removed: Node = {}
        self.modified: Node = {}


def compare(old: dict[str, Any], new: dict[str, Any], kind: Type) -> Comparison:
    """How `new` differs from `old` (typed/compare.go)."""
    result = Comparison()
    result.added, result.removed, result.modified = _compare_maps(old, new, kind)
    return result


_Triple = tuple[Node, Node, Node]


def _compare_maps(old: dict[str, Any], new: dict[str, Any], kind: Type) -> _Triple:
    added: Node = {}
    removed: Node = {}
    modified: Node = {}
    into = (added, removed, modified)
    for key, value in new.items():
        if key in old:
            if value != old[key]:
                _compare_into(old[key], value, child(kind, key), f"f:{key}", into)
        elif key in kind.present and isinstance(value, _NESTED):
            if value:
                _compare_into(type(value)(), value, child(kind, key), f"f:{key}", into)
        else:
            added[f"f:{key}"] = whole(value, child(kind, key))
    for key, value in old.items():
        if key in new:
            continue
        if key in kind.present and isinstance(value, _NESTED):
            if value:
                _compare_into(value, type(value)(), child(kind, key), f"f:{key}", into)
        else:
            removed[f"f:{key}"] = whole(value, child(kind, key))
    return into


def _compare_lists(old: list[Any], new: list[Any], kind: Type) -> _Triple:
    if not old:
        return _elements(new, kind), {}, {}
    added: Node = {}
    removed: Node = {}
    modified: Node = {}
    before, after = _by_key(old, kind), _by_key(new, kind)
    for key in {**before, **after}:
        left, right = before.get(key, []), after.get(key, [])
        if len(left) == len(right) == 1:
            if left != right:
                _compare_into(left[0], right[0], kind.element, key, (added, removed, modified))
        elif len(left) > 1 and len(right) > 1:
            if left != right:
                modified[key] = LEAF
        else:  # it came or it left; one that is there more than once is owned as a whole
            _put(removed, key, _occurring(left, kind))
            _put(added, key, _occurring(right, kind))
    return added, removed, modified


def _by_key(items: list[Any], kind: Type) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for item in items:
        found.setdefault(element_key(item, kind), []).append(item)
    return found


def _occurring(items: list[Any], kind: Type) -> Node | None:
    if not items:
        return None
    return whole(items[0], kind.element) if len(items) == 1 else LEAF


def _compare_into(old: Any, new: Any, kind: Type, key: str, into: _Triple) -> None:
    added, removed, modified = into
    if _is_map(kind, old) and isinstance(new, dict):
        parts = _compare_maps(old, new, kind)
    elif _is_list(kind, old) and isinstance(new, list):
        parts = _compare_lists(old, new, kind)
    else:  # one in the place of another: what was in it goes, what is in the new one comes
        modified[key] = LEAF
        parts = _within(whole(new, kind)), _within(whole(old, kind)), {}
    for part, target in zip(parts, (added, removed, modified), strict=True):
        if part:
            target[key] = part


def _within(node: Node) -> Node:
    return {key: inner for key, inner in node.items() if key != SELF}


def _put(target: Node, key: str, node: Node | None) -> None:
    if node is not None:
        target[key] = node


def merge(old: Any, new: Any, kind: Type) -> Any:
    """`new` laid over `old`: maps and associative lists merge, everything else is taken from `new`."""
    if _is_map(kind, old) and isinstance(new, dict):
        result = dict(old)
        for key, value in new.items():
            result[key] = merge(old[key], value, child(kind, key)) if key in old else value
        return result
    if _is_list(kind, old) and isinstance(new, list):
        return _merge_lists(old, new, kind)
    return new


def _merge_lists(old: list[Any], new: list[Any], kind: Type) -> list[Any]:
    """Elements of `new` in their order, those of `old` alone between them where they were."""
    left = [(element_key(item, kind), item) for item in old]
    right = [(element_key(item, kind), item) for item in new]
    known, wanted = dict(left), dict(right)
    if len(wanted) != len(right):
        raise TypedError("duplicate entries in an associative list")
    result: list[Any] = []
    taken: set[str] = set()
    at = 0
    for key, item in right:
        while at < len(left) and (left[at][0] not in wanted or left[at][0] in taken):
            if left[at][0] not in wanted:
                result.append(left[at][1])
            at += 1
        if at < len(left) and left[at][0] == key:
            at += 1
        elif key in known:
            # the order changed: this element was taken from further on, skip it when we come there
            taken.add(key)
        result.append(merge(known[key], item, kind.element) if key in known else item)
    return result + [item for key, item in left[at:] if key not in wanted]


def remove(value: Any, kind: Type, gone: Node, owned: Node) -> Any:
    """`value` without the member paths of `gone`.

    Maps and lists that lose their last element go with it (None, typed/remove.go), unless they are `owned` as empty.
    """
    if not gone:
        return value
    if _is_map(kind, value):
        left = {
            key: kept
            for key, item in value.items()
            if (kept := _without(item, child(kind, key), f"f:{key}", gone, owned)) is not None
        }
        return left if left or not owned else None
    if _is_list(kind, value):
        items = (_without(item, kind.element, element_key(item, kind), gone, owned) for item in value)
        kept_items = [item for item in items if item is not None]
        return kept_items if kept_items or not owned else None
    return value


_NOT_OWNED: Node = {"f:": {}}  # leads nowhere


def _without(item: Any, kind: Type, key: str, gone: Node, owned: Node) -> Any:
    inner = gone.get(key)
    if inner is None:
        return item
    return None if is_member(inner) else remove(item, kind, inner, owned.get(key, _NOT_OWNED))
