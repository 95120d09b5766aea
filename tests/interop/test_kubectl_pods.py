"""kubectl by verb on what runs in pods: run, exec, attach, logs, cp, port-forward."""

from __future__ import annotations

import os
import re
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

SERVE = "echo started; echo page > /tmp/index.html; exec httpd -f -p 8080 -h /tmp"


@pytest.fixture(scope="module")
def pod(k: Any) -> str:
    """A pod that serves a page on port 8080."""
    quick = '{"spec": {"terminationGracePeriodSeconds": 0}}'
    k("run", "served", "--image=busybox:1", f"--overrides={quick}", "--port=8080", "--command", "--", "sh", "-c", SERVE)
    k("wait", "pod/served", "--for=condition=Ready", "--timeout=60s")
    return "served"


def test_exec_brings_output_and_exit_code_back(k: Any, pod: str) -> None:
    assert k("exec", pod, "--", "echo", "hello") == "hello\n"
    assert "exit code 3" in k.refused("exec", pod, "--", "sh", "-c", "echo oops >&2; exit 3")


def test_exec_passes_input_on(k: Any, pod: str) -> None:
    text = "line\n" * 20_000
    assert k("exec", "-i", pod, "--", "cat", stdin=text, timeout=30) == text


def test_exec_on_a_terminal(k: Any, pod: str) -> None:
    ours, its = os.openpty()
    shell = k.start("exec", "--stdin", "--tty", pod, "--", "sh", terminal=its)
    os.close(its)
    os.write(ours, b"tty; exit 7\n")
    assert shell.wait(timeout=20) == 7
    shown = os.read(ours, 65536)
    os.close(ours)
    assert b"/dev/pts/" in shown


def test_exec_of_what_is_not_there(k: Any, pod: str) -> None:
    assert "container none is not valid" in k.refused("exec", pod, "-c", "none", "--", "true")
    assert "not found" in k.refused("exec", "nobody", "--", "true")


def test_logs(k: Any, pod: str) -> None:
    assert k("logs", pod) == "started\n"
    assert k("logs", pod, "--timestamps", "--tail=1").split()[1] == "started"
    assert k("logs", pod, "--tail=0") == ""


def test_logs_follow_until_the_container_ends(k: Any) -> None:
    script = "for i in 1 2 3; do echo $i; sleep 0.5; done"
    k("run", "speaks", "--image=busybox:1", "--restart=Never", "--command", "--", "sh", "-c", script)
    k("wait", "pod/speaks", "--for=jsonpath={.status.phase}=Running", "--timeout=30s")
    assert k("logs", "--follow", "speaks", timeout=20).split() == ["1", "2", "3"]


def test_run_and_attach(k: Any) -> None:
    said = k(
        "run", "typed", "--image=busybox:1", "--restart=Never", "--rm", "--stdin", "--quiet", "--command", "--", "cat",
        stdin="typed\n", timeout=60,
    )  # fmt: skip
    assert "typed" in said


def test_copy_there_and_back(k: Any, pod: str, tmp_path: Path) -> None:
    data = bytes(range(256)) * 2000
    (tmp_path / "there").write_bytes(data)
    k("cp", str(tmp_path / "there"), f"{pod}:/tmp/there")
    k("cp", f"{pod}:/tmp/there", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == data


def test_port_forward(k: Any, pod: str) -> None:
    forwarding = k.start("port-forward", f"pod/{pod}", ":8080")
    try:
        assert forwarding.stdout is not None
        found = re.search(r"127\.0\.0\.1:(\d+)", forwarding.stdout.readline())
        assert found, "port-forward does not say where it listens"
        for _ in range(2):
            began = time.monotonic()
            with urllib.request.urlopen(f"http://127.0.0.1:{found[1]}/index.html", timeout=10) as answer:
                assert answer.read() == b"page\n"
            assert time.monotonic() - began < 5
    finally:
        forwarding.terminate()
        forwarding.communicate(timeout=10)
