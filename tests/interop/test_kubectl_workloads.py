"""kubectl by verb on workloads: roll-outs, scale, cascade of deletes, eviction."""

from __future__ import annotations

from typing import Any

import pytest
from manifests import IMAGE

pytestmark = pytest.mark.usefixtures("nodes")

READY = "--timeout=300s"


@pytest.fixture(scope="module")
def web(k: Any) -> str:
    """A Deployment of two pods that has been rolled out."""
    k("create", "deployment", "web", f"--image={IMAGE}", "--replicas=2", "--port=80", "--", "sleep", "3600")
    quick = '{"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 0}}}}'
    k("patch", "deployment", "web", f"--patch={quick}")
    k("rollout", "status", "deployment/web", READY)
    return "deployment/web"


def test_rollout_history_and_undo(k: Any, web: str) -> None:
    k("set", "env", web, "STEP=2")
    k("rollout", "status", web, READY)
    k("annotate", web, "kubernetes.io/change-cause=second", "--overwrite")
    assert len(k("rollout", "history", web).strip().splitlines()) >= 4
    k("rollout", "undo", web)
    k("rollout", "status", web, READY)
    assert "STEP" not in str(k.json("get", web)["spec"]["template"]["spec"]["containers"][0].get("env", []))


def test_rollout_pause_resume_restart(k: Any, web: str) -> None:
    k("rollout", "pause", web)
    k("set", "resources", web, "--requests=cpu=1m")
    k("rollout", "resume", web)
    k("rollout", "restart", web)
    k("rollout", "status", web, READY)


def test_scale(k: Any, web: str) -> None:
    k("scale", web, "--replicas=3")
    k("wait", web, "--for=jsonpath={.status.readyReplicas}=3", READY)
    assert "expected replicas to be 5" in k.refused("scale", web, "--replicas=1", "--current-replicas=5").lower()
    k("scale", web, "--replicas=1")
    k("wait", web, "--for=jsonpath={.status.replicas}=1", READY)


def test_expose(k: Any, web: str, eventually: Any) -> None:
    k("expose", web, "--port=80", "--target-port=8080", "--name=exposed")
    assert k.json("get", "service", "exposed")["spec"]["selector"] == {"app": "web"}
    eventually(lambda: "8080" in k("get", "endpointslices", "-l", "kubernetes.io/service-name=exposed"))
    assert "Endpoints" in k("describe", "service", "exposed")


def test_describe_and_events(k: Any, web: str) -> None:
    assert "StrategyType" in k("describe", web)
    assert "Events:" in k("describe", "pods", "-l", "app=web")
    assert "ScalingReplicaSet" in k("events", "--for=deployment/web")
    assert "ScalingReplicaSet" in k("get", "events", "--field-selector=involvedObject.kind=Deployment")


def test_drain_moves_pods(k: Any, web: str, eventually: Any) -> None:
    k("scale", web, "--replicas=1")
    k("wait", web, "--for=jsonpath={.status.readyReplicas}=1", READY)
    pod = k.json("get", "pods", "-l", "app=web", "--field-selector=status.phase=Running")["items"][0]
    node = pod["spec"]["nodeName"]
    try:
        k("drain", node, "--pod-selector=app=web", "--ignore-daemonsets", "--timeout=300s")
        moved = ("get", "pods", "-l", "app=web", f"--field-selector=status.phase=Running,spec.nodeName!={node}")
        eventually(lambda: k(*moved, "-o", "name"))
    finally:
        k("uncordon", node)
