"""HTTP/2 to an etcd member, byte by byte: no answer is lost, and no more is sent than the peer takes."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

import hpack
import pytest
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st

from tricenter.apiserver.storage import frames, http2, patience

_PATH = "/etcdserverpb.KV/Range"
_DONE = [("grpc-status", "0"), ("grpc-message", "")]
_CODES = {0: None, 5: StatusCode.NOT_FOUND, 14: StatusCode.UNAVAILABLE}


class _Wire(asyncio.Transport):
    """The transport of a connection whose peer is the test: what is written is read as frames."""

    def __init__(self) -> None:
        super().__init__()
        self._reader = frames.Reader()
        self._begun = False
        self._closed = False
        self.written: list[frames.Frame] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self._closed
        self.written += self._reader.read(bytes(data)[0 if self._begun else 24 :])
        self._begun = True

    def abort(self) -> None:
        self._closed = True

    def is_closing(self) -> bool:
        return self._closed

    def of(self, kind: int) -> list[bytes]:
        """The payloads of frames of a type."""
        return [payload for found, _, _, payload, _ in self.written if found == kind]


def _connected(settings: bytes = b"") -> tuple[http2.Connection, _Wire]:
    connection, wire = http2.Connection("peer:1", secured=False), _Wire()
    connection.connection_made(wire)
    connection.data_received(frames.frame(frames.SETTINGS, 0, 0, settings))
    return connection, wire


def _pieces(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    start = 0
    for size in itertools.cycle(sizes):
        if start >= len(data):
            return
        yield data[start : start + size]
        start += size


def _padded(kind: int, flags: int, number: int, payload: bytes, padding: int) -> bytes:
    if not padding:
        return frames.frame(kind, flags, number, payload)
    return frames.frame(kind, flags | frames.PADDED, number, bytes([padding]) + payload + bytes(padding))


@dataclass
class _Answer:
    """What the peer says to a call."""

    message: bytes
    code: int
    words: str
    cuts: list[int]
    """Sizes of its frames of data, and of the parts of its header blocks."""
    padding: int
    ended: bool
    """Whether its stream is reset after its end, as Go's server does where a client has not ended it."""
    steps: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.parts = list(_pieces(frames.PREFIX.pack(0, len(self.message)) + self.message, self.cuts))
        self.steps = ["head", *("data" for _ in self.parts), "tail", *(["reset"] if self.ended else [])]

    def take(self, number: int, encoder: hpack.Encoder) -> bytes:
        """Its next frame; a block of headers is one step, as nothing may come between its parts."""
        step = self.steps.pop(0)
        if step == "data":
            return _padded(frames.DATA, 0, number, self.parts.pop(0), self.padding)
        if step == "reset":
            return frames.frame(frames.RESET, 0, number, bytes(4))
        ends = frames.END_STREAM if step == "tail" else 0
        status = [("grpc-status", str(self.code)), ("grpc-message", quote(self.words))]
        block = encoder.encode(status if ends else [(":status", "200"), ("content-type", "application/grpc")])
        first, *rest = _pieces(block, self.cuts)
        if not rest:
            return _padded(frames.HEADERS, frames.END_HEADERS | ends, number, first, self.padding)
        return (
            _padded(frames.HEADERS, ends, number, first, self.padding)
            + b"".join(frames.frame(frames.CONTINUATION, 0, number, part) for part in rest[:-1])
            + frames.frame(frames.CONTINUATION, frames.END_HEADERS, number, rest[-1])
        )


_ANSWERS = st.builds(
    _Answer,
    message=st.binary(max_size=60),
    code=st.sampled_from(sorted(_CODES)),
    words=st.sampled_from(["", "no such key", "täg 100%"]),
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    padding=st.sampled_from([0, 0, 1, 200]),
    ended=st.booleans(),
)
_NOISE = st.sampled_from(["ping", "settings", "window", "unknown", "goaway"])


