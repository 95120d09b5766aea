"""Ask a DNS server one question, to learn whether it answers (RFC 1035, section 4)."""

import asyncio
import secrets
import struct

_TXT, _IN = 16, 1
_RESPONSE, _RCODE = 0x8000, 0x000F


def question(name: str, number: int) -> bytes:
    """A query for the TXT record of `name`."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    return struct.pack("!6H", number, 0, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", _TXT, _IN)


def is_answer(packet: bytes, number: int) -> bool:
    """Whether `packet` answers query `number` with at least one record."""
    if len(packet) < 12:
        return False
    got, flags, _, answers, _, _ = struct.unpack("!6H", packet[:12])
    return got == number and bool(flags & _RESPONSE) and not flags & _RCODE and answers > 0


class _Reply(asyncio.DatagramProtocol):
    def __init__(self, number: int) -> None:
        self._number = number
        self.good: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - asyncio's signature
        if not self.good.done():
            self.good.set_result(is_answer(data, self._number))

    def error_received(self, exc: Exception) -> None:  # noqa: ARG002 - asyncio's signature
        if not self.good.done():
            self.good.set_result(False)


async def answers(address: str, name: str, *, port: int = 53, patience: float = 1.0) -> bool:
    """Whether the server at `address` knows the TXT record of `name`."""
    number = secrets.randbelow(65536)
    try:
        transport, reply = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Reply(number), remote_addr=(address, port)
        )
    except OSError:
        return False
    try:
        transport.sendto(question(name, number))
        async with asyncio.timeout(patience):
            return await reply.good
    except TimeoutError:
        return False
    finally:
        transport.close()
