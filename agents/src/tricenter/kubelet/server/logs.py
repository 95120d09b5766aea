"""Reads container logs in CRI's format: time, stream, P(artial) or F(ull), text (KEP-2221's kubelet side)."""

import asyncio
import io
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tricenter.apimachinery import times

_CHUNK = 65_536
_HEAD = 64
"""Room for the time, stream and tag of a line."""
_POLL_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True)
class Options:
    """What of a log is asked for (core/v1 PodLogOptions)."""

    follow: bool = False
    tail: int | None = None
    since: datetime | None = None
    timestamps: bool = False
    limit_bytes: int | None = None
    stream: str = ""
    """stdout or stderr; empty for both."""


def line(raw: bytes, options: Options) -> bytes:
    """What a reader sees of one raw line; empty where it is not wanted or not understood."""
    parts = raw.rstrip(b"\n").split(b" ", 3)
    if len(parts) < 4:
        return b""
    stamp, stream, tag, text = parts
    if options.stream and stream.decode() != options.stream:
        return b""
    if options.since is not None and times.parse(stamp.decode()) < options.since:
        return b""
    end = b"" if tag.startswith(b"P") else b"\n"
    return (stamp + b" " if options.timestamps else b"") + text + end


def seek_tail(file: io.BufferedIOBase, count: int) -> None:
    """Move to the start of the last `count` full lines; parts of a line count as one with its end."""
    file.seek(0, io.SEEK_END)
    position, ahead, found = file.tell(), b"", 0
    following = position
    while position > 0 and count > 0:
        step = min(_CHUNK, position)
        position -= step
        file.seek(position)
        data = file.read(step) + ahead
        for start in _starts_backwards(data, step, first=position == 0):
            found += _is_full(data, start)
            if found > count:
                file.seek(following)
                return
            following = position + start
        ahead = data[:_HEAD]
    if count > 0:
        file.seek(0)


def _starts_backwards(data: bytes, step: int, *, first: bool) -> Iterator[int]:
    """Where lines start after the line ends in the first `step` bytes, and at 0 where that is the `first` byte."""
    index = data.rfind(b"\n", 0, step)
    while index >= 0:
        if index + 1 < len(data):
            yield index + 1
        index = data.rfind(b"\n", 0, index)
    if first:
        yield 0


def _is_full(data: bytes, start: int) -> bool:
    parts = data[start : start + _HEAD].split(b" ", 3)
    return len(parts) > 3 and parts[2].startswith(b"F")


async def read(path: Path, options: Options, ended: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
    """The log's text in pieces; with `follow` until the container has ended. Raises OSError."""
    left = options.limit_bytes
    file = path.open("rb")
    try:
        if options.tail is not None:
            seek_tail(file, options.tail)
        rest = b""
        while True:
            chunk = file.read(_CHUNK)
            if not chunk:
                if not options.follow:
                    return
                over = await ended()
                chunk = file.read(_CHUNK)
                if not chunk:
                    if _rotated(file, path):
                        file.close()
                        file = path.open("rb")
                        continue
                    if over:
                        return
                    await asyncio.sleep(_POLL_SECONDS)
                    continue
            *lines, rest = (rest + chunk).split(b"\n")
            text = b"".join(line(item, options) for item in lines)
            if left is not None:
                text, left = text[:left], left - len(text)
            if text:
                yield text
            if left is not None and left <= 0:
                return
    finally:
        file.close()


def _rotated(file: io.BufferedReader, path: Path) -> bool:
    """Whether the file was renamed and another one is written now."""
    try:
        return path.stat().st_ino != os.fstat(file.fileno()).st_ino
    except OSError:
        return False
