"""An agent's process: sd_notify, guarded tasks, stopping, metrics and logs."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from simulated_time import simulated

from tricenter.runtime import cli, config, logs, notify, plain_http, tasks


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket a service manager listens on."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(tmp_path / "notify"))
    sock.setblocking(False)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    yield sock
    sock.close()


def test_states_reach_the_service_manager(manager: socket.socket) -> None:
    notify.ready()
    notify.status("serving 3 nodes")
    notify.stopping()
    assert [manager.recv(100) for _ in range(3)] == [b"READY=1", b"STATUS=serving 3 nodes", b"STOPPING=1"]


def test_outside_systemd_nothing_happens(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET")
    notify.ready()
    with pytest.raises(BlockingIOError):
        manager.recv(100)


@simulated
async def test_the_watchdog_is_fed_only_while_the_agent_is_well(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "2000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    well = True

    async def check() -> bool:
        return well

    task = asyncio.create_task(notify.keep_alive(check))
    await asyncio.sleep(0.0025)
    assert [manager.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
    well = False
    await asyncio.sleep(1)
    with pytest.raises(BlockingIOError):
        manager.recv(100)
    task.cancel()


def test_another_process_watchdog_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "2000000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert notify.watchdog_interval() is None


async def test_a_guarded_task_that_returns_is_an_error() -> None:
    async def short() -> None:
        return

    with pytest.raises(tasks.TaskEndedError, match="short ended"):
        await tasks.guard(short(), "short")


async def test_until_cancels_its_tasks_at_the_end() -> None:
    stop = asyncio.Event()
    cancelled = []

    async def long() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(True)

    asyncio.get_running_loop().call_later(0.01, stop.set)
    await tasks.until(stop, long(), long())
    assert cancelled == [True, True]


async def test_until_ends_with_the_first_failure() -> None:
    async def failing() -> None:
        raise OSError("disk")

    with pytest.raises(ExceptionGroup) as caught:
        await tasks.until(asyncio.Event(), failing(), asyncio.Event().wait())
    assert caught.group_contains(OSError, match="disk")


async def test_an_agent_that_returns_by_itself_is_an_error() -> None:
    async def run(_config: object, *, stop: asyncio.Event) -> None:
        return

    with pytest.raises(RuntimeError, match="without being asked"):
        await cli.serve(run, None)


async def test_sigterm_stops_the_agent(manager: socket.socket) -> None:
    async def run(_config: object, *, stop: asyncio.Event) -> None:
        os.kill(os.getpid(), 15)
        await stop.wait()

    await cli.serve(run, None)
    assert manager.recv(100) == b"STOPPING=1"


def test_a_bad_file_exits_with_ex_config(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "_import", lambda agent, module: types.SimpleNamespace(Config=config.ApiConfig))
    saved = logging.getLogger().handlers[:]
    try:
        status = cli.main(["scheduler", "--config", str(tmp_path / "none.yaml")])
    finally:
        logging.getLogger().handlers[:] = saved
    assert status == cli.EXIT_CONFIG
    assert "none.yaml" in capsys.readouterr().err


def test_a_json_line_has_the_extras() -> None:
    record = logging.LogRecord("tricenter.client.informer", logging.INFO, "", 0, "synced %s", ("pods",), None)
    record.object = "default/web"
    event = json.loads(logs.JsonFormatter("proxy").format(record))
    assert (event["agent"], event["logger"], event["message"]) == ("proxy", "client.informer", "synced pods")
    assert event["object"] == "default/web"
    assert event["time"].endswith("Z")


async def test_plain_http_answers_get() -> None:
    async with plain_http.serve("127.0.0.1", 0, lambda path: (200, "text/plain", path.encode())) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /healthz?verbose HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n/healthz")


@pytest.mark.parametrize(("head", "status"), [(b"POST / HTTP/1.1\r\n", b"405"), (b"junk\r\n", b"400")])
def test_plain_http_refuses_the_rest(head: bytes, status: bytes) -> None:
    assert plain_http.answer(head, lambda _path: (200, "", b"")).split(b" ")[1] == status


@pytest.mark.parametrize("nested", [False, True])
def test_a_foreseen_end_is_one_line_without_traceback(nested: bool, caplog: pytest.LogCaptureFixture) -> None:
    error: Exception = tasks.EndAgentError("the lease was lost")
    cli._explain("scheduler", ExceptionGroup("tasks", [ExceptionGroup("more", [error])]) if nested else error)
    assert caplog.messages == ["agent scheduler ends: the lease was lost"]
    assert caplog.records[0].exc_info is None


def test_an_unforeseen_end_has_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    cli._explain("scheduler", ExceptionGroup("tasks", [ValueError("bug")]))
    assert "ValueError: bug" in caplog.text
