"""Header blocks of HTTP/2 (RFC 7541), as far as a client of gRPC needs them.

We tell the server to keep no dynamic table, so a block means the same wherever it stands. Of an answer only literals
count: `grpc-status` and `grpc-message` are in no static table, so what is indexed is skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache


class HeaderError(ValueError):
    """A block that is not valid."""


# Lengths of the Huffman codes of octets 0 to 255 and of the end (appendix B); the codes follow from them, as symbols
# of one length have consecutive codes and shorter codes come first.
_LENGTHS = bytes((
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28,
    28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6,
    12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15,
    5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20,
    22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22,
    23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26,
    27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
))  # fmt: skip
_END = 256


def _codes() -> dict[tuple[int, int], int]:
    """(length, code) → symbol."""
    made: dict[tuple[int, int], int] = {}
    code = length = 0
    for size, symbol in sorted((size, symbol) for symbol, size in enumerate(_LENGTHS)):
        code <<= size - length
        length = size
        made[size, code] = symbol
        code += 1
    return made


_CODES = _codes()


def huffman(data: bytes) -> bytes:
    """Decode a Huffman-coded string (section 5.2). Raises HeaderError."""
    found = bytearray()
    code = length = 0
    for octet in data:
        for bit in range(7, -1, -1):
            code, length = code << 1 | octet >> bit & 1, length + 1
            symbol = _CODES.get((length, code))
            if symbol == _END:
                raise HeaderError("the end of a string within it")
            if symbol is not None:
                found.append(symbol)
                code = length = 0
    if length > 7 or code != (1 << length) - 1:
        raise HeaderError("a string that is cut off")
    return bytes(found)


def encode(headers: Iterable[tuple[str, str]]) -> bytes:
    """A block of literals that nobody remembers (section 6.2.2)."""
    return b"".join(b"\0" + _string(name) + _string(value) for name, value in headers)


def _string(text: str) -> bytes:
    raw = text.encode()
    if len(raw) >= 127:
        raise HeaderError(f"too long: {text}")
    return bytes([len(raw)]) + raw


@lru_cache(maxsize=64)
def literals(block: bytes) -> dict[str, str]:
    """The headers of a block whose names are spelled out. Raises HeaderError.

    Remembered, for the trailers of nearly all answers are the same; the caller must not change the result.
    """
    try:
        return {name.decode(): value.decode() for name, value in _fields(block) if name}
    except IndexError as error:
        raise HeaderError("a block that is cut off") from error


def _fields(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(block):
        first = block[at]
        if first & 0x80:  # indexed name and value
            _, at = _integer(block, at, 7)
        elif first & 0xE0 == 0x20:  # another size of the table
            _, at = _integer(block, at, 5)
        else:
            index, at = _integer(block, at, 6 if first & 0x40 else 4)
            name, at = _text(block, at) if not index else (b"", at)
            value, at = _text(block, at)
            yield name, value


def _integer(block: bytes, at: int, bits: int) -> tuple[int, int]:
    """A number and where it ends (section 5.1)."""
    limit = (1 << bits) - 1
    value = block[at] & limit
    at += 1
    if value < limit:
        return value, at
    shift = 0
    while True:
        octet = block[at]
        value += (octet & 0x7F) << shift
        shift += 7
        at += 1
        if not octet & 0x80:
            return value, at


def _text(block: bytes, at: int) -> tuple[bytes, int]:
    coded = block[at] & 0x80
    size, at = _integer(block, at, 7)
    raw = block[at : at + size]
    if len(raw) < size:
        raise HeaderError("a string that is cut off")
    return huffman(raw) if coded else raw, at + size
