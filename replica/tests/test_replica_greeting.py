"""A machine that is slow to greet is heard with one connection; one that hangs up is asked again."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from tricenter_replica.greeting import Greetings


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A listener on loopback; its tests answer by hand."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(120)
        yield listener


def port(server: socket.socket) -> int:
    return int(server.getsockname()[1])


def soon_heard(greetings: Greetings) -> bool:
    """Ask for some minutes at most."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if greetings.heard("127.0.0.1"):
            return True
        time.sleep(0.01)
    return False


def test_a_slow_greeting_comes_over_the_only_connection(server: socket.socket) -> None:
    with Greetings(port(server), patience=600) as greetings:
        assert not any(greetings.heard("127.0.0.1") for _ in range(50))
        accepted, _ = server.accept()
        with accepted:
            accepted.sendall(b"SSH-2.0-slow\r\n")
            assert soon_heard(greetings)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_who_hangs_up_or_says_nothing_for_long_is_asked_again(server: socket.socket) -> None:
    with Greetings(port(server), patience=0.05) as greetings:
        assert not greetings.heard("127.0.0.1")
        server.accept()[0].close()
        time.sleep(0.1)
        assert not greetings.heard("127.0.0.1")
        assert not greetings.heard("127.0.0.1")
        silent, _ = server.accept()
        with silent:
            time.sleep(0.1)
            assert not greetings.heard("127.0.0.1")
            assert not greetings.heard("127.0.0.1")
            server.accept()[0].close()


def test_nobody_is_heard_where_nobody_listens(server: socket.socket) -> None:
    number = port(server)
    server.close()
    with Greetings(number) as greetings:
        assert not any(greetings.heard("127.0.0.1") for _ in range(5))
