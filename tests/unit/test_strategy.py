"""Our strategy: a run that is interrupted ends, whatever the machines do."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import plugin_loader
import pytest
from mitogen import core

import site_inventory

PLAY = "[{hosts: all, gather_facts: false, tasks: [{ansible.builtin.ping: }]}]"
LIMIT = 60.0
"""Seconds after which a run does not end any more."""


def test_a_run_that_is_interrupted_while_it_connects_ends(tmp_path: Path) -> None:
    """The machines take the connection and never say a word; some are not yet connected to."""
    play = tmp_path / "play.yml"
    play.write_text(PLAY)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(LIMIT)
        hosts = tmp_path / "hosts.yml"
        port = silent.getsockname()[1]
        names = ", ".join(f"silent{number}: {{ansible_port: {port}}}" for number in range(20))
        hosts.write_text(f"all: {{vars: {{ansible_host: 127.0.0.1}}, hosts: {{{names}}}}}")
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(hosts), str(play)]
        with subprocess.Popen(command, cwd=site_inventory.ROOT, start_new_session=True) as running:
            try:
                with silent.accept()[0]:
                    os.killpg(running.pid, signal.SIGINT)
                    assert running.wait(timeout=LIMIT) != 0
            finally:
                if running.poll() is None:
                    os.killpg(running.pid, signal.SIGKILL)


def test_a_run_that_is_killed_leaves_no_workers(tmp_path: Path, eventually: Callable[..., Any]) -> None:
    """They have sessions of their own, so that what ends the run's process group does not reach them."""
    play, hosts = tmp_path / "play.yml", tmp_path / "hosts.yml"
    task = f"touch {tmp_path}/began-{{{{ inventory_hostname }}}} && sleep 30"
    play.write_text(f"[{{hosts: all, gather_facts: false, tasks: [{{ansible.builtin.shell: '{task}'}}]}}]")
    hosts.write_text("all: {vars: {ansible_connection: local}, hosts: {a: {}, b: {}, c: {}}}")
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(hosts), str(play)]
    with subprocess.Popen(command, cwd=site_inventory.ROOT, start_new_session=True) as running:
        try:
            # on one machine they come one after the other
            eventually(lambda: any(tmp_path.glob("began-*")), within=LIMIT)
            assert len(processes(str(play))) > 3
        finally:
            os.killpg(running.pid, signal.SIGKILL)
    eventually(lambda: not processes(str(play)), within=LIMIT)


def processes(argument: str) -> list[str]:
    """The processes that have an argument."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if argument in entry.read_text().split("\0"):
                found.append(entry.parent.name)
    return found


def test_a_thread_that_never_ends_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was waiting for a machine's ssh; Mitogen joins its threads without a limit, and only then its services end."""
    strategy = plugin_loader.load("strategy/mitogen_linear.py")
    monkeypatch.setattr(strategy, "_PATIENCE", 0.2)
    come, ended = threading.Event(), []
    thread = threading.Thread(target=come.wait, daemon=True)
    thread.start()
    mux = SimpleNamespace(pool=SimpleNamespace(_threads=[thread], join=lambda: ended.append(thread)))
    strategy.process.MuxProcess._on_broker_exit(mux)
    assert thread.is_alive()
    assert ended == []
    come.set()
    strategy.process.MuxProcess._on_broker_exit(mux)
    assert ended == [thread]


def test_what_the_end_of_a_run_cuts_off_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    plugin_loader.load("strategy/mitogen_linear.py")
    log = logging.getLogger("mitogen.service")
    for words in (core.Waker.broker_shutdown_msg, "something else"):
        log.error("while handling a call", exc_info=core.Error(words))
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["something else"]
