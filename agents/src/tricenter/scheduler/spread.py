"""Topology spread: even numbers of matching pods in each center, rack or node (KEP-895).

Pods that say nothing are spread too, by preference: over nodes and centers, counting the pods of the same Services and
ReplicaSet (upstream's system defaults: at most 3 more on one node, 5 more in one zone).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

from tricenter.apimachinery.selectors import LabelSelector
from tricenter.scheduler import filters
from tricenter.scheduler.pods import Constraint, PodInfo
from tricenter.scheduler.state import Matching, NodeInfo, State, domains

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"

SKEWED = "node(s) didn't match pod topology spread constraints"
LABEL_MISSING = "node(s) didn't match pod topology spread constraints (missing required label)"


def default_constraints(selector: LabelSelector) -> tuple[Constraint, ...]:
    """What holds for a pod without constraints whose Services and owner select `selector`."""
    if selector.empty or selector.nothing:
        return ()
    return (
        Constraint(max_skew=3, topology_key=HOSTNAME, selector=selector, hard=False),
        Constraint(max_skew=5, topology_key=ZONE, selector=selector, hard=False),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Hard:
    key: str
    allowed: int
    """The largest number of matching pods a domain may have before this one comes."""
    counts: dict[str, int]


class Filter:
    """The hard constraints of one pod, counted once for all nodes."""

    def __init__(self, pod: PodInfo, state: State) -> None:
        hard = [constraint for constraint in pod.constraints if constraint.hard]
        self._hard = [self._prepare(pod, constraint, hard, state) for constraint in hard]

    def reason(self, node: NodeInfo) -> str | None:
        """Why the pod must not go to `node`, or None."""
        for hard in self._hard:
            value = node.labels.get(hard.key)
            if value is None:
                return LABEL_MISSING
            if hard.counts.get(value, 0) > hard.allowed:
                return SKEWED
        return None

    @staticmethod
    def _prepare(pod: PodInfo, constraint: Constraint, hard: Sequence[Constraint], state: State) -> _Hard:
        keys = {other.topology_key for other in hard}
        nodes = [node for node in state.nodes.values() if _eligible(pod, constraint, node, keys)]
        counts = domains(nodes, constraint.topology_key, _counts(pod, constraint, state))
        lowest = min(counts.values(), default=0) if len(counts) >= constraint.min_domains else 0
        own = 1 if constraint.selector.matches(pod.labels) else 0
        return _Hard(constraint.topology_key, lowest + constraint.max_skew - own, counts)


def scores(pod: PodInfo, soft: Sequence[Constraint], nodes: Sequence[NodeInfo], state: State) -> list[float]:
    """0 to 100 for each of `nodes` (all feasible): the fewer matching pods in its domains, the better.

    A constraint over more domains weighs more, because fewer pods of each domain are expected.
    """
    if not soft:
        return [0.0] * len(nodes)
    # Explicit constraints ignore nodes without their labels; defaults make do with the labels there are.
    keys = {constraint.topology_key for constraint in soft} if pod.constraints else set[str]()
    ignored = [not all(key in node.labels for key in keys) for node in nodes]
    raw = [0.0] * len(nodes)
    for constraint in soft:
        per_node = _counts(pod, constraint, state)
        eligible = (node for node in state.nodes.values() if _eligible(pod, constraint, node, keys))
        counts = domains(eligible, constraint.topology_key, per_node)
        seen = {node.labels.get(constraint.topology_key) for node in nodes} - {None}
        weight = math.log(len(seen) + 2)
        for position, node in enumerate(nodes):
            value = node.labels.get(constraint.topology_key)
            if value is not None and not ignored[position]:
                raw[position] += counts.get(value, 0) * weight + (constraint.max_skew - 1)
    return _inverted(raw, ignored)


def _inverted(raw: Sequence[float], ignored: Sequence[bool]) -> list[float]:
    counted = [value for value, skip in zip(raw, ignored, strict=True) if not skip]
    if not counted:
        return [0.0] * len(raw)
    low, high = min(counted), max(counted)
    if not high:
        return [0.0 if skip else 100.0 for skip in ignored]
    return [0.0 if skip else 100.0 * (high + low - value) / high for value, skip in zip(raw, ignored, strict=True)]


def _counts(pod: PodInfo, constraint: Constraint, state: State) -> dict[str, int]:
    return state.count(Matching(constraint.selector, namespace=pod.namespace))


def _eligible(pod: PodInfo, constraint: Constraint, node: NodeInfo, keys: Iterable[str]) -> bool:
    """Whether the pods on `node` count (KEP-3094: nodes the pod cannot use are no domains)."""
    if not node.present or not all(key in node.labels for key in keys):
        return False
    if constraint.honor_affinity and not filters.matches_affinity(pod, node):
        return False
    return not constraint.honor_taints or filters.untolerated(pod.tolerations, node.taints) is None
