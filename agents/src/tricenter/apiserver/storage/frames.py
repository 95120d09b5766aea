"""Frames of HTTP/2 (RFC 9113) and messages of gRPC, as a client of etcd needs them: pure functions on bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
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

_NUMBER = struct.Struct(">I")
_SETTING = struct.Struct(">HI")
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


def number(payload: bytes) -> int:
    """What WINDOW, RESET and GOAWAY begin with, 31 bits: no error code needs the other one. Raises ValueError."""
    if len(payload) < _NUMBER.size:
        raise ValueError("a frame without its number")
    return int(_NUMBER.unpack_from(payload)[0]) & LARGEST_WINDOW


def settings(payload: bytes) -> dict[int, int]:
    """The settings of a frame by their number. Raises ValueError."""
    if len(payload) % _SETTING.size:
        raise ValueError("a setting without its value")
    return dict(_SETTING.iter_unpack(payload))


def padded(kind: int, flags: int, payload: bytes) -> bytes:
    """The payload of DATA or HEADERS without padding and priority. Raises ValueError."""
    start, end = 0, len(payload)
    if flags & PADDED:
        start, end = 1, end - payload[0] if payload else 0
    if kind == HEADERS and flags & PRIORITY:
        start += 5
    if start > end:
        raise ValueError("more padding than there are bytes")
    return payload[start:end]


Frame = tuple[int, int, int, bytes, int]
"""Type, flags, stream, payload, and the size of the payload as it came."""


class Reader:
    """Finds the frames in what arrives: without padding, and each header block in one piece."""

    def __init__(self) -> None:
        self._rest = b""
        self._block: tuple[int, int, bytes] | None = None
        """Flags, stream and beginning of a header block that is to be continued."""

    def read(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete. Raises ValueError."""
        data = self._rest + data if self._rest else data
        start, end = 0, len(data)
        while end - start >= HEAD.size:
            high, low, kind, flags, stream = HEAD.unpack_from(data, start)
            size = high << 8 | low
            if size > LARGEST_FRAME:
                raise ValueError(f"a frame of {size} bytes")
            after = start + HEAD.size + size
            if after > end:
                break
            payload = data[start + HEAD.size : after]
            start = after
            if kind in (DATA, HEADERS) and flags & (PADDED | PRIORITY):
                payload = padded(kind, flags, payload)
            if self._block is None and kind != CONTINUATION and (kind != HEADERS or flags & END_HEADERS):
                yield kind, flags, stream, payload, size
            elif (whole := self._continued(kind, flags, stream, payload)) is not None:
                yield whole
        self._rest = data[start:]

    def _continued(self, kind: int, flags: int, stream: int, payload: bytes) -> Frame | None:
        """A header block of several frames, between which nothing else may come (RFC 9113, 6.10)."""
        if self._block is None and kind == HEADERS:
            self._block = flags, stream, payload
            return None
        if self._block is None or kind != CONTINUATION or self._block[1] != stream:
            raise ValueError("a header block that is interrupted")
        first, _, block = self._block
        block += payload
        self._block = None if flags & END_HEADERS else (first, stream, block)
        return (HEADERS, first, stream, block, len(block)) if flags & END_HEADERS else None


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
