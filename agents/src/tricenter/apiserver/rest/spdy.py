"""SPDY/3.1 as far as a client of the kubelet's streams needs it: frames to bytes and bytes to frames, no I/O.

Streams of exec, attach and port-forward are SPDY streams between API server, kubelet and runtime (the draft
mbelshe-httpbis-spdy; client-go tools/remotecommand). The peer is moby/spdystream, which has neither flow control nor
priorities. Our header blocks are compressed without SPDY's preset dictionary, which a zlib stream says in its first
bytes (RFC 1950, FDICT); headers of the peer carry nothing that we need and are not read.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_VERSION = 0x8003
_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _PING, _GOAWAY = 1, 2, 3, 6, 7
_FIN = 0x01
_HEAD = 8
LARGEST = 0xFFFFFF
"""Bytes that one frame can carry."""


@dataclass(frozen=True)
class Data:
    """Bytes of a stream; `last` closes its direction."""

    stream: int
    content: bytes
    last: bool


@dataclass(frozen=True)
class Accepted:
    """The peer has taken a stream."""

    stream: int


@dataclass(frozen=True)
class Reset:
    """The peer wants no more of a stream."""

    stream: int


@dataclass(frozen=True)
class Ping:
    """The peer asks whether we are there: the frame to send back."""

    frame: bytes


Frame = Data | Accepted | Reset | Ping


class Encoder:
    """Frames of one connection that we send; header blocks share one compression context."""

    def __init__(self) -> None:
        self._squeeze = zlib.compressobj()
        self._next = 1

    def open(self, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """A new stream: its number and its SYN_STREAM."""
        number, self._next = self._next, self._next + 2
        block = struct.pack("!I", len(headers))
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                block += struct.pack("!I", len(text)) + text
        squeezed = self._squeeze.compress(block) + self._squeeze.flush(zlib.Z_SYNC_FLUSH)
        return number, _control(_SYN_STREAM, struct.pack("!IIH", number, 0, 0) + squeezed)

    @staticmethod
    def data(stream: int, content: bytes, *, last: bool = False) -> bytes:
        """Bytes of a stream, at most LARGEST."""
        return struct.pack("!II", stream, (_FIN if last else 0) << 24 | len(content)) + content

    @staticmethod
    def ping(number: int) -> bytes:
        """A question whether the peer is there."""
        return _control(_PING, struct.pack("!I", number))


def _control(kind: int, body: bytes, flags: int = 0) -> bytes:
    return struct.pack("!HHI", _VERSION, kind, flags << 24 | len(body)) + body


class Decoder:
    """Frames of one connection that we receive, from bytes in pieces of any size."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete now; those that mean nothing to a client of streams are left out."""
        self._rest += data
        while len(self._rest) >= _HEAD:
            first, second = struct.unpack_from("!II", self._rest)
            flags, length = second >> 24, second & LARGEST
            if len(self._rest) < _HEAD + length:
                return
            body = bytes(self._rest[_HEAD : _HEAD + length])
            raw = bytes(self._rest[:_HEAD]) + body
            del self._rest[: _HEAD + length]
            if not first >> 31:
                yield Data(first, body, bool(flags & _FIN))
            else:
                yield from _decoded(first & 0xFFFF, flags, body, raw)


def _decoded(kind: int, flags: int, body: bytes, raw: bytes) -> Iterator[Frame]:
    if len(body) < 4:
        return
    number = struct.unpack_from("!I", body)[0] & 0x7FFFFFFF
    if kind == _SYN_REPLY:
        yield Accepted(number)
        if flags & _FIN:
            yield Data(number, b"", last=True)
    elif kind == _RST_STREAM:
        yield Reset(number)
    elif kind == _PING and number % 2 == 0:  # odd ones answer ours
        yield Ping(raw)
