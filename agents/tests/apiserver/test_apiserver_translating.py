"""WebSocket clients of exec and port-forward against a backend that speaks SPDY as moby/spdystream does."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator
from typing import Any, cast

import aiohttp
import orjson
import pytest
from aiohttp import web
from simulated_time import simulated

from tricenter.apiserver import errors
from tricenter.apiserver.rest import answers, spdy, translating, tunnel

FIN = 1
STATUS = {"metadata": {}, "status": "Success"}


def test_frames_arrive_in_pieces_of_any_size() -> None:
    sent = spdy.Encoder.data(1, b"ab") + spdy.Encoder.ping(2) + spdy.Encoder.data(3, b"", last=True)
    sent += struct.pack("!HHIII", 0x8003, 3, 8, 5, 1) + struct.pack("!HHIII", 0x8003, 7, 8, 1, 0)
    expected = [
        spdy.Data(1, b"ab", last=False),
        spdy.Ping(spdy.Encoder.ping(2)),
        spdy.Data(3, b"", last=True),
        spdy.Reset(5),
    ]
    for size in (1, 7, len(sent)):
        decoder = spdy.Decoder()
        pieces = [sent[start : start + size] for start in range(0, len(sent), size)]
        assert [frame for piece in pieces for frame in decoder.feed(piece)] == expected


class Backend:
    """Echoes input to output until it ends, then reports success; what it was asked is kept."""

    def __init__(self) -> None:
        self.request = b""
        self.streams: dict[int, str] = {}
        self.resized = b""
        self.gone = asyncio.Event()
        self._inflate = zlib.decompressobj()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.request = await reader.readuntil(b"\r\n\r\n")
        if b"/refuse" in self.request:
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 15\r\n\r\nnot running now")
        else:
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\nConnection: Upgrade\r\n\r\n")
            try:
                await self._frames(reader, writer)
            except asyncio.IncompleteReadError:
                self.gone.set()
        writer.close()

    async def _frames(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            first, second = struct.unpack("!II", await reader.readexactly(8))
            body = await reader.readexactly(second & 0xFFFFFF)
            if first >> 31:
                number = struct.unpack_from("!I", body)[0]
                self.streams[number] = self._inflate.decompress(body[10:]).decode().rpartition("\0")[2][1:]
                writer.write(struct.pack("!HHII", 0x8003, 2, 4, number))
            elif self.streams[first] == "resize":
                self.resized += body
            elif self.streams[first] == "stdin":
                numbers = {name: number for number, name in self.streams.items()}
                writer.write(spdy.Encoder.data(numbers["stdout"], body))
                if second >> 24 & FIN:
                    writer.write(spdy.Encoder.data(numbers["error"], orjson.dumps(STATUS), last=True))
                    writer.write(spdy.Encoder.data(numbers["stdout"], b"", last=True))
                    await writer.drain()
                    return


class Site:
    """A front that translates, and the backend behind it."""

    def __init__(self, backend: Backend, port: int, front: int) -> None:
        self.backend = backend
        self.port = port
        self.url = f"http://127.0.0.1:{front}"


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    backend = Backend()
    behind = await asyncio.start_server(backend.serve, "127.0.0.1", 0)
    port = behind.sockets[0].getsockname()[1]

    async def handle(http: web.BaseRequest) -> web.StreamResponse:
        serve: Any = translating.port_forward if http.path == "/forward" else translating.exec_or_attach
        try:
            return await serve(http, "127.0.0.1", port, http.raw_path, None)
        except errors.StatusError as error:
            return answers.status(error)

    server = web.Server(handle, access_log=None, handler_cancellation=True)
    front = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    yield Site(backend, port, front.sockets[0].getsockname()[1])
    for item in (front, behind):
        item.close()
    await server.shutdown(1)


async def test_v5_carries_input_output_size_end_and_status(site: Site) -> None:
    url = f"{site.url}/exec/d/p/c?command=cat&input=1&output=1&tty=1"
    got: dict[int, bytes] = {}
    async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=(translating.V5,)) as client:
        assert client.protocol == translating.V5
        await client.send_bytes(b'\x04{"Width":80,"Height":25}')
        await client.send_bytes(b"\x00" + b"x" * 1_000_000)
        await client.send_str("\x00text")
        await client.send_bytes(b"\xff\x00")
        async for message in client:
            got[message.data[0]] = got.get(message.data[0], b"") + message.data[1:]
    assert got[1] == b"x" * 1_000_000 + b"text"
    assert orjson.loads(got[3]) == STATUS
    assert site.backend.resized == b'{"Width":80,"Height":25}'
    assert sorted(site.backend.streams.values()) == ["error", "resize", "stdin", "stdout"]
    assert b"x-stream-protocol-version: v4.channel.k8s.io" in site.backend.request.lower()
    assert b"sec-websocket" not in site.backend.request.lower()


async def test_what_the_kubelet_refuses_is_said_before_the_upgrade(site: Site) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(f"{site.url}/refuse?output=1", protocols=(translating.V5,))
    assert refused.value.status == 400


async def test_a_client_that_disappears_ends_its_stream(site: Site) -> None:
    url = f"{site.url}/exec/d/p/c?command=cat&input=1&output=1"
    async with aiohttp.ClientSession() as session:
        client = await session.ws_connect(url, protocols=(translating.V5,))
        await client.receive(timeout=120)
        transport = client._writer.transport
        transport.abort()
        await asyncio.wait_for(site.backend.gone.wait(), 120)


class _Hasty:
    """A WebSocket client that tells more and takes its time to hear; and the kubelet's deaf end of a connection."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.closed = False
        self.deaf = False

    def __aiter__(self) -> AsyncIterator[aiohttp.WSMessage]:
        return self._tells()

    async def _tells(self) -> AsyncIterator[aiohttp.WSMessage]:
        for _ in range(3):
            yield aiohttp.WSMessage(aiohttp.WSMsgType.BINARY, b"\0more", None)
        await asyncio.Event().wait()

    async def send_bytes(self, data: bytes) -> None:
        await asyncio.sleep(0.1)
        self.heard.append(data)

    async def close(self) -> None:
        self.closed = True

    def write(self, data: bytes) -> None:
        pass

    async def drain(self) -> None:
        if self.deaf:
            raise ConnectionResetError
        self.deaf = True  # the streams have been opened


