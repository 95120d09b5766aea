"""Which of the feasible nodes is best: upstream's default plugins and weights, 0 to 100 points each."""

from __future__ import annotations

import math
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


def totals(pod: PodInfo, soft: Sequence[Constraint], nodes: Sequence[NodeInfo], state: State) -> list[float]:
    """The sum of all weighted points of each node; `soft` are the spread constraints that are preferences."""
    parts = (
        (_TAINT_WEIGHT, taints(pod, nodes)),
        (_NODE_AFFINITY_WEIGHT, node_affinity(pod, nodes)),
        (_SPREAD_WEIGHT, spread.scores(pod, soft, nodes, state)),
        (_INTERPOD_WEIGHT, interpod.scores(pod, nodes, state)),
        (_LEAST_ALLOCATED_WEIGHT, [least_allocated(pod, node) for node in nodes]),
        (_BALANCED_WEIGHT, [balanced(pod, node) for node in nodes]),
    )
    return [sum(weight * points[position] for weight, points in parts) for position in range(len(nodes))]


def taints(pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[float]:
    """Fewer untolerated PreferNoSchedule taints are better."""
    counts = [
        sum(
            taint["effect"] == "PreferNoSchedule" and not filters.tolerates(pod.tolerations, taint)
            for taint in node.taints
        )
        for node in nodes
    ]
    highest = max(counts, default=0)
    return [100.0 * (highest - count) / highest if highest else 100.0 for count in counts]


def node_affinity(pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[float]:
    """The weights of the preferred terms that a node meets."""
    terms = pod.node_affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    if not terms:
        return [0.0] * len(nodes)
    sums = [sum(term["weight"] for term in terms if filters.matches_term(term["preference"], node)) for node in nodes]
    highest = max(sums, default=0)
    return [100.0 * value / highest if highest else 0.0 for value in sums]


def least_allocated(pod: PodInfo, node: NodeInfo) -> float:
    """The mean of the free shares of CPU and memory after the pod has come."""
    free = [max(0.0, 1.0 - share) for share in _shares(pod, node)]
    return 100.0 * sum(free) / len(free) if free else 0.0


def balanced(pod: PodInfo, node: NodeInfo) -> float:
    """The smaller the gap between the used shares of CPU and memory, the better: no half of a node is stranded."""
    shares = [min(1.0, share) for share in _shares(pod, node)]
    if len(shares) < 2:
        return 100.0
    return 100.0 * (1.0 - math.fabs(shares[0] - shares[1]) / 2)


def _shares(pod: PodInfo, node: NodeInfo) -> list[float]:
    return [
        (node.assumed_use.get(name, 0) + pod.assumed_use.get(name, 0)) / node.allocatable[name]
        for name in (CPU, MEMORY)
        if node.allocatable.get(name)
    ]
