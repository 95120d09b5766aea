"""Autoscaling: what a metric asks for, and how fast and far an autoscaler may go."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricenter.controllers import autoscaling, autoscaling_limits
from tricenter.controllers.autoscaling_limits import Memory

NOW = dt.datetime(2026, 1, 1, 12, 0, tzinfo=dt.UTC)


def pod(name: str, *, cpu: str | None = "1", phase: str = "Running", ready: bool = True, started: str = "10:00") -> Any:
    resources = {"requests": {"cpu": cpu}} if cpu else {}
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": f"2026-01-01T{started}:10Z"}
    return {
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "resources": resources}]},
        "status": {"phase": phase, "startTime": f"2026-01-01T{started}:00Z", "conditions": [condition]},
    }


def ask(pods: Any, *use: float, resource: str = "cpu") -> autoscaling.Question:
    figures = {item["metadata"]["name"]: Fraction(str(value)) for item, value in zip(pods, use, strict=False)}
    return autoscaling.Question(len(pods), resource, pods, figures, NOW)


def utilization(question: autoscaling.Question, target: int = 50) -> int:
    return autoscaling.for_utilization(question, target, autoscaling.requests_of(question.pods, "cpu"))[0]


def test_replicas_follow_the_use() -> None:
    pods = [pod("a"), pod("b")]
    assert utilization(ask(pods, 1.0, 1.0)) == 4
    assert utilization(ask(pods, 0.2, 0.3)) == 1
    assert utilization(ask(pods, 0.52, 0.52)) == 2, "within the tolerance nothing changes"
    replicas, status = autoscaling.for_utilization(ask(pods, 0.7, 0.8), 50, {"a": Fraction(1), "b": Fraction(1)})
    assert (replicas, status) == (3, {"averageUtilization": 75, "averageValue": "750m"})


def test_pods_without_figures_hold_back() -> None:
    three = [pod("a"), pod("b"), pod("c")]
    assert utilization(ask(three, 0.1, 0.1)) == 3, "the third may be busy"
    assert utilization(ask(three, 0.9, 0.9)) == 4, "the third may be idle: 1.8 of 3"
    starting = [pod("a"), pod("b"), pod("c", ready=False, started="11:59")]
    assert utilization(ask(starting, 0.9, 0.9, 3.0)) == 4, "its start does not count"
    pending = [pod("a"), pod("b", phase="Pending")]
    assert utilization(ask(pending, 0.1)) == 1


def test_nothing_to_calculate_with() -> None:
    with pytest.raises(autoscaling.NoMetric, match="did not receive metrics for targeted pods"):
        utilization(ask([pod("a", phase="Pending")]))
    with pytest.raises(autoscaling.NoMetric, match="missing request for cpu in container c of Pod a"):
        autoscaling.requests_of([pod("a", cpu=None)], "cpu")


def test_an_average_is_per_pod() -> None:
    replicas, status = autoscaling.for_average(ask([pod("a"), pod("b")], 300, 500, resource="memory"), Fraction(100))
    assert (replicas, status) == (8, {"averageValue": "400"})


def test_what_pods_use_is_the_sum_of_their_containers() -> None:
    usage = [{"name": "c", "usage": {"cpu": "250m"}}, {"name": "d", "usage": {"cpu": "1"}}]
    metrics = [
        {"metadata": {"name": "a"}, "containers": usage},
        {"metadata": {"name": "b"}, "containers": [{"name": "c"}]},
    ]
    assert autoscaling.use_of(metrics, "cpu") == {"a": Fraction(5, 4)}
    assert autoscaling.use_of(metrics, "cpu", "c") == {"a": Fraction(1, 4)}


def bound(memory: Memory, current: int, wanted: int, now: float = 1000.0, **spec: Any) -> tuple[int, str, str]:
    found = autoscaling_limits.bound({"minReplicas": 2, "maxReplicas": 10, **spec}, memory, current, wanted, now)
    return found.replicas, found.limited[1], found.able[1]


def test_bounds() -> None:
    assert bound(Memory(), 8, 12) == (10, "TooManyReplicas", "ReadyForNewScale")
    assert bound(Memory(), 4, 1) == (2, "TooFewReplicas", "ReadyForNewScale")
    assert bound(Memory(), 4, 6) == (6, "DesiredWithinRange", "ReadyForNewScale")
    assert bound(Memory(), 3, 10) == (6, "ScaleUpLimit", "ReadyForNewScale"), "at most twice as many at a time"


def test_a_workload_shrinks_when_it_has_been_calm_for_long() -> None:
    memory = Memory()
    assert bound(memory, 8, 8, 1000.0)[0] == 8
    assert bound(memory, 8, 3, 1100.0) == (8, "DesiredWithinRange", "ScaleDownStabilized")
    assert bound(memory, 8, 4, 1310.0)[0] == 4
    assert bound(memory, 8, 3, 1410.0)[0] == 4
    assert bound(memory, 8, 3, 1700.0)[0] == 3


def test_policies_count_what_was_done_in_their_period() -> None:
    behavior = {"scaleUp": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}], "selectPolicy": "Max"}}
    memory = Memory()
    assert bound(memory, 2, 9, 1000.0, behavior=behavior)[:2] == (4, "ScaleUpLimit")
    memory.note(2, 4, 1000.0)
    assert bound(memory, 4, 9, 1030.0, behavior=behavior)[0] == 4
    assert bound(memory, 4, 9, 1061.0, behavior=behavior)[0] == 6
    policies = [
        {"type": "Percent", "value": 10, "periodSeconds": 60},
        {"type": "Pods", "value": 4, "periodSeconds": 60},
    ]
    slow: Any = {"scaleDown": {"stabilizationWindowSeconds": 0, "policies": policies}}
    assert bound(Memory(), 10, 2, behavior=slow)[:2] == (6, "ScaleDownLimit")
    slow["scaleDown"]["selectPolicy"] = "Min"
    assert bound(Memory(), 10, 2, behavior=slow)[0] == 9
    slow["scaleDown"]["selectPolicy"] = "Disabled"
    assert bound(Memory(), 10, 2, behavior=slow)[0] == 10


@given(st.integers(2, 10), st.lists(st.integers(0, 30), min_size=1, max_size=20))
def test_the_size_never_leaves_its_bounds(current: int, wanted: list[int]) -> None:
    memory = Memory()
    for step, number in enumerate(wanted):
        current = bound(memory, current, number, step * 15.0)[0]
        assert 2 <= current <= 10
