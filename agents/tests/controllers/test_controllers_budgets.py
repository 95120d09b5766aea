"""Quotas and disruption budgets: what is counted, and how many pods may go."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tricenter.apimachinery import quotas
from tricenter.controllers import disruptions, resourcequotas

NOW = dt.datetime(2026, 1, 1, 12, 0, tzinfo=dt.UTC)
PODS = quotas.usage_of("", "pods")


def pod(name: str, *, ready: bool = True, phase: str = "Running", **metadata: Any) -> Any:
    resources = {"requests": {"cpu": "250m"}}
    return {
        "metadata": {"name": name, "namespace": "d", **metadata},
        "spec": {"containers": [{"name": "c", "resources": resources}]},
        "status": {"phase": phase, "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def test_a_quota_counts_what_there_is() -> None:
    quota = {"spec": {"hard": {"pods": "5", "requests.cpu": "2", "count/pods": "9", "secrets": "1"}}}
    objects = {PODS: [pod("a"), pod("b"), pod("c", phase="Failed")], quotas.usage_of("", "secrets"): []}
    assert resourcequotas.status(quota, objects, NOW) == {
        "hard": quota["spec"]["hard"],
        "used": {"pods": "2", "requests.cpu": "500m", "count/pods": "3", "secrets": "0"},
    }


def test_giving_back_is_told_from_taking() -> None:
    before = {"used": {"pods": "2", "cpu": "1"}}
    assert resourcequotas.frees(before, {"used": {"pods": "1", "cpu": "2"}})
    assert not resourcequotas.frees(before, {"used": {"pods": "3", "cpu": "1000m"}})
    assert not resourcequotas.frees({}, {"used": {"pods": "0"}})


def budget(status: Any = None, **spec: Any) -> Any:
    return {"metadata": {"name": "b", "namespace": "d", "generation": 2}, "spec": spec, "status": status or {}}


@pytest.mark.parametrize(
    ("spec", "expected", "desired"),
    [
        ({"maxUnavailable": 1}, 3, 2),
        ({"maxUnavailable": "30%"}, 7, 4),
        ({"maxUnavailable": "100%"}, 7, 0),
        ({"minAvailable": 2}, 7, 2),
        ({"minAvailable": "50%"}, 7, 4),
        ({"minAvailable": 9}, 3, 9),
        ({}, 3, 0),
    ],
)
def test_how_many_must_stay(spec: Any, expected: int, desired: int) -> None:
    assert disruptions.desired_healthy(budget(**spec), expected) == desired


def test_only_ready_pods_that_stay_are_healthy() -> None:
    pods = [pod("a"), pod("b"), pod("c", ready=False), pod("d", deletionTimestamp="2026-01-01T11:59:00Z")]
    status, again = disruptions.status(budget(minAvailable=1), pods, 4, NOW)
    assert (status["currentHealthy"], status["disruptionsAllowed"], status["expectedPods"], again) == (2, 1, 4, None)
    condition = status["conditions"][0]
    assert (condition["status"], condition["reason"], condition["observedGeneration"]) == ("True", "SufficientPods", 2)
    status, _ = disruptions.status(budget(minAvailable=2), pods, 4, NOW)
    assert (status["disruptionsAllowed"], status["conditions"][0]["reason"]) == (0, "InsufficientPods")


def test_an_evicted_pod_does_not_count_until_it_is_clear_that_it_stays() -> None:
    known = {
        "disruptedPods": {"a": "2026-01-01T11:59:00Z", "b": "2026-01-01T11:50:00Z", "gone": "2026-01-01T11:59:00Z"}
    }
    status, again = disruptions.status(budget(known, minAvailable=1), [pod("a"), pod("b")], 2, NOW)
    assert (status["disruptedPods"], status["currentHealthy"], again) == ({"a": "2026-01-01T11:59:00Z"}, 1, 61.0)


def test_without_pods_or_numbers_nothing_may_go() -> None:
    assert disruptions.status(budget(maxUnavailable=1), [], 0, NOW)[0]["disruptionsAllowed"] == 0
    made = disruptions.failed(budget({"disruptionsAllowed": 3, "currentHealthy": 4}, maxUnavailable=1), "no controller")
    assert (made["disruptionsAllowed"], made["currentHealthy"], made["conditions"][0]["reason"]) == (0, 4, "SyncFailed")
