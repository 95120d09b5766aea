"""Whether machines' ssh servers greet, asked of many at once: one connection a machine, kept until it is answered.

An emulated machine on a busy host may need half a minute to start the process that greets. Who asks anew each second
makes it start that process again and again, and never hears one.
"""

from __future__ import annotations

import contextlib
import socket
import time
from types import TracebackType
from typing import Self

PATIENCE = 60.0
"""Seconds after which a connection that brought nothing is given up: the machine may have lost it, started anew."""


class Greetings:
    """The connections that wait for a greeting; leaving it closes them."""

    def __init__(self, port: int = 22, *, patience: float = PATIENCE) -> None:
        """Nobody is asked yet."""
        self._port = port
        self._patience = patience
        self._waiting: dict[str, tuple[socket.socket, float]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for address in list(self._waiting):
            self._forget(address)

    def heard(self, address: str) -> bool:
        """Whether the machine has greeted since the first time it was asked for; returns at once."""
        if address not in self._waiting:
            connection = socket.socket()
            connection.setblocking(False)
            connection.connect_ex((address, self._port))
            self._waiting[address] = connection, time.monotonic()
        connection, since = self._waiting[address]
        said: bytes | None = None
        with contextlib.suppress(BlockingIOError):
            said = _receive(connection)
        if said is not None or time.monotonic() > since + self._patience:
            self._forget(address)
        return said == b"SSH-"

    def _forget(self, address: str) -> None:
        self._waiting.pop(address)[0].close()


def _receive(connection: socket.socket) -> bytes:
    """The first bytes, none where there will be none. Raises BlockingIOError while there may still be."""
    try:
        return connection.recv(4)
    except BlockingIOError:
        raise
    except OSError:
        return b""
