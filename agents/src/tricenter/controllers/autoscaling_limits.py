"""How fast and how far an autoscaler may go: bounds, policies and stabilisation (KEP-853)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

Object = dict[str, Any]

_LONGEST_PERIOD = 1800
"""The longest period that a policy may have."""
_DOWN_SECONDS = 300
"""How long a recommendation keeps a workload from shrinking below it, unless its behaviour says otherwise."""


@dataclasses.dataclass
class Memory:
    """What happened to one autoscaler: (when, recommended replicas) and (when, change of replicas)."""

    recommendations: list[tuple[float, int]] = dataclasses.field(default_factory=list)
    ups: list[tuple[float, int]] = dataclasses.field(default_factory=list)
    downs: list[tuple[float, int]] = dataclasses.field(default_factory=list)

    def note(self, before: int, after: int, now: float) -> None:
        """The workload was resized."""
        self.ups = [item for item in self.ups if item[0] > now - _LONGEST_PERIOD]
        self.downs = [item for item in self.downs if item[0] > now - _LONGEST_PERIOD]
        if after > before:
            self.ups.append((now, after - before))
        elif after < before:
            self.downs.append((now, before - after))


@dataclasses.dataclass(frozen=True)
class Bounded:
    """A size within all limits, and the conditions that say which one held it: (status, reason, message)."""

    replicas: int
    limited: tuple[str, str, str]
    able: tuple[str, str, str]


_READY = ("True", "ReadyForNewScale", "recommended size matches current size")
_WITHIN = ("False", "DesiredWithinRange", "the desired count is within the acceptable range")
_MANY = ("True", "TooManyReplicas", "the desired replica count is more than the maximum replica count")
_FEW = ("True", "TooFewReplicas", "the desired replica count is less than the minimum replica count")
_FAST_UP = ("True", "ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
_FAST_DOWN = ("True", "ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")


def bound(spec: Object, memory: Memory, current: int, wanted: int, now: float) -> Bounded:
    """Bring a recommendation within the limits of an autoscaler's spec."""
    behavior = spec.get("behavior") or {}
    up, down = behavior.get("scaleUp") or {}, behavior.get("scaleDown") or {}
    stable, able = _stabilized(memory, current, wanted, now, up=up, down=down)
    low, high = spec.get("minReplicas", 1), spec["maxReplicas"]
    if stable > current:
        fastest = max(current, _rate(up, memory, current, now, grow=True))
        return Bounded(*_cut(stable, min(high, fastest), _FAST_UP if fastest < high else _MANY, min), able)
    if stable < current:
        slowest = min(current, _rate(down, memory, current, now, grow=False))
        return Bounded(*_cut(stable, max(low, slowest), _FAST_DOWN if slowest > low else _FEW, max), able)
    return Bounded(stable, _WITHIN, able)


def _cut(
    wanted: int, limit: int, why: tuple[str, str, str], choose: Callable[[int, int], int]
) -> tuple[int, tuple[str, str, str]]:
    found = choose(wanted, limit)
    return found, _WITHIN if found == wanted else why


def _stabilized(
    memory: Memory, current: int, wanted: int, now: float, *, up: Object, down: Object
) -> tuple[int, tuple[str, str, str]]:
    """The size that all recommendations of the last while agree on."""
    up_seconds = up.get("stabilizationWindowSeconds") or 0
    down_seconds = down.get("stabilizationWindowSeconds")
    down_seconds = _DOWN_SECONDS if down_seconds is None else down_seconds
    horizon = now - max(up_seconds, down_seconds)
    memory.recommendations = [item for item in memory.recommendations if item[0] > horizon]
    lowest = min([wanted, *_since(memory.recommendations, now - up_seconds)])
    highest = max([wanted, *_since(memory.recommendations, now - down_seconds)])
    memory.recommendations.append((now, wanted))
    stable = min(max(current, lowest), highest)
    if stable == wanted:
        return stable, _READY
    if wanted < stable:
        text = "recent recommendations were higher than current one, applying the highest recent recommendation"
        return stable, ("True", "ScaleDownStabilized", text)
    text = "recent recommendations were lower than current one, applying the lowest recent recommendation"
    return stable, ("True", "ScaleUpStabilized", text)


def _since(items: Iterable[tuple[float, int]], when: float) -> list[int]:
    return [value for moment, value in items if moment > when]


def _rate(rules: Object, memory: Memory, current: int, now: float, *, grow: bool) -> int:
    """The size that policies allow now, by what was changed in their periods."""
    choice = rules.get("selectPolicy") or "Max"
    if choice == "Disabled":
        return current
    sizes: list[int] = []
    for policy in rules.get("policies") or ():
        begin = now - policy["periodSeconds"]
        start = current - sum(_since(memory.ups, begin)) + sum(_since(memory.downs, begin))
        if policy["type"] == "Pods":
            sizes.append(start + policy["value"] if grow else start - policy["value"])
        elif grow:
            sizes.append(math.ceil(start * (100 + policy["value"]) / 100))
        else:
            sizes.append(int(start * (100 - policy["value"]) / 100))
    if not sizes:
        return max(2 * current, 4) if grow else 0
    return max(sizes) if (choice == "Max") == grow else min(sizes)
