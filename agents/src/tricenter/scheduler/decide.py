"""The decision: a pod and the state of the site to a node, or to the reasons why there is none.

Invariants (held by property tests): no node is ever over-committed, no untolerated taint and no hard constraint is
ever broken, and a pod is refused only if every node has a reason.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, OrderedDict

from tricenter.apimachinery.selectors import LabelSelector
from tricenter.scheduler import filters, interpod, scoring, spread
from tricenter.scheduler.pods import PodInfo
from tricenter.scheduler.state import NodeInfo, State

_REMEMBERED_KEYS = 256
_ALWAYS_ALL_NODES = 100


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """No node can take the pod; `message` is what the user reads."""

    message: str


class Decider:
    """Decides over one State; remembers what labels and taints said about pods that are alike."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._attributes: OrderedDict[bytes, dict[str, str | None]] = OrderedDict()
        self._epoch = -1
        self._start = 0

    def decide(self, pod: PodInfo, siblings: LabelSelector) -> str | Refusal:
        """The name of the best node; `siblings` selects the pods that count for default spreading."""
        nodes = [node for node in self._state.nodes.values() if node.present]
        if not nodes:
            return Refusal("no nodes available to schedule pods")
        feasible, reasons = self._feasible(pod, nodes)
        if not feasible:
            return Refusal(refusal_message(len(nodes), reasons))
        if len(feasible) == 1:
            return feasible[0].name
        soft = tuple(constraint for constraint in pod.constraints if not constraint.hard)
        if not pod.constraints:
            soft = spread.default_constraints(siblings)
        points = scoring.totals(pod, soft, feasible, self._state)
        best = max(range(len(feasible)), key=lambda position: (points[position], -len(feasible[position].pods)))
        return feasible[best].name

    def _feasible(self, pod: PodInfo, nodes: list[NodeInfo]) -> tuple[list[NodeInfo], Counter[str]]:
        """The nodes that can take the pod, until there are enough, and the reasons of the others."""
        spreading, others = spread.Filter(pod, self._state), interpod.Filter(pod, self._state)
        attributes = self._known_attributes(pod)
        wanted = sample_size(len(nodes))
        feasible: list[NodeInfo] = []
        reasons: Counter[str] = Counter()
        self._start %= len(nodes)
        tried = 0
        for node in nodes[self._start :] + nodes[: self._start]:
            tried += 1
            if node.name not in attributes:
                attributes[node.name] = filters.attributes(pod, node)
            reason = attributes[node.name] or filters.ports(pod, node)
            against = [reason] if reason else filters.resources(pod, node)
            if not against:
                reason = spreading.reason(node) or others.reason(node)
                against = [reason] if reason else []
            if against:
                reasons.update(against)
                continue
            feasible.append(node)
            if len(feasible) >= wanted:
                break
        if tried < len(nodes):  # the next pod looks at other nodes first
            self._start += tried
        return feasible, reasons

    def _known_attributes(self, pod: PodInfo) -> dict[str, str | None]:
        if self._epoch != self._state.epoch:
            self._attributes.clear()
            self._epoch = self._state.epoch
        known = self._attributes.setdefault(pod.placement_key, {})
        self._attributes.move_to_end(pod.placement_key)
        if len(self._attributes) > _REMEMBERED_KEYS:
            self._attributes.popitem(last=False)
        return known


def sample_size(nodes: int) -> int:
    """How many feasible nodes are enough to choose from (upstream's percentageOfNodesToScore)."""
    if nodes <= _ALWAYS_ALL_NODES:
        return nodes
    percent = max(5, 50 - nodes // 125)
    return max(_ALWAYS_ALL_NODES, nodes * percent // 100)


def refusal_message(nodes: int, reasons: Counter[str]) -> str:
    """`0/6 nodes are available: 2 Insufficient cpu, 4 node(s) had untolerated taint {a: b}.`"""
    listed = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
    return f"0/{nodes} nodes are available: {listed}."
