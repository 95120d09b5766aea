"""Hands an upgraded connection (SPDY or WebSocket) to the runtime's streaming server: bytes go through unread."""

from urllib.parse import urlsplit

from aiohttp import web

from tricenter.runtime import upgrades

_HEAD_LIMIT = 65_536
# Headers that concern this hop only.
_OWN_HEADERS = {"host", "authorization"}


async def proxy(request: web.Request, url: str) -> web.StreamResponse:
    """Hand a request on to `url` (http://127.0.0.1:port/...), and join both connections if that upgrades."""
    target = urlsplit(url)
    reader, writer = await upgrades.connect(target.hostname or "", target.port or 80, limit=_HEAD_LIMIT)
    try:
        writer.write(_head(request, target.netloc, f"{target.path}?{target.query}" if target.query else target.path))
        answer = await reader.readuntil(b"\r\n\r\n")
        status = int(answer.split(b" ", 2)[1])
        if status != 101:
            # whoever waits for an upgrade reads the refusal to the end of the connection
            response = web.Response(status=status, text=f"the runtime answered {answer.splitlines()[0].decode()}")
            response.force_close()
            return response
        return await upgrades.join(request, answer, reader, writer)
    finally:
        writer.close()


def _head(request: web.Request, host: str, path: str) -> bytes:
    headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _OWN_HEADERS]
    lines = [f"{request.method} {path} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
