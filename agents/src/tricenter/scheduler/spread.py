"""Topology spread: even numbers of matching pods in each center, rack or node (KEP-895).

Pods that say nothing are spread too, by preference: over nodes and centers, counting the pods of the same Services and
ReplicaSet (upstream's system defaults: at most 3 more on one node, 5 more in one zone).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from tricenter.apimachinery import placement
from tricenter.apimachinery.selectors import LabelSelector
from tricenter.scheduler import filters
from tricenter.scheduler.pods import Constraint, PodInfo
from tricenter.scheduler.state import Matching, NodeInfo, State, domains

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"

_REMEMBERED = 1024

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
class _Domains:
    """Where a pod could be: the values of a label, and the nodes that count (None: all that have the labels)."""

    values: frozenset[str]
    nodes: frozenset[str] | None


@dataclasses.dataclass(frozen=True, slots=True)
class _Hard:
    key: str
    allowed: int
    """The largest number of matching pods a domain may have before this one comes."""
    counts: Mapping[str, int]


class Filter:
    """The hard constraints of one pod, counted once for all nodes."""

    def __init__(self, pod: PodInfo, state: State) -> None:
        hard = [constraint for constraint in pod.constraints if constraint.hard]
        self._hard = [self._prepare(pod, constraint, hard, state) for constraint in hard]
        self.idle = not hard
        """Whether there is nothing to ask."""

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
        where = _domains(pod, constraint, frozenset(other.topology_key for other in hard), state)
        counts = _counts(pod, constraint, where, state)
        lowest = 0
        if len(where.values) >= constraint.min_domains:
            lowest = min((counts.get(value, 0) for value in where.values), default=0)
        own = 1 if constraint.selector.matches(pod.labels) else 0
        return _Hard(constraint.topology_key, lowest + constraint.max_skew - own, counts)


def scores(pod: PodInfo, soft: Sequence[Constraint], nodes: Sequence[NodeInfo], state: State) -> list[float]:
    """0 to 100 for each of `nodes` (all feasible): the fewer matching pods in its domains, the better.

    A constraint over more domains weighs more, because fewer pods of each domain are expected.
    """
    if not soft:
        return [0.0] * len(nodes)
    # Explicit constraints ignore nodes without their labels; defaults make do with the labels there are.
    keys = frozenset(constraint.topology_key for constraint in soft) if pod.constraints else frozenset[str]()
    ignored = (
        {position for position, node in enumerate(nodes) if not keys <= node.labels.keys()} if keys else set[int]()
    )
    raw = [0.0] * len(nodes)
    for constraint in soft:
        counts = _counts(pod, constraint, _domains(pod, constraint, keys, state), state)
        values = [node.labels.get(constraint.topology_key) for node in nodes]
        weight = math.log(len(set(values) - {None}) + 2)
        base = constraint.max_skew - 1
        for position, value in enumerate(values):
            if value is not None:
                raw[position] += counts.get(value, 0) * weight + base
    return _inverted(raw, ignored)


def _inverted(raw: Sequence[float], ignored: set[int]) -> list[float]:
    counted = [value for position, value in enumerate(raw) if position not in ignored]
    if not counted:
        return [0.0] * len(raw)
    low, high = min(counted), max(counted)
    points = [100.0 * (high + low - value) / high if high else 100.0 for value in raw]
    for position in ignored:
        points[position] = 0.0
    return points


def _domains(pod: PodInfo, constraint: Constraint, keys: frozenset[str], state: State) -> _Domains:
    """The domains that count for the pod (KEP-3094: by default nodes that it cannot use are no domains)."""
    key = (pod.placement_key, constraint.topology_key, constraint.honor_affinity, constraint.honor_taints, keys)
    known: _Domains | None = state.memo.get(key)
    if known is None:
        if len(state.memo) >= _REMEMBERED:
            state.memo.clear()
        eligible = [node for node in state.nodes.values() if _eligible(pod, constraint, node, keys)]
        values = (node.labels.get(constraint.topology_key) for node in eligible)
        everywhere = len(eligible) == len(state.nodes)
        known = state.memo[key] = _Domains(
            frozenset(value for value in values if value is not None),
            None if everywhere else frozenset(node.name for node in eligible),
        )
    return known


def _counts(pod: PodInfo, constraint: Constraint, where: _Domains, state: State) -> Mapping[str, int]:
    matching = Matching(constraint.selector, namespace=pod.namespace)
    if where.nodes is None:
        return state.count_by(matching, constraint.topology_key)
    per_node = state.count(matching)
    among = {name: count for name, count in per_node.items() if name in where.nodes}
    return domains(state, constraint.topology_key, among)


def _eligible(pod: PodInfo, constraint: Constraint, node: NodeInfo, keys: frozenset[str]) -> bool:
    if not node.present or not keys <= node.labels.keys():
        return False
    if constraint.honor_affinity and not filters.matches_affinity(pod, node):
        return False
    return not constraint.honor_taints or placement.untolerated(pod.tolerations, node.taints) is None
