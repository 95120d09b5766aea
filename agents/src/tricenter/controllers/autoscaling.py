"""How many replicas a metric asks for (upstream's podautoscaler/replica_calculator.go).

Pods without figures count against a change: when the workload shrinks they are taken to be busy, when it grows to be
idle; so are pods that have just started.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from tricenter.apimachinery import podresources, quantity, times
from tricenter.controllers import podstate

Object = dict[str, Any]

TOLERANCE = 0.1
"""A ratio this near to 1 changes nothing."""
_STARTING_SECONDS = 300
"""For so long after its start a pod's CPU time says little."""
_FIRST_READINESS_SECONDS = 30
_NOBODY = "did not receive metrics for targeted pods (pods might be unready)"


class NoMetric(Exception):  # noqa: N818 - the state of a cluster, not a fault of ours
    """There is nothing to calculate with."""


@dataclasses.dataclass(frozen=True)
class Proposal:
    """What a metric asks for, and what the status says of it."""

    replicas: int
    current: Object
    """MetricValueStatus."""
    description: str


@dataclasses.dataclass(frozen=True)
class Question:
    """What is known of a workload: its size, its pods, and what they use of a resource."""

    current: int
    resource: str
    pods: list[Object]
    use: Mapping[str, Fraction]
    now: dt.datetime


@dataclasses.dataclass
class _Groups:
    """Pods by what is known of them."""

    ready: dict[str, Fraction]
    """Name to use, of pods that count."""
    unready: set[str]
    missing: set[str]


def _group(question: Question) -> _Groups:
    groups, use = _Groups({}, set(), set()), question.use
    for pod in question.pods:
        name = pod["metadata"]["name"]
        if podstate.terminating(pod) or podstate.phase(pod) == "Failed":
            continue
        if podstate.phase(pod) == "Pending":
            groups.unready.add(name)
        elif name not in use:
            groups.missing.add(name)
        elif question.resource == "cpu" and _starting(pod, question.now):
            groups.unready.add(name)
        else:
            groups.ready[name] = use[name]
    return groups


def _starting(pod: Object, now: dt.datetime) -> bool:
    """Whether a pod's use of CPU is that of its start."""
    ready = podstate.condition(pod, "Ready")
    started = times.since((pod.get("status") or {}).get("startTime"), now)
    if ready is None or started is None:
        return True
    changed = times.since(ready.get("lastTransitionTime"), now)
    if started.total_seconds() < _STARTING_SECONDS:
        return bool(ready["status"] != "True")
    never = changed is None or started.total_seconds() - changed.total_seconds() < _FIRST_READINESS_SECONDS
    return never and bool(ready["status"] != "True")


def requests_of(pods: list[Object], resource: str, container: str = "") -> dict[str, Fraction]:
    """What each pod (or one container of it) asks for. Raises NoMetric."""
    found = {}
    for pod in pods:
        total = Fraction(0)
        for item in _running(pod["spec"], container):
            asked = podresources.of_container(item, "requests").get(resource)
            if asked is None:
                name = pod["metadata"]["name"]
                raise NoMetric(f"missing request for {resource} in container {item['name']} of Pod {name}")
            total += asked.value
        found[pod["metadata"]["name"]] = total
    return found


def _running(spec: Object, container: str) -> list[Object]:
    sidecars = [item for item in spec.get("initContainers") or () if item.get("restartPolicy") == "Always"]
    every = [*spec["containers"], *sidecars]
    return [item for item in every if item["name"] == container] if container else every


def use_of(metrics: list[Object], resource: str, container: str = "") -> dict[str, Fraction]:
    """What each pod (or one container of it) uses, from a PodMetricsList; pods without a figure are left out."""
    found = {}
    for item in metrics:
        containers = [entry for entry in item.get("containers") or () if container in ("", entry["name"])]
        values = [entry["usage"][resource] for entry in containers if resource in (entry.get("usage") or {})]
        if values and len(values) == len(containers):
            found[item["metadata"]["name"]] = sum(map(quantity.parse, values), Fraction(0))
    return found


def for_utilization(question: Question, target: int, requests: Mapping[str, Fraction]) -> tuple[int, Object]:
    """Replicas at which pods use `target` percent of what they ask for, and what they use now. Raises NoMetric."""
    groups = _group(question)
    asked = sum((requests[name] for name in groups.ready), Fraction(0))
    if not groups.ready or not asked:
        raise NoMetric(_NOBODY)
    total = sum(groups.ready.values(), Fraction(0))
    busy = {name: requests[name] * max(100, target) / 100 for name in groups.missing}

    def again(figures: Mapping[str, Fraction]) -> Fraction:
        return sum(figures.values(), Fraction(0)) / sum(requests[name] for name in figures) * 100 / target

    replicas = _replicas(question.current, groups, total / asked * 100 / target, busy, again)
    status = {"averageUtilization": int(total / asked * 100), "averageValue": _average(groups)}
    return replicas, status


def for_average(question: Question, target: Fraction) -> tuple[int, Object]:
    """Replicas at which a pod uses `target` on average, and what it uses now. Raises NoMetric."""
    groups = _group(question)
    if not groups.ready:
        raise NoMetric(_NOBODY)

    def again(figures: Mapping[str, Fraction]) -> Fraction:
        return sum(figures.values(), Fraction(0)) / len(figures) / target

    replicas = _replicas(question.current, groups, again(groups.ready), dict.fromkeys(groups.missing, target), again)
    return replicas, {"averageValue": _average(groups)}


def _average(groups: _Groups) -> str:
    average = sum(groups.ready.values(), Fraction(0)) / len(groups.ready)
    return quantity.format(Fraction(math.ceil(average * 1000), 1000))


def _replicas(
    current: int,
    groups: _Groups,
    ratio: Fraction,
    busy: Mapping[str, Fraction],
    again: Callable[[Mapping[str, Fraction]], Fraction],
) -> int:
    grows = ratio > 1
    if not groups.missing and not (groups.unready and grows):
        return current if _near(ratio) else math.ceil(ratio * len(groups.ready))
    figures = dict(groups.ready)
    figures |= dict.fromkeys(groups.missing, Fraction(0)) if grows else busy
    if grows:
        figures |= dict.fromkeys(groups.unready, Fraction(0))
    careful = again(figures)
    if _near(careful) or (careful > 1) != grows:
        return current
    replicas = math.ceil(careful * len(figures))
    return max(current, replicas) if grows else min(current, replicas)


def _near(ratio: Fraction) -> bool:
    return abs(float(ratio) - 1) <= TOLERANCE
