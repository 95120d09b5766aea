"""A stream of messages to and from an etcd member, on a connection of its own.

Whatever has arrived is handed over at once: a library that took turns of the event loop for each message made events
seconds late in a busy one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from tricenter.apiserver.storage import http2
from tricenter.runtime import tls


async def messages(
    endpoint: str,
    secured: tls.Context | None,
    path: str,
    requests: AsyncGenerator[bytes, None],
    *metadata: tuple[str, str],
) -> AsyncGenerator[bytes, None]:
    """Messages both ways until the member ends the stream; `requests` go on for as long. Raises RpcError."""
    connection = await http2.connect(endpoint, secured)
    arrived: asyncio.Queue[bytes | None] = asyncio.Queue()
    call = connection.stream(arrived.put_nowait)
    sending = asyncio.ensure_future(_send(connection, call, path, requests, metadata))
    for ending in (call.done, sending):
        ending.add_done_callback(lambda _: arrived.put_nowait(None))
    try:
        while (message := await arrived.get()) is not None:
            yield message
        for ending in (sending, call.done):
            if ending.done():
                ending.result()
    finally:
        sending.cancel()
        connection.leave(call)
        connection.abort()
        await asyncio.wait({sending})
        if not sending.cancelled():
            sending.exception()  # whoever leaves early does not ask for it, and asyncio would complain


async def _send(
    connection: http2.Connection,
    call: http2.Call,
    path: str,
    requests: AsyncGenerator[bytes, None],
    metadata: tuple[tuple[str, str], ...],
) -> None:
    await connection.open(call, path, *metadata)
    async for request in requests:
        await connection.send(call, request)
