"""kubectl exec, attach, run, cp, debug: streams to and from what runs in pods, over WebSocket alone and over SPDY."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from pathlib import Path
from typing import Any

import pytest
from manifests import IMAGE, many, pod

pytestmark = pytest.mark.usefixtures("nodes")

QUICK = '--overrides={"spec": {"terminationGracePeriodSeconds": 0}}'
PATIENT = "--pod-running-timeout=5m"
READY = ("--for=condition=Ready", "--timeout=300s")


@pytest.fixture(scope="module")
def sleeper(k: Any) -> str:
    """A pod of two containers that sleep."""
    two = pod("sleeper")
    two["spec"]["containers"].append({**two["spec"]["containers"][0], "name": "beside"})
    k("create", "-f", "-", stdin=many(two))
    k("wait", "pod/sleeper", *READY)
    return "sleeper"


@pytest.fixture(params=["websocket", "spdy"])
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What kubectl speaks first."""
    name: str = request.param
    monkeypatch.setenv("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", str(name == "websocket").lower())
    return name


# --- exec ---


def test_exec_brings_output_and_exit_code_back(k: Any, sleeper: str, transport: str) -> None:
    assert k("exec", sleeper, "--", "echo", "hello") == "hello\n"
    failing = k.refused("exec", sleeper, "--", "sh", "-c", "echo oops >&2; exit 3")
    assert failing.splitlines()[-2:] == ["oops", "command terminated with exit code 3"]
    assert k("exec", sleeper, "-c", "beside", "--", "hostname") == "sleeper\n"
    assert k("exec", f"pod/{sleeper}", "--quiet", "--", "true") == ""


def test_the_websocket_is_really_spoken(k: Any, sleeper: str) -> None:
    out, _ = k.start("exec", sleeper, "-c", "main", "-v=6", "--", "true").communicate(timeout=400)
    assert "The subprotocol is v5.channel.k8s.io" in out


def test_exec_passes_input_on_to_its_end(k: Any, sleeper: str, transport: str) -> None:
    text = "0123456789abcde\n" * 65_536
    assert k("exec", "-i", sleeper, "--", "cat", stdin=text) == text
    assert k("exec", "-i", sleeper, "--", "wc", "-l", stdin=text).strip() == "65536"


def test_exec_on_a_terminal_of_a_size(k: Any, sleeper: str, transport: str) -> None:
    ours, its = os.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 43, 121, 0, 0))
    shell = k.start("exec", "--stdin", "--tty", sleeper, "-c", "main", "--", "sh", terminal=its)
    os.close(its)
    os.write(ours, b"until stty size | grep 121; do sleep 1; done; tty; exit 7\n")
    assert shell.wait(timeout=400) == 7
    shown = os.read(ours, 65536)
    os.close(ours)
    assert b"43 121" in shown
    assert b"/dev/pts/" in shown


def test_exec_of_what_is_not_there(k: Any, sleeper: str) -> None:
    said = k.refused("exec", sleeper, "-c", "none", "--", "true")
    assert said == "Error from server (BadRequest): container none is not valid for pod sleeper\n"
    assert k.refused("exec", "nobody", "--", "true") == 'Error from server (NotFound): pods "nobody" not found\n'
    assert "no such file" in k.refused("exec", sleeper, "-c", "main", "--", "/none").lower()


def test_a_client_that_goes_away_ends_what_it_fed(k: Any, sleeper: str, transport: str, eventually: Any) -> None:
    mark = f"/root/{transport}"
    feeding = k.start(
        "exec", "-i", sleeper, "-c", "main", "--", "sh", "-c", f"echo on > {mark}; cat; echo off > {mark}"
    )
    eventually(lambda: "on" in k("exec", sleeper, "-c", "main", "--", "sh", "-c", f"cat {mark}; true"))
    feeding.kill()
    feeding.communicate(timeout=400)
    eventually(lambda: "off" in k("exec", sleeper, "-c", "main", "--", "sh", "-c", f"cat {mark}; true"))


# --- run and attach ---