@given(st.lists(_ANSWERS, min_size=1, max_size=5), st.lists(_NOISE, max_size=6), st.data())
async def test_no_answer_is_lost(answers: list[_Answer], noise: list[str], data: st.DataObject) -> None:
    """Answers in any order, mixed with whatever a peer may say besides and cut anywhere, are all found."""
    connection, wire = _connected()
    calls = [asyncio.create_task(connection.unary(_PATH, b"?", 30.0)) for _ in answers]
    await asyncio.sleep(0)
    turns: list[int | str] = [index for index, answer in enumerate(answers) for _ in answer.steps]
    encoder, said, last = hpack.Encoder(), b"", 2 * len(answers)
    for turn in data.draw(st.permutations([*turns, *noise])):
        if isinstance(turn, int):
            said += answers[turn].take(2 * turn + 1, encoder)
        else:
            said += {
                "ping": frames.frame(frames.PING, 0, 0, b"12345678"),
                "settings": frames.frame(frames.SETTINGS, 0, 0, b"\0\4\0\0\0\7\0\3\0\0\0\1"),
                "window": frames.window(0, 5) + frames.window(last - 1, 5) + frames.window(999, 5),
                "unknown": frames.frame(0xFE, 0xFF, 1, b"from a later version"),
                "goaway": frames.frame(frames.GOAWAY, 0, 0, last.to_bytes(4, "big") + bytes(4)),
            }[turn]
    for piece in _pieces(said, data.draw(st.lists(st.integers(1, 90), min_size=1, max_size=5))):
        connection.data_received(piece)
        if len(piece) % 2:
            await asyncio.sleep(0)
    for answer, found in zip(answers, await asyncio.gather(*calls, return_exceptions=True), strict=True):
        if not answer.code:
            assert found == answer.message
        else:
            assert isinstance(found, http2.RpcError)
            assert (found.code, found.details) == (_CODES[answer.code], answer.words or "no reason given")
    assert not wire.of(frames.RESET)
    # A peer that goes away and has answered all is not kept waiting.
    assert connection.usable == (not wire.is_closing()) == ("goaway" not in noise)
    if connection.usable:
        acknowledged = [flags for kind, flags, *_ in wire.written if kind == frames.SETTINGS]
        assert acknowledged == [0] + [frames.ACK] * (1 + noise.count("settings"))
        assert wire.of(frames.PING) == [b"12345678"] * noise.count("ping")


@given(
    st.lists(st.integers(0, 60_000), min_size=1, max_size=4),
    st.lists(st.integers(1_000, 30_000), min_size=1, max_size=4),
    st.integers(0, 70_000),
    st.integers(0, 70_000),
)
async def test_no_more_is_sent_than_the_peer_takes(
    sizes: list[int], updates: list[int], initial: int, later: int
) -> None:
    """Whatever windows the peer gives and changes, messages keep to them, and arrive whole."""
    connection, wire = _connected(b"\0\4" + initial.to_bytes(4, "big"))
    messages = [bytes([index]) * size for index, size in enumerate(sizes)]
    calls = [asyncio.create_task(connection.unary(_PATH, message, 30.0)) for message in messages]
    numbers = [2 * index + 1 for index in range(len(calls))]
    room, streams, got = 65535, dict.fromkeys(numbers, initial), dict.fromkeys(numbers, b"")
    ended: set[int] = set()
    for turn in range(1_000):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for kind, flags, number, payload, size in wire.written:
            if kind == frames.DATA:
                got[number] += payload
                room, streams[number] = room - size, streams[number] - size
                ended |= {number} if flags & frames.END_STREAM else set()
        wire.written.clear()
        assert min(room, *streams.values()) >= min(0, later - initial)
        if len(ended) == len(calls):
            break
        if turn == 1:
            connection.data_received(frames.frame(frames.SETTINGS, 0, 0, b"\0\4" + later.to_bytes(4, "big")))
            streams = {number: left + later - initial for number, left in streams.items()}
        more = updates[turn % len(updates)]
        number = numbers[turn % len(numbers)]
        connection.data_received(frames.window(0, more) + frames.window(number, more))
        room, streams[number] = room + more, streams[number] + more
    # A small call may go while a large one waits.
    assert sorted(got.values()) == sorted(frames.PREFIX.pack(0, len(message)) + message for message in messages)
    encoder = hpack.Encoder()
    for number in numbers:
        block = encoder.encode([*_DONE])
        connection.data_received(frames.frame(frames.DATA, 0, number, frames.PREFIX.pack(0, 0)))
        connection.data_received(frames.frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, number, block))
    assert await asyncio.gather(*calls) == [b""] * len(calls)


async def test_what_an_ended_call_did_not_send_is_there_for_others() -> None:
    """A peer that ends a call in the middle of its message takes as much of the next one."""
    connection, wire = _connected()
    first = asyncio.create_task(connection.unary(_PATH, bytes(100_000), 30.0))
    await asyncio.sleep(0.01)
    connection.data_received(frames.window(0, 50_000) + frames.frame(frames.RESET, 0, 1, bytes(4)))
    with pytest.raises(http2.RpcError):
        await first
    wire.written.clear()
    second = asyncio.create_task(connection.unary(_PATH, bytes(49_995), 30.0))
    await asyncio.sleep(0.01)
    assert sum(map(len, wire.of(frames.DATA))) == 50_000
    connection.connection_lost(None)
    with pytest.raises(http2.RpcError):
        await second


