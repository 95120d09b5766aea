"""A client that costs little beside the server: non-blocking TLS sockets and epoll, no HTTP library.

It writes requests that were encoded before and reads of an answer only its status and its length.
"""

from __future__ import annotations

import re
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

HOST = "127.0.0.1"
_LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: (\d+)")
_CHUNK = 1 << 18
_SCRATCH = bytearray(_CHUNK)


class Failed(Exception):  # noqa: N818  # what the server answered is the message
    """An answer other than the expected one."""


def context(pki: Path, user: str) -> ssl.SSLContext:
    """Present a user's certificate, trust the throw-away authority."""
    made = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    made.load_cert_chain(pki / f"{user}.crt", pki / f"{user}.key")
    return made


def request(method: str, path: str, body: bytes = b"", media: str = "application/json") -> bytes:
    """A request as it goes on the wire."""
    head = f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: bench/1\r\nAccept: application/json\r\n"
    if body:
        head += f"Content-Type: {media}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body


class Connection:
    """One connection with at most one request under way."""

    def __init__(self, port: int, tls: ssl.SSLContext) -> None:
        plain = socket.create_connection((HOST, port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = tls.wrap_socket(plain, server_hostname=HOST)
        self._parts: list[bytes] = []
        self._left = -1
        self._rest = b""

    def ask(self, data: bytes) -> bytes:
        """Send a request and wait for its answer. Raises Failed unless it is a success."""
        self.socket.setblocking(True)
        self.send(data)
        while not self.advance(self.socket.recv(_CHUNK)):
            pass
        return self.take()

    def skim(self, data: bytes) -> int:
        """Send a request and let its answer go by; the length of the body. Raises Failed unless it is a success."""
        self.socket.setblocking(True)
        self.send(data)
        while not self.advance(self.socket.recv(1024)):
            if self._left > 0:
                break
        left = self._left
        size = left + len(self.take())
        while left > 0:
            left -= self.socket.recv_into(_SCRATCH)
        return size

    def send(self, data: bytes) -> None:
        """Begin a request."""
        self.socket.sendall(data)
        self._left = -1

    def read(self) -> bytes:
        """What has arrived; empty when nothing has. Raises ConnectionError at the end of the stream."""
        try:
            data = self.socket.recv(_CHUNK)
        except ssl.SSLWantReadError:
            return b""
        if not data:
            raise ConnectionError("the server has closed the connection")
        return data

    def advance(self, data: bytes) -> bool:
        """Take in a part of an answer; whether it is complete."""
        if not data:
            raise ConnectionError("the server has closed the connection")
        self._parts.append(data)
        if self._left < 0:
            head = b"".join(self._parts)
            end = head.find(b"\r\n\r\n")
            if end < 0:
                return False
            found = _LENGTH.search(head, 0, end)
            if found is None:
                raise Failed(head[:200].decode())
            self._left = int(found[1]) - (len(head) - end - 4)
        else:
            self._left -= len(data)
        return self._left <= 0

    def lines(self, data: bytes) -> bytes:
        """The lines that have come to their end with `data`: a record of TLS ends anywhere."""
        end = data.rfind(b"\n") + 1
        whole, self._rest = (self._rest + data[:end], data[end:]) if end else (b"", self._rest + data)
        return whole

    def take(self) -> bytes:
        """The body of the complete answer. Raises Failed unless it is a success."""
        answer = b"".join(self._parts)
        self._parts.clear()
        head, _, body = answer.partition(b"\r\n\r\n")
        if head[9:10] != b"2":
            raise Failed(f"{head[:15].decode()}: {body[:300].decode()}")
        return body

    def close(self) -> None:
        """Close without ceremony."""
        self.socket.close()


class Pool:
    """Connections that are watched together."""

    def __init__(self, port: int, tls: ssl.SSLContext, size: int) -> None:
        self.connections = [Connection(port, tls) for _ in range(size)]
        self.epoll = select.epoll()
        self.by_number = {item.socket.fileno(): item for item in self.connections}
        for number, item in self.by_number.items():
            item.socket.setblocking(False)
            self.epoll.register(number, select.EPOLLIN)

    def close(self) -> None:
        """Close all of them."""
        self.epoll.close()
        for item in self.connections:
            item.close()

    def readable(self, seconds: float) -> Iterator[Connection]:
        """Connections on which something has arrived."""
        for number, _ in self.epoll.poll(seconds):
            yield self.by_number[number]

    def run(self, requests: Iterable[bytes]) -> float:
        """Send all requests, each connection the next one when it has its answer; the seconds that took."""
        waiting = iter(requests)
        began = time.perf_counter()
        under_way = sum(self._next(item, waiting) for item in self.connections)
        while under_way:
            for item in self.readable(5.0):
                while data := item.read():
                    if item.advance(data):
                        item.take()
                        under_way -= not self._next(item, waiting)
                        break
        return time.perf_counter() - began

    @staticmethod
    def _next(item: Connection, waiting: Iterator[bytes]) -> bool:
        data = next(waiting, None)
        if data is not None:
            item.send(data)
        return data is not None


Take = Callable[[bytes, float], None]
"""Told of the lines that a watch has received, and when."""


class Watches:
    """Open watch requests; `listen` hands over what arrives on them."""

    def __init__(self, port: int, tls: ssl.SSLContext, size: int, path: str) -> None:
        self._pool = Pool(port, tls, size)
        opened = request("GET", path)
        for item in self._pool.connections:
            item.send(opened)

    def listen(self, until: Callable[[], bool], take: Take) -> None:
        """Read whatever comes until `until` says so."""
        while not until():
            for item in self._pool.readable(0.05):
                now = time.perf_counter()
                while data := item.read():
                    take(item.lines(data), now)

    def close(self) -> None:
        """Close all of them."""
        self._pool.close()
