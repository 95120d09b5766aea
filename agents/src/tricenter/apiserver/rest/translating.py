"""WebSocket clients of exec, attach and port-forward (KEP-4006), towards kubelets that speak SPDY.

- `v5.channel.k8s.io`: each binary message is a channel number and bytes: 0 input, 1 output, 2 errors, 3 the Status at
  the end, 4 terminal sizes as JSON; `255, n` closes channel n, without which `kubectl exec -i ... cat` would never end.
  What arrives is translated to the SPDY streams of `v4.channel.k8s.io` and back (upstream's StreamTranslatorHandler).
  Older WebSocket protocols are the runtime's own and go through untouched (module tunnel).
- `SPDY/3.1+portforward.k8s.io`: the messages carry the bytes of a SPDY connection (upstream's TunnelingHandler).

Done by the API server, not by the kubelet, so that any kubelet and runtime will do.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl

import orjson
from aiohttp import WSMsgType, web

from tricenter.apiserver import errors
from tricenter.apiserver.rest import spdy, tunnel
from tricenter.runtime import upgrades

V5 = "v5.channel.k8s.io"
PORT_FORWARD = "SPDY/3.1+portforward.k8s.io"
_V4 = "v4.channel.k8s.io"

_STDIN, _STDOUT, _STDERR, _ERROR, _RESIZE, _CLOSE = 0, 1, 2, 3, 4, 255
_NAMES = {_ERROR: "error", _STDIN: "stdin", _STDOUT: "stdout", _STDERR: "stderr", _RESIZE: "resize"}
"""Channels by the SPDY header `streamType`, in the order in which client-go opens the streams."""

_MESSAGE_LIMIT = 16 * 1024 * 1024
_GOODBYE_SECONDS = 15 * 60.0
"""How long a client may take to read what is left after the end, upstream's finishTimeout."""


async def exec_or_attach(
    http: web.BaseRequest, host: str, port: int, target: str, context: ssl.SSLContext
) -> web.StreamResponse:
    """Serve a v5 client by a kubelet's exec or attach at `target`. Raises OSError, StatusError."""
    async with await _dial(http, (host, port), target, context, _V4) as backend:
        client = await _accept(http, V5)
        await Translation(client, backend, _channels(target)).run()
        return client


async def port_forward(
    http: web.BaseRequest, host: str, port: int, target: str, context: ssl.SSLContext
) -> web.StreamResponse:
    """Serve a tunnelling client by a kubelet's port-forward at `target`. Raises OSError, StatusError."""
    async with await _dial(http, (host, port), target, context, "portforward.k8s.io") as backend:
        client = await _accept(http, PORT_FORWARD)
        to_client = asyncio.create_task(_carry(backend.reader, client))
        to_backend = asyncio.create_task(_uncover(client, backend.writer))
        await _first_of(to_client, to_backend)
        await client.close()
        return client


async def _dial(
    http: web.BaseRequest, place: tuple[str, int], target: str, context: ssl.SSLContext, protocol: str
) -> tunnel.Backend:
    """A SPDY connection to the kubelet. Raises OSError, StatusError where it refuses."""
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "SPDY/3.1",
        "X-Stream-Protocol-Version": protocol,
        **dict.fromkeys((f"Sec-WebSocket-{name}" for name in ("Key", "Version", "Protocol", "Extensions")), ""),
    }
    backend = await tunnel.connect(http, *place, target, context, replaced=headers)
    if not backend.upgraded:
        async with backend:
            raise await backend.refusal()
    return backend


async def _accept(http: web.BaseRequest, protocol: str) -> web.WebSocketResponse:
    client = web.WebSocketResponse(
        protocols=(protocol,), compress=False, max_msg_size=_MESSAGE_LIMIT, timeout=_GOODBYE_SECONDS
    )
    await client.prepare(http)
    if http.transport is not None:
        upgrades.watch(http.transport)
    return client


async def _first_of(*tasks: asyncio.Task[None]) -> None:
    """Wait until one of the tasks ends, however it does, and end the others."""
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _carry(reader: asyncio.StreamReader, client: web.WebSocketResponse) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(upgrades.PIECE):
            await client.send_bytes(piece)


