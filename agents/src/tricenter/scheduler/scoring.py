"""Which of the feasible nodes is best: upstream's default plugins and weights, 0 to 100 points each.

What depends on one node alone is worked out once per kind of pod and node (`Standing`) and remembered on the node
until something changes there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tricenter.scheduler import filters, interpod, spread
from tricenter.scheduler.pods import CPU, MEMORY, Constraint, PodInfo
from tricenter.scheduler.state import NodeInfo, State

_TAINT_WEIGHT = 3
_NODE_AFFINITY_WEIGHT = 2
_SPREAD_WEIGHT = 2
_INTERPOD_WEIGHT = 2
_LEAST_ALLOCATED_WEIGHT = 1
_BALANCED_WEIGHT = 1

_REMEMBERED = 128


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """How one node looks to one kind of pod."""

    reasons: tuple[str, ...]
    """Why it cannot run there; empty if it can."""
    room: float = 0.0
    """Points for free and balanced resources, weighted."""
    soft_taints: int = 0
    affinity: int = 0


def standing(pod: PodInfo, node: NodeInfo) -> Standing:
    """How `node` looks to `pod` and its like, remembered."""
    known: Standing | None = node.verdicts.get(pod.placement_key)
    if known is None:
        if len(node.verdicts) >= _REMEMBERED:
            node.verdicts.clear()
        known = node.verdicts[pod.placement_key] = _standing(pod, node)
    return known


def _standing(pod: PodInfo, node: NodeInfo) -> Standing:
    reason = filters.attributes(pod, node) or filters.ports(pod, node)
    reasons = (reason,) if reason else tuple(filters.resources(pod, node))
    if reasons:
        return Standing(reasons)
    room = _LEAST_ALLOCATED_WEIGHT * least_allocated(pod, node) + _BALANCED_WEIGHT * balanced(pod, node)
    return Standing((), room, soft_taints(pod, node), affinity(pod, node))


def totals(
    pod: PodInfo, soft: Sequence[Constraint], nodes: Sequence[NodeInfo], standings: Sequence[Standing], state: State
) -> list[float]:
    """The sum of all weighted points of each node; `soft` are the spread constraints that are preferences."""
    sums = [item.room for item in standings]
    most_taints = max(item.soft_taints for item in standings)
    if most_taints:  # fewer untolerated PreferNoSchedule taints are better
        points = [100.0 * (most_taints - item.soft_taints) / most_taints for item in standings]
        _add(sums, _TAINT_WEIGHT, points)
    best_affinity = max(item.affinity for item in standings)
    if best_affinity:
        _add(sums, _NODE_AFFINITY_WEIGHT, [100.0 * item.affinity / best_affinity for item in standings])
    if soft:
        _add(sums, _SPREAD_WEIGHT, spread.scores(pod, soft, nodes, state))
    if pod.preferred or state.attraction:
        _add(sums, _INTERPOD_WEIGHT, interpod.scores(pod, nodes, state))
    return sums


def _add(sums: list[float], weight: int, points: Sequence[float]) -> None:
    for position, value in enumerate(points):
        sums[position] += weight * value


def soft_taints(pod: PodInfo, node: NodeInfo) -> int:
    """Untolerated taints that only ask pods to stay away."""
    soft = [taint for taint in node.taints if taint["effect"] == "PreferNoSchedule"]
    return sum(not filters.tolerates(pod.tolerations, taint) for taint in soft)


def affinity(pod: PodInfo, node: NodeInfo) -> int:
    """The weights of the preferred node affinity terms that the node meets."""
    terms = pod.node_affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    return sum(term["weight"] for term in terms if filters.matches_term(term["preference"], node))


def least_allocated(pod: PodInfo, node: NodeInfo) -> float:
    """The mean of the free shares of CPU and memory after the pod has come."""
    free = [max(0.0, 1.0 - share) for share in _shares(pod, node)]
    return 100.0 * sum(free) / len(free) if free else 0.0


def balanced(pod: PodInfo, node: NodeInfo) -> float:
    """The smaller the gap between the used shares of CPU and memory, the better: no half of a node is stranded."""
    shares = [min(1.0, share) for share in _shares(pod, node)]
    if len(shares) < 2:
        return 100.0
    return 100.0 * (1.0 - abs(shares[0] - shares[1]) / 2)


def _shares(pod: PodInfo, node: NodeInfo) -> list[float]:
    return [
        (node.assumed_use.get(name, 0) + pod.assumed_use.get(name, 0)) / node.allocatable[name]
        for name in (CPU, MEMORY)
        if node.allocatable.get(name)
    ]