async def test_a_deadline_that_passes_while_we_do_not_run_is_moved() -> None:
    """The answer lies in the socket while the process, or the whole machine, stands still."""
    connection, _ = _connected()
    asyncio.get_running_loop().call_later(
        0.3, connection.data_received, frames.frame(frames.DATA, 0, 1, frames.PREFIX.pack(0, 0))
    )
    trailers = hpack.Encoder().encode(_DONE)
    asyncio.get_running_loop().call_later(
        0.3,
        connection.data_received,
        frames.frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, 1, trailers),
    )
    call = asyncio.create_task(connection.unary(_PATH, b"1", 0.2))
    await asyncio.sleep(0)
    time.sleep(2)  # noqa: ASYNC251  # nothing runs
    assert await call == b""


async def test_a_deadline_is_moved_only_once() -> None:
    """A member that does not answer is given up, however often the process stands still."""
    connection, _ = _connected()
    call = asyncio.create_task(connection.unary(_PATH, b"1", 0.1))
    await asyncio.sleep(0)
    time.sleep(0.3)  # noqa: ASYNC251  # nothing runs
    await asyncio.sleep(0)
    time.sleep(0.5)  # noqa: ASYNC251
    with pytest.raises(http2.RpcError) as caught:
        async with asyncio.timeout(30):
            await call
    assert caught.value.code == StatusCode.DEADLINE_EXCEEDED


async def test_a_peer_is_not_asked_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """etcd closes connections that send a PING more often than every five seconds; calls under way would be lost."""
    monkeypatch.setattr(patience, "_SILENCE_SECONDS", 0.05)
    connection, wire = _connected()
    for _ in range(3):
        with pytest.raises(http2.RpcError):
            await connection.unary(_PATH, b"1", 0.05)
        connection.data_received(frames.frame(frames.PING, frames.ACK, 0, bytes(8)))
        await asyncio.sleep(0.1)
    assert wire.of(frames.PING) == [bytes(8)]
    assert connection.usable


async def test_a_peer_that_says_no_more_ends_all_calls_at_once() -> None:
    """A transport with TLS stays open for long after that, if the peer does not read."""
    connection, wire = _connected()
    call = asyncio.create_task(connection.unary(_PATH, b"1", 30.0))
    await asyncio.sleep(0)
    connection.eof_received()
    assert wire.is_closing()
    with pytest.raises(http2.RpcError) as caught:
        await call
    assert (caught.value.code, caught.value.sent) == (StatusCode.UNAVAILABLE, True)
    with pytest.raises(http2.RpcError) as caught:
        await connection.unary(_PATH, b"2", 30.0)
    assert not caught.value.sent


async def test_a_closing_transport_takes_no_call() -> None:
    """Nothing is written to it any more: the call can be made on another connection at once."""
    connection, wire = _connected()
    wire.abort()
    assert connection.usable
    with pytest.raises(http2.RpcError) as caught:
        await connection.unary(_PATH, b"1", 30.0)
    assert (caught.value.code, caught.value.sent) == (StatusCode.UNAVAILABLE, False)


async def test_the_last_stream_is_used_and_answered() -> None:
    """Stream numbers end; the connection does when the last call has."""
    connection, wire = _connected()
    connection._number = frames.LARGEST_WINDOW
    call = asyncio.create_task(connection.unary(_PATH, b"1", 30.0))
    await asyncio.sleep(0)
    assert not connection.usable
    assert not wire.is_closing()
    connection.data_received(frames.frame(frames.RESET, 0, frames.LARGEST_WINDOW, bytes(4)))
    with pytest.raises(http2.RpcError):
        await call
    assert wire.is_closing()


_HEADERS = frames.frame(frames.HEADERS, 0, 1, b"\x88")


@pytest.mark.parametrize(
    "wrong",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        _HEADERS + frames.frame(frames.PING, 0, 0, bytes(8)),
        _HEADERS + frames.frame(frames.CONTINUATION, frames.END_HEADERS, 3, b"\x88"),
        frames.frame(frames.CONTINUATION, frames.END_HEADERS, 1, b"\x88"),
        frames.frame(frames.SETTINGS, 0, 0, bytes(5)),
        frames.frame(frames.WINDOW, 0, 0, bytes(3)),
        frames.frame(frames.DATA, frames.PADDED, 1, b""),
        frames.frame(frames.DATA, frames.PADDED, 1, b"\5" + bytes(4)),
        frames.frame(frames.HEADERS, frames.END_HEADERS, 1, b"\xff"),
    ],
)
async def test_what_breaks_the_protocol_ends_all_calls_at_once(wrong: bytes) -> None:
    connection, wire = _connected()
    call = asyncio.create_task(connection.unary(_PATH, b"1", 30.0))
    await asyncio.sleep(0)
    connection.data_received(wrong)
    with pytest.raises(http2.RpcError, match="is not HTTP/2"):
        await call
    assert wire.is_closing()
    assert not connection.usable