async def _uncover(client: web.WebSocketResponse, writer: asyncio.StreamWriter) -> None:
    async for message in client:
        if message.type is WSMsgType.BINARY:
            await _tell(writer, message.data)


async def _tell(writer: asyncio.StreamWriter, data: bytes) -> None:
    """To a backend that may have closed already: what it said before that is still to be read, so this is no end."""
    with contextlib.suppress(ConnectionError):
        writer.write(data)
        await writer.drain()


def _channels(target: str) -> list[int]:
    """The channels that the kubelet expects, from the query it is asked with."""
    asked = set(target.partition("?")[2].split("&"))
    wanted = {_STDIN: "input=1", _STDOUT: "output=1", _STDERR: "error=1", _RESIZE: "tty=1"}
    terminal = wanted[_RESIZE] in asked
    return [
        channel
        for channel in _NAMES
        if channel == _ERROR or (wanted[channel] in asked and not (channel == _STDERR and terminal))
    ]


class Translation:
    """One v5 client and its streams at the kubelet."""

    def __init__(self, client: web.WebSocketResponse, backend: tunnel.Backend, channels: list[int]) -> None:
        self._client = client
        self._backend = backend
        self._encoder = spdy.Encoder()
        self._channels = channels
        self._streams: dict[int, int] = {}
        """Stream numbers by channel."""
        self._status = b""

    async def run(self) -> None:
        """Carry until the command has ended or the client is gone."""
        await self._open()
        first = next(item for item in (_STDOUT, _STDERR, _ERROR) if item in self._channels)
        await self._client.send_bytes(bytes([first]))  # tells the client that it is connected
        output = asyncio.create_task(self._output())
        await _first_of(output, asyncio.create_task(self._input()))
        if not output.cancelled():
            await self._finish()

    async def _open(self) -> None:
        for channel in self._channels:
            number, frame = self._encoder.open({"streamType": _NAMES[channel]})
            self._streams[channel] = number
            self._backend.writer.write(frame)
        await self._backend.writer.drain()

    async def _input(self) -> None:
        """From the client to the streams; ends when the client is gone."""
        async for message in self._client:
            # some clients send text messages; upstream's server makes no difference either
            data = message.data.encode() if message.type is WSMsgType.TEXT else message.data
            if not data:
                continue
            channel, content = data[0], data[1:]
            closing = channel == _CLOSE and len(content) == 1
            stream = self._streams.get(content[0] if closing else channel)
            if stream is None or (channel not in {_STDIN, _RESIZE} and not closing):
                continue
            frame = self._encoder.data(stream, b"" if closing else content, last=closing)
            await _tell(self._backend.writer, frame)

    async def _output(self) -> None:
        """From the streams to the client; ends when the kubelet has said everything."""
        decoder = spdy.Decoder()
        open_streams = {self._streams[item] for item in (_STDOUT, _STDERR, _ERROR) if item in self._streams}
        with contextlib.suppress(ConnectionError):
            while open_streams and (piece := await self._backend.reader.read(upgrades.PIECE)):
                for frame in decoder.feed(piece):
                    await self._take(frame)
                    if isinstance(frame, spdy.Reset) or (isinstance(frame, spdy.Data) and frame.last):
                        open_streams.discard(frame.stream)

    async def _take(self, frame: spdy.Frame) -> None:
        if isinstance(frame, spdy.Ping):
            self._backend.writer.write(frame.frame)
        elif isinstance(frame, spdy.Data) and frame.content:
            channel = next((item for item, number in self._streams.items() if number == frame.stream), None)
            if channel == _ERROR:
                self._status = (self._status + frame.content)[: upgrades.PIECE]
            elif channel is not None:
                await self._client.send_bytes(bytes([channel]) + frame.content)

    async def _finish(self) -> None:
        """Say how the command ended, and give the client the time to read everything."""
        status = self._status or orjson.dumps(
            errors.Internal("Internal error occurred: the kubelet closed the connection").status()
        )
        with contextlib.suppress(ConnectionError):
            await self._client.send_bytes(bytes([_ERROR]) + status)
            await self._client.close()
