"""The channel to an etcd member: calls against a real etcd."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aetcd import rpc
from apiserver_harness import Authority, EtcdProcess, free_port
from grpc import StatusCode

from tricenter.apiserver import errors
from tricenter.apiserver.config import EtcdConfig
from tricenter.apiserver.storage import http2
from tricenter.apiserver.storage.channel import Channel, RpcError
from tricenter.apiserver.storage.etcd import Etcd

_RANGE, _PUT = "/etcdserverpb.KV/Range", "/etcdserverpb.KV/Put"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server would try again; here a connection may take its time."""
    monkeypatch.setattr(http2, "_CONNECT_SECONDS", 120.0)


@pytest.fixture
async def channel(etcd: EtcdProcess) -> AsyncIterator[Channel]:
    """A connected channel."""
    made = Channel(f"127.0.0.1:{etcd.port}", None)
    assert await made.ready(60.0)
    yield made
    await made.close()


async def _put(channel: Channel, key: bytes, value: bytes, seconds: float = 60.0) -> int:
    request = rpc.PutRequest(key=key, value=value).SerializeToString()
    return int(rpc.PutResponse.FromString(await channel.unary(_PUT, request, seconds)).header.revision)


async def test_messages_larger_than_every_window_arrive(channel: Channel) -> None:
    """One megabyte needs many frames and more room than the server gives at first, on many calls at once."""
    values = [bytes([number]) * 1_000_000 for number in range(8)]
    await asyncio.gather(*(_put(channel, b"/big/%d" % number, value) for number, value in enumerate(values)))
    request = rpc.RangeRequest(key=b"/big/", range_end=b"/big0").SerializeToString()
    found = rpc.RangeResponse.FromString(await channel.unary(_RANGE, request, 60.0))
    assert [pair.value for pair in found.kvs] == values


async def test_an_error_keeps_its_code_and_words(channel: Channel) -> None:
    """etcd's reason is read out of the trailers."""
    request = rpc.RangeRequest(key=b"a", revision=2**40).SerializeToString()
    with pytest.raises(RpcError, match="required revision is a future revision") as caught:
        await channel.unary(_RANGE, request, 60.0)
    assert caught.value.code == StatusCode.OUT_OF_RANGE


async def test_a_call_that_gets_no_answer_is_given_up(etcd: EtcdProcess, channel: Channel) -> None:
    """The deadline holds on a member that hangs, and the connection is good again when it goes on."""
    etcd.freeze()
    try:
        with pytest.raises(RpcError) as caught:
            await _put(channel, b"a", b"b", 1.0)
    finally:
        etcd.thaw()
    assert caught.value.code == StatusCode.DEADLINE_EXCEEDED
    assert await _put(channel, b"a", b"c") > 1


async def test_a_lost_connection_is_made_again(etcd: EtcdProcess, channel: Channel) -> None:
    """Calls on it fail; the next one goes over a new connection."""
    etcd.stop()
    with pytest.raises(RpcError) as caught:
        await _put(channel, b"a", b"b")
    assert caught.value.code == StatusCode.UNAVAILABLE
    assert not await channel.ready(0.5)
    etcd.start()
    async with asyncio.timeout(120):
        while not await channel.ready(1.0):
            await asyncio.sleep(0.1)
    assert await _put(channel, b"a", b"b") > 1


async def test_a_secured_member_knows_us_by_our_certificate(tmp_path: Path, pki: Path, etcd: EtcdProcess) -> None:
    """TLS both ways; without a certificate there is no connection that answers."""
    secured = EtcdProcess(etcd.binary, tmp_path / "secured", free_port(), free_port(), pki=pki)
    secured.start()
    endpoint = f"127.0.0.1:{secured.port}"
    files = {"ca": pki / "ca.crt", "cert": pki / "admin.crt", "key": pki / "admin.key"}
    config = EtcdConfig(endpoints=(endpoint,), timeout=60.0, **files)
    known, stranger = Etcd(config), Etcd(replace(config, cert=None, key=None, timeout=1.0))
    try:
        assert await known.revision() >= 1
        with pytest.raises(errors.Unavailable):
            await stranger.revision()
    finally:
        await known.close()
        await stranger.close()
        secured.stop()


async def test_a_renewed_certificate_is_presented(tmp_path: Path, pki: Path, etcd: EtcdProcess) -> None:
    """Calls and watches of a server that runs on go over connections with the files as they are then."""
    secured = EtcdProcess(etcd.binary, tmp_path / "secured", free_port(), free_port(), pki=pki)
    secured.start()
    other = tmp_path / "other"
    other.mkdir()
    Authority(other).issue("own", "admin")
    config = EtcdConfig(
        endpoints=(f"127.0.0.1:{secured.port}",),
        timeout=60.0,
        ca=pki / "ca.crt",
        cert=other / "own.crt",
        key=other / "own.key",
    )
    store = Etcd(config)
    try:
        with pytest.raises(errors.Unavailable):
            await store.revision()
        for kind in ("crt", "key"):
            (other / f"own.{kind}").write_bytes((pki / f"admin.{kind}").read_bytes())
        async with asyncio.timeout(120):
            while not await store.member.ready(1.0):
                await asyncio.sleep(0.1)
        assert await store.revision() >= 1
    finally:
        await store.close()
        secured.stop()
