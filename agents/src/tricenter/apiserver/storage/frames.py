"""Frames of HTTP/2 (RFC 9113) and messages of gRPC, as a client of etcd needs them: pure functions on bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from urllib.parse import unquote

import hpack
from grpc import StatusCode

DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, PRIORITY = 0x4, 0x8, 0x20
CANCEL, REFUSED = 0x8, 0x7
"""Error codes of RESET."""
INITIAL_WINDOW, MAX_STREAMS = 4, 3
"""Settings: bytes that may be sent on a new stream, and streams at a time."""
FIRST_WINDOW, LARGEST_WINDOW = 65535, 2**31 - 1
LARGEST_FRAME = 16384
"""Bytes in a frame that every peer takes."""

PREFIX = struct.Struct(">BI")
"""In front of a message of gRPC: whether it is compressed, and its length."""
HEAD = struct.Struct(">HBBBI")
"""In front of a frame: its length in two parts, its type, its flags and its stream."""

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_CODES = {str(code.value[0]): code for code in StatusCode}


def frame(kind: int, flags: int, stream: int, payload: bytes | memoryview = b"") -> bytes:
    """A frame as it goes on the wire."""
    size = len(payload)
    return HEAD.pack(size >> 8, size & 0xFF, kind, flags, stream) + payload


def opening() -> bytes:
    """What a client says first: no limit is set to what it takes, as the caller asked for it."""
    settings = struct.pack(">HIHI", 2, 0, INITIAL_WINDOW, LARGEST_WINDOW)
    return _PREFACE + frame(SETTINGS, 0, 0, settings) + window(0, LARGEST_WINDOW - FIRST_WINDOW)


def window(stream: int, more: int) -> bytes:
    """Room for so many more bytes on a stream, or (0) on the connection."""
    return frame(WINDOW, 0, stream, more.to_bytes(4, "big"))


def reset(stream: int) -> bytes:
    """The end of a stream that nobody waits for any more."""
    return frame(RESET, 0, stream, CANCEL.to_bytes(4, "big"))


def settings(payload: bytes) -> dict[int, int]:
    """The settings of a frame by their number."""
    return dict(struct.iter_unpack(">HI", payload))


def padded(kind: int, flags: int, payload: bytes) -> bytes:
    """The payload of DATA or HEADERS without padding and priority."""
    start, end = 0, len(payload)
    if flags & PADDED:
        start, end = 1, end - payload[0]
    if kind == HEADERS and flags & PRIORITY:
        start += 5
    return payload[start:end]


def request(authority: str, path: str, metadata: Iterable[tuple[str, str]] = (), *, secured: bool) -> bytes:
    """The header block of a call. Its fields are never indexed, so that it can be sent again and again."""
    fields = (
        (":method", "POST"),
        (":scheme", "https" if secured else "http"),
        (":path", path),
        (":authority", authority),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        *metadata,
    )
    return hpack.Encoder().encode([hpack.NeverIndexedHeaderTuple(*field) for field in fields], huffman=False)


class Fields:
    """Reads header blocks, which after the first of a connection are mostly the same."""

    _INDEXED = bytes(range(0x80, 0xFF))
    """All that a block consists of which neither changes the table nor has numbers of several bytes."""

    def __init__(self) -> None:
        self._decoder = hpack.Decoder()
        self._known: dict[bytes, dict[str, str]] = {}

    def read(self, block: bytes) -> dict[str, str]:
        """The fields of a block; not to be changed. Raises hpack.HPACKError."""
        found = self._known.get(block)
        if found is None:
            found = {_text(name): _text(value) for name, value in self._decoder.decode(block, raw=True)}
            if block.translate(None, self._INDEXED):
                self._known.clear()
            else:
                self._known[block] = found
        return found


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def outcome(trailers: dict[str, str]) -> tuple[StatusCode, str]:
    """The status of a call and the words that go with it (gRPC over HTTP2, Responses)."""
    code = trailers.get("grpc-status")
    if code is None:
        return StatusCode.UNKNOWN, f"the answer is not one of gRPC: {trailers.get(':status', 'no status')}"
    return _CODES.get(code, StatusCode.UNKNOWN), unquote(trailers.get("grpc-message", "")) or "no reason given"