def test_run_with_input_and_removal(k: Any, transport: str) -> None:
    name = f"typed-{transport}"
    said = k(
        "run", name, f"--image={IMAGE}", "--restart=Never", "--rm", "--stdin", "--quiet", PATIENT, QUICK,
        "--command", "--", "sh", "-c", "read line; echo got $line", stdin="typed\n",
    )  # fmt: skip
    assert "got typed" in said
    assert k("get", "pod", name, "--ignore-not-found") == ""


def test_run_tells_the_exit_code(k: Any) -> None:
    words = ("run", "fails", f"--image={IMAGE}", "--restart=Never", "--rm", "-i", "--quiet", PATIENT, "--command", "--")
    done = k.start(*words, "sh", "-c", "sleep 2; exit 5")
    done.communicate("", timeout=400)
    assert done.returncode == 5


def test_attach_on_a_terminal(k: Any) -> None:
    shell = pod("shell")
    shell["spec"]["containers"][0] |= {"command": ["sh"], "stdin": True, "tty": True}
    k("create", "-f", "-", stdin=many(shell))
    k("wait", "pod/shell", *READY)
    ours, its = os.openpty()
    attached = k.start("attach", "-it", PATIENT, "shell", terminal=its)
    os.close(its)
    os.write(ours, b"sleep 1; echo $((6*7)); exit 0\n")
    attached.wait(timeout=400)
    shown = os.read(ours, 65536)
    os.close(ours)
    assert b"42" in shown


# --- cp ---


def test_copy_there_and_back(k: Any, sleeper: str, tmp_path: Path, transport: str) -> None:
    data = bytes(range(256)) * 20_000
    (tmp_path / "folder/deep").mkdir(parents=True)
    (tmp_path / "folder/deep/file").write_bytes(data)
    k("cp", str(tmp_path / "folder"), f"{sleeper}:/tmp/{transport}", "-c", "main")
    k("cp", f"{sleeper}:/tmp/{transport}/deep/file", str(tmp_path / "back"), "-c", "main")
    assert (tmp_path / "back").read_bytes() == data


# --- debug ---

GENERAL = ("--profile=general", f"--image={IMAGE}")


def test_debug_looks_into_a_running_container(k: Any, sleeper: str, eventually: Any) -> None:
    k("debug", sleeper, *GENERAL, "--target=main", "-c", "look", "--", "sh", "-c", "ps; exit 4")
    path = "jsonpath={.status.ephemeralContainerStatuses[?(@.name=='look')].state.terminated.exitCode}"
    eventually(lambda: k("get", "pod", sleeper, "-o", path) == "4")
    assert "sleep 3600" in k("logs", sleeper, "-c", "look")
    assert k("get", "pod", sleeper, "-o", "jsonpath={.status.phase}") == "Running"
    said = k.refused("patch", "pod", sleeper, "--subresource=ephemeralcontainers", "-p",
                     '{"spec": {"ephemeralContainers": [{"name": "look", "image": "other"}]}}')  # fmt: skip
    assert "existing ephemeral containers" in said


def test_debug_a_copy(k: Any, sleeper: str) -> None:
    k("debug", sleeper, *GENERAL, "--copy-to=copied", "--share-processes", "-c", "dbg", "--", "sleep", "600")
    k("wait", "pod/copied", *READY)
    assert "sleep 3600" in k("exec", "copied", "-c", "dbg", "--", "ps")
    k("delete", "pod", "copied", "--now")


def test_debug_a_node(k: Any, nodes: list[str], eventually: Any) -> None:
    k("debug", f"node/{nodes[0]}", *GENERAL, "--", "chroot", "/host", "cat", "/etc/hostname")
    name = k("get", "pods", "-o", "name", "-l", "app.kubernetes.io/managed-by=kubectl-debug").strip()
    name = name or next(line for line in k("get", "pods", "-o", "name").split() if "node-debugger" in line)
    eventually(lambda: k("get", name, "-o", "jsonpath={.status.phase}") == "Succeeded")
    assert k("logs", name).strip()
    k("delete", name)
