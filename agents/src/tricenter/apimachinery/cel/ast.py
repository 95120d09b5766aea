"""The syntax tree of a compiled expression, after macros were expanded (cel-spec, proto/cel/expr/checked.proto)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tricenter.apimachinery import wire

_ANY_VALUE, _CHECKED_EXPR = 2, 4
_CONSTANT, _IDENT, _SELECT, _CALL, _LIST, _STRUCT, _COMPREHENSION = range(3, 10)
_STRING_VALUE, _BYTES_VALUE = 6, 7


@dataclass(frozen=True)
class Constant:
    """A literal; `length` in bytes for strings, else 0."""

    length: int = 0


@dataclass(frozen=True)
class Ident:
    """A variable."""

    name: str


@dataclass(frozen=True)
class Select:
    """`operand.field`, or `has(operand.field)`."""

    operand: Node
    field: str
    test: bool


@dataclass(frozen=True)
class Call:
    """A function or operator with all its arguments, the target first."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Literal:
    """A list or map literal: all elements, keys and values."""

    elements: tuple[Node, ...]


@dataclass(frozen=True)
class Comprehension:
    """What macros like `all` and `map` become: a fold over a range."""

    variables: tuple[str, ...]
    range: Node
    accumulator: str
    initial: Node
    condition: Node
    step: Node
    result: Node


Node = Constant | Ident | Select | Call | Literal | Comprehension


def parse(serialized: bytes) -> Node:
    """The tree of what the library serializes: an Any with a CheckedExpr."""
    return _expr(_message(_message(serialized, _ANY_VALUE), _CHECKED_EXPR))


def walk(node: Node) -> Iterator[Node]:
    """A node and everything below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below."""
    if isinstance(node, Select):
        return (node.operand,)
    if isinstance(node, Call):
        return node.arguments
    if isinstance(node, Literal):
        return node.elements
    if isinstance(node, Comprehension):
        return (node.range, node.initial, node.condition, node.step, node.result)
    return ()


def _fields(data: bytes) -> dict[int, list[bytes | int]]:
    found: dict[int, list[bytes | int]] = {}
    for number, _, value in wire.fields(data):
        found.setdefault(number, []).append(value)
    return found


def _message(data: bytes, number: int) -> bytes:
    return _first(_fields(data), number)


def _first(fields: dict[int, list[bytes | int]], number: int) -> bytes:
    value = fields.get(number, [b""])[0]
    return value if isinstance(value, bytes) else b""


def _nodes(fields: dict[int, list[bytes | int]], number: int) -> tuple[Node, ...]:
    return tuple(_expr(item) for item in fields.get(number, ()) if isinstance(item, bytes))


def _expr(data: bytes) -> Node:  # noqa: PLR0911 - one return for each kind of node
    fields = _fields(data)
    if _IDENT in fields:
        return Ident(_first(_fields(_first(fields, _IDENT)), 1).decode())
    if _SELECT in fields:
        select = _fields(_first(fields, _SELECT))
        return Select(_expr(_first(select, 1)), _first(select, 2).decode(), bool(select.get(3, [0])[0]))
    if _CALL in fields:
        call = _fields(_first(fields, _CALL))
        return Call(_first(call, 2).decode(), _nodes(call, 1) + _nodes(call, 3))
    if _LIST in fields:
        return Literal(_nodes(_fields(_first(fields, _LIST)), 1))
    if _STRUCT in fields:
        return Literal(_entries(_fields(_first(fields, _STRUCT))))
    if _COMPREHENSION in fields:
        return _comprehension(_fields(_first(fields, _COMPREHENSION)))
    constant = _fields(_first(fields, _CONSTANT))
    return Constant(max(len(_first(constant, _STRING_VALUE)), len(_first(constant, _BYTES_VALUE))))


def _entries(struct: dict[int, list[bytes | int]]) -> tuple[Node, ...]:
    entries = [_fields(item) for item in struct.get(2, ()) if isinstance(item, bytes)]
    return tuple(node for entry in entries for node in _nodes(entry, 3) + _nodes(entry, 4))


def _comprehension(fields: dict[int, list[bytes | int]]) -> Comprehension:
    names = tuple(_first(fields, number).decode() for number in (1, 8) if number in fields)
    parts = {number: _expr(_first(fields, number)) for number in (2, 4, 5, 6, 7)}
    return Comprehension(names, parts[2], _first(fields, 3).decode(), parts[4], parts[5], parts[6], parts[7])
