"""The token of a browser, which can give a WebSocket no header: one of the subprotocols that it offers.

k8s.io/apiserver pkg/authentication/request/websocket/protocol.go.
"""

from __future__ import annotations

import base64

from aiohttp import web

PREFIX = "base64url.bearer.authorization.k8s.io."


def offered(http: web.BaseRequest) -> list[str]:
    """What a client says that it speaks, best first."""
    names = ",".join(http.headers.getall("Sec-WebSocket-Protocol", []))
    return [name.strip() for name in names.split(",") if name.strip()]


def token(http: web.BaseRequest) -> str:
    """The token, empty without one. Raises ValueError for what is none."""
    if http.headers.get("Upgrade", "").lower() != "websocket":
        return ""
    names = offered(http)
    tokens = [name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)]
    if not tokens:
        return ""
    if len(tokens) > 1:
        raise ValueError("multiple base64.bearer.authorization tokens specified")
    if len(names) == 1:
        # The token is not to be sent back, so there must be something else to agree on.
        raise ValueError("missing additional subprotocol")
    return base64.b64decode(tokens[0] + "=" * (-len(tokens[0]) % 4), altchars=b"-_", validate=True).decode()
