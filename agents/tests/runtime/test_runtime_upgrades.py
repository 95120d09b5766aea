"""Connections that are handed through: nothing that was said gets lost."""

from __future__ import annotations

import socket
import struct
from collections.abc import Awaitable, Callable

import pytest

from tricenter.runtime import upgrades


async def test_what_came_before_a_connection_broke_is_still_read(
    eventually: Callable[[Callable[[], bool]], Awaitable[None]],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        reader, writer = await upgrades.connect(host, port, limit=100)
        backend, _ = listener.accept()
    backend.sendall(b"the end of an output")
    await eventually(lambda: bool(reader._buffer))  # type: ignore[attr-defined]  # what has arrived and nobody read
    backend.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    backend.close()
    await eventually(writer.is_closing)
    assert [await reader.read(100), await reader.read(100)] == [b"the end of an output", b""]
    with pytest.raises(ConnectionResetError):
        await writer.wait_closed()
