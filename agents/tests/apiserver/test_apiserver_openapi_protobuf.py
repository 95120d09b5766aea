"""OpenAPI version 2 in protobuf: what client-go asks /openapi/v2 for."""

from collections.abc import Iterator
from typing import Any

import pytest

from tricenter.apimachinery import openapi as documents
from tricenter.apimachinery import wire
from tricenter.apiserver.protobuf import openapi


def read(data: Any, *path: int) -> Iterator[Any]:
    """The values at a path of field numbers."""
    if not path:
        yield data
        return
    for number, _, value in wire.fields(data):
        if number == path[0]:
            yield from read(value, *path[1:])


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 1 << 40, -1])
def test_a_varint_is_read_as_it_was_written(number: int) -> None:
    value, end = wire.varint(wire.encoded_varint(number), 0)
    assert (wire.signed(value), end) == (number, len(wire.encoded_varint(number)))


def test_a_schema_keeps_type_items_references_and_extensions() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "array", "items": {"$ref": "#/definitions/b"}, "x-kubernetes-list-type": "set"}},
        "additionalProperties": True,
        "required": ["a"],
    }
    data = openapi.encode({"swagger": "2.0", "definitions": {"top": schema}})
    (top,) = read(data, 9, 1, 2)
    assert list(read(data, 9, 1, 1)) == [b"top"]
    assert list(read(top, 22, 1)) == [b"object"]
    assert list(read(top, 21, 2)) == [1]
    assert list(read(top, 19)) == [b"a"]
    (inner,) = read(top, 25, 1, 2)
    assert list(read(inner, 23, 1, 1)) == [b"#/definitions/b"]
    assert list(read(inner, 31, 1)) == [b"x-kubernetes-list-type"]
    assert list(read(inner, 31, 2, 2)) == [b'"set"']


def test_parameters_are_told_apart_by_their_place() -> None:
    operation = {
        "parameters": [
            {"in": "body", "name": "b", "schema": {}},
            {"in": "query", "name": "q", "type": "integer", "uniqueItems": True},
        ]
    }
    data = openapi.encode({"paths": {"/x": {"get": operation}}})
    assert list(read(data, 8, 2, 2, 2, 8, 1, 1, 2)) == [b"b"]
    (query,) = read(data, 8, 2, 2, 2, 8, 1, 2, 3)
    assert (list(read(query, 4)), list(read(query, 6)), list(read(query, 20))) == ([b"q"], [b"integer"], [1])


def test_every_definition_and_path_of_the_built_in_api_is_there() -> None:
    document = documents.v2()
    data = openapi.encode(document)
    assert [name.decode() for name in read(data, 9, 1, 1)] == list(document["definitions"])
    assert [name.decode() for name in read(data, 8, 2, 1)] == list(document["paths"])
