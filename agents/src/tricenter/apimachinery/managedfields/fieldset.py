"""Sets of field paths in the form FieldsV1 has on the wire, and their algebra.

A set is a nested dict. Keys are path elements: `f:<field>`, `k:<key fields as JSON>`, `v:<value as JSON>`, `i:<index>`.
A path is in the set when its node is empty or has the key `.`; a node without `.` only leads to longer paths.
Nodes are never changed once made, so sets share them freely.
"""

from collections.abc import Iterator
from typing import Any

import orjson

Node = dict[str, Any]
SELF = "."
LEAF: Node = {}
_ELEMENTS = ("f:", "k:", "v:", "i:")


def is_member(node: Node) -> bool:
    """Whether the path that leads to this node is in the set."""
    return not node or SELF in node


def is_set(node: Any) -> bool:
    """Whether something that a client sent has the form of a set."""
    return isinstance(node, dict) and all(
        (key == SELF or key[:2] in _ELEMENTS) and is_set(child) for key, child in node.items()
    )


def make(member: bool, children: Node) -> Node | None:
    """A node from its parts; None when there is nothing in it."""
    if not children:
        return LEAF if member else None
    if member:
        return {SELF: LEAF, **children}
    return children


def _children(node: Node) -> Node:
    return {key: child for key, child in node.items() if key != SELF} if SELF in node else node


def union(left: Node, right: Node) -> Node:
    """Paths in either set."""
    if left is right or not right:
        return left
    result = dict(left)
    for key, node in right.items():
        found = result.get(key)
        result[key] = node if found is None else _union_nodes(found, node)
    return result


def _union_nodes(left: Node, right: Node) -> Node:
    if left is right:
        return left
    member = is_member(left) or is_member(right)
    return make(member, union(_children(left), _children(right))) or LEAF


def difference(left: Node, right: Node) -> Node:
    """Paths in the left set only."""
    if not right:
        return left
    result: Node = {}
    for key, node in left.items():
        other = right.get(key)
        if other is None:
            result[key] = node
        elif key != SELF:
            member = is_member(node) and not is_member(other)
            kept = make(member, difference(_children(node), _children(other)))
            if kept is not None:
                result[key] = kept
    return result


def intersection(left: Node, right: Node) -> Node:
    """Paths in both sets."""
    result: Node = {}
    for key, node in left.items():
        other = right.get(key)
        if other is None or key == SELF:
            continue
        kept = make(is_member(node) and is_member(other), intersection(_children(node), _children(other)))
        if kept is not None:
            result[key] = kept
    return result


def prefixes(found: Node) -> Node:
    """The set with every field on the way to a member as a member, too: structs leave when their last field does.

    List elements are not added: owning a field of an element is not owning the element.
    """
    result: Node = {}
    for key, node in found.items():
        if key == SELF or not node:
            result[key] = LEAF
        else:
            member = key.startswith("f:") or is_member(node)
            result[key] = make(member, prefixes(_children(node))) or LEAF
    return result


def paths(found: Node, prefix: str = "") -> Iterator[str]:
    """The member paths as messages show them: `.spec.containers[name="web"].image`."""
    for key, node in found.items():
        if key != SELF:
            path = prefix + shown(key)
            if is_member(node):
                yield path
            yield from paths(_children(node), path)


def shown(key: str) -> str:
    """A path element as messages show it."""
    kind, _, rest = key.partition(":")
    if kind == "f":
        return f".{rest}"
    if kind == "i":
        return f"[{rest}]"
    if kind == "v":
        return f"[={rest}]"
    try:
        fields = orjson.loads(rest)
    except orjson.JSONDecodeError:
        return f"[{rest}]"
    return "[" + ",".join(f"{name}={orjson.dumps(value).decode()}" for name, value in fields.items()) + "]"
