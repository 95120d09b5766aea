"""kubectl logs with each of its options."""

from __future__ import annotations

import time
from typing import Any

import pytest
from manifests import many, pod

pytestmark = pytest.mark.usefixtures("nodes")


@pytest.fixture(scope="module")
def speaker(k: Any, eventually: Any) -> str:
    """A pod of two containers, both of which said three lines; one of them on standard error."""
    script = "for i in 1 2 3; do echo line $i{}; done; exec sleep 3600"
    two = pod("speaker", {"app": "speaker"})
    first = two["spec"]["containers"][0]
    first["command"] = ["sh", "-c", script.format("")]
    two["spec"]["containers"].append({**first, "name": "loud", "command": ["sh", "-c", script.format(" >&2")]})
    k("create", "-f", "-", stdin=many(two))
    k("wait", "pod/speaker", "--for=condition=Ready", "--timeout=300s")
    for name in ("main", "loud"):  # it runs before it speaks
        eventually(lambda name=name: "line 3" in k("logs", "speaker", "-c", name))
    return "speaker"


def test_a_container_and_all_of_them(k: Any, speaker: str) -> None:
    lines = "line 1\nline 2\nline 3\n"
    assert k("logs", speaker) == lines
    assert k("logs", speaker, "-c", "loud") == lines
    everything = k("logs", speaker, "--all-containers", "--prefix").splitlines()
    assert sorted(everything) == [f"[pod/speaker/{name}] line {at}" for name in ("loud", "main") for at in (1, 2, 3)]
    assert k("logs", "-l", "app=speaker", "-c", "main", "--tail=-1") == lines


def test_parts(k: Any, speaker: str) -> None:
    assert k("logs", speaker, "--tail=1") == "line 3\n"
    assert k("logs", speaker, "--tail=0") == ""
    assert k("logs", speaker, "--limit-bytes=9") == "line 1\nli"
    stamp, text = k("logs", speaker, "--tail=1", "--timestamps").split(" ", 1)
    assert text == "line 3\n"
    assert k("logs", speaker, f"--since-time={stamp}").endswith("line 3\n")
    time.sleep(1.1)
    assert k("logs", speaker, "--since=1s") == ""
    assert k("logs", speaker, "--since=10m").count("\n") == 3


def test_follow_until_the_container_ends(k: Any, eventually: Any) -> None:
    ends = pod("ends", restartPolicy="Never")
    ends["spec"]["containers"][0]["command"] = ["sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.5; done"]
    k("create", "-f", "-", stdin=many(ends))
    phase = ("get", "pod", "ends", "-o", "jsonpath={.status.phase}")
    eventually(lambda: k(*phase) in ("Running", "Succeeded"))
    assert k("logs", "--follow", "ends").split() == ["1", "2", "3"]


def test_of_the_run_before(k: Any, eventually: Any) -> None:
    again = pod("again")
    again["spec"]["containers"][0]["command"] = ["sh", "-c", "echo run; sleep 1; exit 1"]
    k("create", "-f", "-", stdin=many(again))
    path = "jsonpath={.status.containerStatuses[0].restartCount}"
    eventually(lambda: int(k("get", "pod", "again", "-o", path) or 0) > 0)
    assert k("logs", "again", "--previous") == "run\n"


def test_where_there_is_nothing(k: Any, speaker: str) -> None:
    said = k.refused("logs", speaker, "--previous")
    assert 'previous terminated container "main" in pod "speaker" not found' in said
    assert "container none is not valid for pod speaker" in k.refused("logs", speaker, "-c", "none")
    k("create", "-f", "-", stdin=many(pod("unplaced", nodeSelector={"no": "where"})))
    assert k("logs", "unplaced") == ""
    missing = pod("missing")
    missing["spec"]["containers"][0]["image"] = "none.invalid/none:1"
    k("create", "-f", "-", stdin=many(missing))
    k("wait", "pod/missing", "--for=jsonpath={.status.containerStatuses[0].state.waiting}", "--timeout=300s")
    assert 'container "main" in pod "missing" is waiting to start: ' in k.refused("logs", "missing")
