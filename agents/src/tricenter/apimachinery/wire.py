"""The protobuf wire format: tags, varints and lengths (protobuf.dev/programming-guides/encoding)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class WireError(ValueError):
    """The bytes are not protobuf."""


def fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Number, wire type and raw value of each field. Raises WireError."""
    position, end = 0, len(data)
    while position < end:
        tag, position = varint(data, position)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, position = varint(data, position)
            yield number, kind, value
            continue
        if kind == BYTES:
            length, position = varint(data, position)
        elif kind in (FIXED64, FIXED32):
            length = 8 if kind == FIXED64 else 4
        else:
            raise WireError(f"unknown wire type {kind}")
        if position + length > end:
            raise WireError("truncated field")
        yield number, kind, data[position : position + length]
        position += length


def varint(data: bytes, position: int) -> tuple[int, int]:
    """A base-128 number and the position after it. Raises WireError."""
    value, shift = 0, 0
    while True:
        if position >= len(data) or shift > 63:
            raise WireError("truncated or too long number")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, position
        shift += 7


def signed(value: int) -> int:
    """A varint as a signed 64-bit number."""
    return value - (1 << 64) if value >= 1 << 63 else value


def double(value: bytes) -> float:
    """A fixed64 as a floating-point number."""
    number: float = struct.unpack("<d", value)[0]
    return number


def encoded_varint(value: int) -> bytes:
    """A number, of which the negative ones are written as 64-bit two's complement, in base 128."""
    value &= (1 << 64) - 1
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def encoded(number: int, kind: int, payload: bytes) -> bytes:
    """A field: its tag, the length where the wire type has one, and the payload."""
    tag = encoded_varint(number << 3 | kind)
    return tag + encoded_varint(len(payload)) + payload if kind == BYTES else tag + payload
