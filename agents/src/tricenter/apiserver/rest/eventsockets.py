"""Watches over WebSockets, as browsers and the Java client open them: each event is a text message.

k8s.io/apiserver pkg/endpoints/handlers/watch.go, HandleWS.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from tricenter.apiserver.rest import tunnel

_MESSAGE_LIMIT = 4096
"""Bytes of what a client says, which nobody listens to."""


def wanted(http: web.BaseRequest) -> bool:
    """Whether a client wants to watch over a WebSocket."""
    return http.method == "GET" and http.headers.get("Upgrade", "").lower() == "websocket"


class EventSocket(web.WebSocketResponse):
    """A WebSocket that is written to as the body of a watch is."""

    def __init__(self, http: web.BaseRequest) -> None:
        super().__init__(protocols=tunnel.protocols(http), compress=False, max_msg_size=_MESSAGE_LIMIT)

    async def write(self, data: bytes | bytearray | memoryview[int] | memoryview[bytes]) -> None:
        """Send events, each of which is a line."""
        for line in bytes(data).splitlines():
            await self.send_str(line.decode())

    async def ignore(self, gone: Callable[[], None]) -> None:
        """Read what the client says until it goes, which is what its pings and its goodbye need."""
        async for _ in self:
            pass
        gone()
