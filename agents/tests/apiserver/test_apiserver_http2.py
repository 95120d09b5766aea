"""HTTP/2 to an etcd member: header blocks as any encoder writes them, and a peer that does what etcd seldom does."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import hpack
import pytest
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st

from tricenter.apiserver.storage import frames, http2, patience

_PATH = "/etcdserverpb.KV/Range"
_FIELDS = st.lists(st.tuples(st.sampled_from(["a", "b", ":status"]), st.sampled_from(["1", "200", "x" * 90])))
_TRAILERS = [("grpc-status", "0"), ("grpc-message", "")]


@given(st.lists(_FIELDS, max_size=12), st.sampled_from([0, 64, 4096]))
def test_header_blocks_are_read_as_they_were_written(blocks: list[list[tuple[str, str]]], table: int) -> None:
    """Blocks that come again mean something else once the table has changed, and it does when it is small."""
    encoder, reader = hpack.Encoder(), frames.Fields()
    encoder.header_table_size = table
    for fields in blocks:
        block = encoder.encode(fields)
        assert reader.read(block) == dict(fields)


@given(st.binary(max_size=50), st.integers(0, 20), st.booleans())
def test_padding_and_priority_are_taken_off(data: bytes, more: int, first: bool) -> None:
    flags = frames.PADDED | (frames.PRIORITY if first else 0)
    payload = bytes([more]) + (bytes(5) if first else b"") + data + bytes(more)
    assert frames.padded(frames.HEADERS, flags, payload) == data


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(1, 30), min_size=1, max_size=5))
async def test_messages_are_found_however_they_are_cut(messages: list[bytes], sizes: list[int]) -> None:
    found: list[bytes] = []
    call = http2.Call(asyncio.get_running_loop().create_future(), found.append, 0.0)
    data = b"".join(frames.PREFIX.pack(0, len(message)) + message for message in messages)
    for size in itertools.cycle(sizes):
        if not data:
            break
        call.arrived(data[:size])
        data = data[size:]
    assert found == messages


class _Peer:
    """One end of a connection that says what it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self._encoder = hpack.Encoder()
        self.seen: list[tuple[int, int, int]] = []
        """Types, flags and streams of the frames that came."""

    async def until(self, kind: int, number: int) -> bytes:
        """The payload of the next frame of a type on a stream."""
        while True:
            head = await self._reader.readexactly(frames.HEAD.size)
            high, low, found, flags, stream = frames.HEAD.unpack(head)
            payload = await self._reader.readexactly(high << 8 | low)
            self.seen.append((found, flags, stream))
            if (found, stream) == (kind, number):
                return payload

    def say(self, kind: int, flags: int, number: int, payload: bytes = b"") -> None:
        self.writer.write(frames.frame(kind, flags, number, payload))

    def answer(self, number: int, message: bytes) -> None:
        """A whole answer, its headers in two frames and its message in two."""
        block = self._encoder.encode([(":status", "200")])
        self.say(frames.HEADERS, 0, number, block[:1])
        self.say(frames.CONTINUATION, frames.END_HEADERS, number, block[1:])
        data = frames.PREFIX.pack(0, len(message)) + message
        self.say(frames.DATA, 0, number, data[:3])
        self.say(frames.DATA, 0, number, data[3:])
        self.say(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, number, self._encoder.encode(_TRAILERS))


_Script = Callable[[_Peer], Awaitable[None]]


