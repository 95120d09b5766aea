"""Single questions to a container, asked of real servers."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from tricenter.kubelet.probes.checks import Checks

METHOD = "/grpc.health.v1.Health/Check"


@pytest.fixture
async def health() -> AsyncIterator[tuple[int, list[bytes]]]:
    """A gRPC server that serves every service; its port, and the requests that it got."""
    requests: list[bytes] = []

    async def check(request: bytes, _context: object) -> bytes:
        requests.append(request)
        return b"\x08\x01"

    class Handler(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(check) if details.method == METHOD else None

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield port, requests
    await server.stop(None)


@pytest.mark.parametrize("length", [0, 1, 127, 128, 300, 70_000])
async def test_a_grpc_service_may_have_a_name_of_any_length(health: tuple[int, list[bytes]], length: int) -> None:
    port, requests = health
    parts: Any = None
    probe = {"grpc": {"port": port, "service": "s" * length}, "timeoutSeconds": 60}
    good, words = await Checks(parts, parts).check(probe, {"name": "c"}, "id", "127.0.0.1")
    assert good, words
    [request] = requests
    assert request == (b"\x0a" + varint(length) + b"s" * length if length else b"")


def varint(number: int) -> bytes:
    """Base 128, the lowest seven bits first (protobuf's encoding of lengths)."""
    found = []
    while number > 127:
        found.append(number % 128 + 128)
        number //= 128
    return bytes([*found, number])
