"""A watch stream of an etcd member: all events, in order, at once, over plain and secured connections."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from aetcd import rpc
from apiserver_harness import EtcdProcess, free_port
from grpc import StatusCode

from tricenter.apiserver.config import EtcdConfig
from tricenter.apiserver.storage import frames, http2, stream
from tricenter.apiserver.storage.channel import RpcError
from tricenter.apiserver.storage.etcd import context
from tricenter.runtime import tls

_WATCH = "/etcdserverpb.Watch/Watch"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server would try again; here a connection may take its time."""
    monkeypatch.setattr(http2, "_CONNECT_SECONDS", 120.0)


async def _requests() -> AsyncGenerator[bytes, None]:
    create = rpc.WatchCreateRequest(key=b"/w/", range_end=b"/w0", start_revision=1)
    yield rpc.WatchRequest(create_request=create).SerializeToString()
    await asyncio.Event().wait()


def _opened(
    port: int, secured: tls.Context | None = None, path: str = _WATCH
) -> contextlib.aclosing[AsyncGenerator[bytes, None]]:
    return contextlib.aclosing(stream.messages(f"127.0.0.1:{port}", secured, path, _requests()))


async def _created(arriving: AsyncGenerator[bytes, None]) -> None:
    assert rpc.WatchResponse.FromString(await asyncio.wait_for(anext(arriving), 120)).created


async def _events(arriving: AsyncGenerator[bytes, None], count: int) -> list[rpc.Event]:
    found: list[rpc.Event] = []
    async with asyncio.timeout(120):
        while len(found) < count:
            found += rpc.WatchResponse.FromString(await anext(arriving)).events
    return found


def _write(port: int, count: int, size: int, written: list[int]) -> None:
    """Put keys from a thread, over a connection of its own; their revisions."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        put = channel.unary_unary("/etcdserverpb.KV/Put", rpc.PutRequest.SerializeToString, rpc.PutResponse.FromString)
        for number in range(count):
            request = rpc.PutRequest(key=b"/w/%d" % (number % 7), value=bytes(size))
            written.append(put(request, timeout=120).header.revision)


async def test_each_event_once_in_order(etcd: EtcdProcess) -> None:
    written: list[int] = []
    async with _opened(etcd.port) as arriving:
        await _created(arriving)
        writing = asyncio.create_task(asyncio.to_thread(_write, etcd.port, 300, 1000, written))
        seen = [event.kv.mod_revision for event in await _events(arriving, 300)]
        await writing
    assert seen == written


async def test_events_larger_than_every_window_arrive(etcd: EtcdProcess) -> None:
    written: list[int] = []
    async with _opened(etcd.port) as arriving:
        await _created(arriving)
        writing = asyncio.create_task(asyncio.to_thread(_write, etcd.port, 12, 1_000_000, written))
        events = await _events(arriving, 12)
        await writing
    assert [len(event.kv.value) for event in events] == [1_000_000] * 12


def _unread(descriptor: int) -> int:
    """The events that lie in a socket."""
    with socket.socket(fileno=os.dup(descriptor)) as sock, contextlib.suppress(BlockingIOError):
        data, messages, count = sock.recv(1 << 20, socket.MSG_PEEK), b"", 0
        while len(data) >= frames.HEAD.size:
            high, low, kind, _, _ = frames.HEAD.unpack_from(data)
            payload, data = data[frames.HEAD.size :][: high << 8 | low], data[frames.HEAD.size + (high << 8 | low) :]
            messages += payload if kind == frames.DATA else b""
        while len(messages) >= frames.PREFIX.size:
            end = frames.PREFIX.size + frames.PREFIX.unpack_from(messages)[1]
            if end > len(messages):
                break
            count += len(rpc.WatchResponse.FromString(messages[frames.PREFIX.size : end]).events)
            messages = messages[end:]
        return count
    return 0


async def test_a_busy_loop_gets_all_that_has_arrived_at_once(
    etcd: EtcdProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came while the loop did something else takes no turn for each event."""
    turns = 0
    made: list[http2.Connection] = []
    connect = http2.connect

    async def noted(endpoint: str, secured: tls.Context | None) -> http2.Connection:
        made.append(await connect(endpoint, secured))
        return made[-1]

    monkeypatch.setattr(http2, "connect", noted)

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with _opened(etcd.port) as arriving:
        await _created(arriving)
        writer = threading.Thread(target=_write, args=(etcd.port, 200, 100, []))
        writer.start()
        writer.join()
        assert made[0]._transport is not None
        descriptor = made[0]._transport.get_extra_info("socket").fileno()
        deadline = time.monotonic() + 120
        while _unread(descriptor) < 200:
            assert time.monotonic() < deadline, "etcd does not tell of its events"
            time.sleep(0.01)  # noqa: ASYNC251  # the loop is busy
        counting = asyncio.create_task(count())
        assert len(await _events(arriving, 200)) == 200
        counting.cancel()
    assert turns < 50


async def test_a_member_that_goes_ends_the_stream(etcd: EtcdProcess) -> None:
    task = asyncio.current_task()
    assert task is not None
    async with _opened(etcd.port) as arriving:
        await _created(arriving)
        etcd.stop()
        with pytest.raises(RpcError) as caught:
            await asyncio.wait_for(anext(arriving), 120)
    assert caught.value.code == StatusCode.UNAVAILABLE
    assert task.cancelling() == 0
    with pytest.raises(RpcError) as caught:
        async with _opened(etcd.port) as arriving:
            await anext(arriving)
    assert not caught.value.sent


async def test_a_refusal_keeps_its_code_and_words(etcd: EtcdProcess) -> None:
    with pytest.raises(RpcError, match="unknown method Look") as caught:
        async with _opened(etcd.port, path="/etcdserverpb.Watch/Look") as arriving:
            await asyncio.wait_for(anext(arriving), 120)
    assert caught.value.code == StatusCode.UNIMPLEMENTED


async def test_requests_that_fail_are_not_overlooked(etcd: EtcdProcess) -> None:
    async def failing() -> AsyncGenerator[bytes, None]:
        async for request in _requests():
            yield request
            break
        raise ZeroDivisionError

    arriving = stream.messages(f"127.0.0.1:{etcd.port}", None, _WATCH, failing())
    with pytest.raises(ZeroDivisionError):
        async with contextlib.aclosing(arriving):
            async for _ in arriving:
                pass


async def test_a_secured_member_knows_us_by_our_certificate(tmp_path: Path, pki: Path, etcd: EtcdProcess) -> None:
    secured = EtcdProcess(etcd.binary, tmp_path / "secured", free_port(), free_port(), pki=pki)
    config = EtcdConfig(
        endpoints=(f"127.0.0.1:{secured.port}",), ca=pki / "ca.crt", cert=pki / "admin.crt", key=pki / "admin.key"
    )
    secured.start()
    try:
        async with _opened(secured.port, context(config)) as arriving:
            await _created(arriving)
        for wrong in (replace(config, cert=None, key=None), replace(config, ca=pki / "admin.crt")):
            with pytest.raises(RpcError):
                async with _opened(secured.port, context(wrong)) as arriving:
                    await asyncio.wait_for(anext(arriving), 120)
    finally:
        secured.stop()
