"""What clients hear while etcd does not answer: soon, and whether it makes sense to try again."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from apiserver_harness import EtcdProcess, Running

from tricenter.apiserver import health

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
BODY = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
TIMEOUT = 1.0
"""Seconds that etcd has to answer in these tests, once the server is up."""
BOUND = 30.0
"""Long enough for a machine that stands still, and shorter than the time that a request has anyhow."""


@pytest.fixture
def frozen(etcd: EtcdProcess, server: Running) -> Iterator[Running]:
    """A server whose etcd has connections but does not move."""
    server.parts.etcd.timeout = TIMEOUT
    etcd.freeze()
    yield server
    etcd.thaw()


async def timed(server: Running, method: str, path: str, body: Any = None) -> tuple[int, str | None, float]:
    """Status code, Retry-After and seconds."""
    began = time.monotonic()
    async with server.session.request(method, server.base + path, json=body) as answer:
        await answer.read()
        return answer.status, answer.headers.get("Retry-After"), time.monotonic() - began


@pytest.mark.parametrize(("method", "path", "body"), [("GET", CONFIG_MAPS, None), ("POST", CONFIG_MAPS, BODY)])
async def test_without_etcd_the_answer_is_to_try_again(
    etcd: EtcdProcess, server: Running, method: str, path: str, body: Any
) -> None:
    server.parts.etcd.timeout = TIMEOUT
    etcd.stop()
    await asyncio.sleep(0.3)  # a request that is sent before the loss is noticed may have been done: 504
    code, retry, seconds = await timed(server, method, path, body)
    assert (code, retry) == (503, "1")
    assert seconds < BOUND


async def test_a_read_from_an_etcd_that_hangs_is_to_be_tried_again(frozen: Running) -> None:
    code, retry, seconds = await timed(frozen, "GET", CONFIG_MAPS)
    assert (code, retry) == (503, "1")
    assert seconds < BOUND


async def test_a_write_that_may_have_been_done_is_not_to_be_repeated_blindly(frozen: Running) -> None:
    code, retry, seconds = await timed(frozen, "POST", CONFIG_MAPS, BODY)
    assert (code, retry) == (504, None)
    assert seconds < BOUND


async def test_a_server_is_not_ended_because_etcd_is_silent_for_a_while(
    etcd: EtcdProcess, server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd's watchdog ends it once it is not well: a restart is no cure for a lost leader, perhaps for a wedge."""
    server.parts.etcd.timeout = TIMEOUT
    etcd.stop()
    async with asyncio.timeout(BOUND):
        while not await server.parts.health.etcd():
            await asyncio.sleep(0.1)
    assert await server.parts.health.well()
    monkeypatch.setattr(health, "_WEDGED_SECONDS", 0.0)
    assert not await server.parts.health.well()