@contextlib.asynccontextmanager
async def _connected(script: _Script, settings: bytes = b"") -> AsyncIterator[http2.Connection]:
    """A connection to a peer that follows a script, which has to go through."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    writers: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.readexactly(24)
        peer = _Peer(reader, writer)
        peer.say(frames.SETTINGS, 0, 0, settings)
        try:
            await script(peer)
        except BaseException as error:  # noqa: BLE001  # raised where the test waits for it
            done.set_exception(error)
        else:
            done.set_result(None)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    connection = await http2.connect(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", None)
    try:
        yield connection
        await asyncio.wait_for(done, 120)
    finally:
        connection.abort()
        server.close()
        for writer in writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def test_an_answer_comes_in_pieces() -> None:
    async def script(peer: _Peer) -> None:
        assert await peer.until(frames.DATA, 1) == frames.PREFIX.pack(0, 2) + b"hi"
        peer.say(frames.PING, 0, 0, b"12345678")
        peer.answer(1, b"hello")
        assert await peer.until(frames.PING, 0) == b"12345678"
        await peer.until(frames.DATA, 3)
        peer.answer(3, b"again")

    async with _connected(script) as connection:
        assert await connection.unary(_PATH, b"hi", 60.0) == b"hello"
        assert await connection.unary(_PATH, b"ho", 60.0) == b"again"


async def test_what_a_peer_has_not_begun_may_be_sent_again() -> None:
    """A peer that goes away names the last call it will do; one that refuses a call has not begun it."""

    async def script(peer: _Peer) -> None:
        await peer.until(frames.DATA, 1)
        peer.say(frames.RESET, 0, 1, frames.REFUSED.to_bytes(4, "big"))
        await peer.until(frames.DATA, 5)
        peer.say(frames.GOAWAY, 0, 0, (3).to_bytes(4, "big") + bytes(4) + b"maintenance")
        peer.answer(3, b"done")

    async with _connected(script) as connection:
        with pytest.raises(http2.RpcError) as refused:
            await connection.unary(_PATH, b"1", 60.0)
        begun = asyncio.create_task(connection.unary(_PATH, b"2", 60.0))
        await asyncio.sleep(0)
        with pytest.raises(http2.RpcError, match="maintenance") as left:
            await connection.unary(_PATH, b"3", 60.0)
        assert await begun == b"done"
        assert not connection.usable
        with pytest.raises(http2.RpcError) as late:
            await connection.unary(_PATH, b"4", 60.0)
    assert [error.value.sent for error in (refused, left, late)] == [False, False, False]


async def test_no_more_calls_at_a_time_than_the_peer_wants() -> None:
    async def script(peer: _Peer) -> None:
        await peer.until(frames.DATA, 1)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await peer.until(frames.DATA, 3)
        assert (frames.HEADERS, frames.END_HEADERS, 3) not in peer.seen
        peer.answer(1, b"1")
        await peer.until(frames.DATA, 3)
        peer.answer(3, b"2")

    async with _connected(script, b"\0\3\0\0\0\1") as connection:
        calls = (connection.unary(_PATH, b"1", 60.0), connection.unary(_PATH, b"2", 60.0))
        assert await asyncio.gather(*calls) == [b"1", b"2"]


async def test_a_message_waits_for_room() -> None:
    """The peer takes ten bytes on a new stream, then as many as it says."""

    async def script(peer: _Peer) -> None:
        found = await peer.until(frames.DATA, 1)
        assert len(found) == 10
        peer.say(frames.WINDOW, 0, 1, (100).to_bytes(4, "big"))
        assert found + await peer.until(frames.DATA, 1) == frames.PREFIX.pack(0, 50) + b"x" * 50
        peer.answer(1, b"")

    async with _connected(script, b"\0\4\0\0\0\x0a") as connection:
        assert await connection.unary(_PATH, b"x" * 50, 60.0) == b""


async def test_a_call_that_is_given_up_is_ended() -> None:
    ended = asyncio.Event()

    async def script(peer: _Peer) -> None:
        assert await peer.until(frames.RESET, 1) == frames.CANCEL.to_bytes(4, "big")
        ended.set()

    async with _connected(script) as connection:
        call = asyncio.create_task(connection.unary(_PATH, b"1", 60.0))
        await asyncio.sleep(0.05)
        call.cancel()
        await asyncio.wait_for(ended.wait(), 120)


async def test_a_peer_that_keeps_silent_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that got no sign of life is followed by a question; without an answer the connection is no more."""
    monkeypatch.setattr(patience, "_SILENCE_SECONDS", 0.2)

    async def script(peer: _Peer) -> None:
        await peer.until(frames.PING, 0)

    async with _connected(script) as connection:
        with pytest.raises(http2.RpcError) as caught:
            await connection.unary(_PATH, b"1", 0.1)
        assert (caught.value.code, caught.value.sent) == (StatusCode.DEADLINE_EXCEEDED, True)
        assert connection.usable
        async with asyncio.timeout(120):
            while connection.usable:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "rubbish", [b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(70000), bytes.fromhex("000001010400000001ff")]
)
async def test_what_is_no_http2_ends_the_connection(rubbish: bytes) -> None:
    async def script(peer: _Peer) -> None:
        await peer.until(frames.DATA, 1)
        peer.writer.write(rubbish)
        peer.writer.close()

    async with _connected(script) as connection:
        with pytest.raises(http2.RpcError) as caught:
            await connection.unary(_PATH, b"1", 60.0)
    assert (caught.value.code, caught.value.sent) == (StatusCode.UNAVAILABLE, True)
    assert not connection.usable