@simulated
async def test_a_command_that_ends_before_its_input_is_heard_to_the_end() -> None:
    """Without the status at the end kubectl would say that all went well, and show half of the output."""
    reader, both = asyncio.StreamReader(), _Hasty()
    backend = tunnel.Backend(b"", reader, cast("asyncio.StreamWriter", both))
    reader.feed_data(spdy.Encoder.data(5, b"one") + spdy.Encoder.data(5, b"two", last=True))
    reader.feed_data(spdy.Encoder.data(1, orjson.dumps(STATUS), last=True))
    client = cast("web.WebSocketResponse", both)
    await translating.Translation(client, backend, translating._channels("/exec?input=1&output=1")).run()
    assert both.heard == [b"\1", b"\1one", b"\1two", b"\3" + orjson.dumps(STATUS)]
    assert both.closed


async def test_port_forward_is_tunnelled(site: Site) -> None:
    protocols = (translating.PORT_FORWARD,)
    frames = spdy.Encoder()
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{site.url}/forward", protocols=protocols) as client,
    ):
        for name in ("error", "stdin", "stdout"):
            await client.send_bytes(frames.open({"streamType": name})[1])
        await client.send_bytes(frames.data(3, b"ping", last=True))
        decoder, said = spdy.Decoder(), b""
        async for message in client:
            said += b"".join(item.content for item in decoder.feed(message.data) if isinstance(item, spdy.Data))
    assert said == b"ping" + orjson.dumps(STATUS)
    assert b"x-stream-protocol-version: portforward.k8s.io" in site.backend.request.lower()
