"""The decision: a pod and the state of the site to a node, or to the reasons why there is none.

Invariants (held by property tests): no node is ever over-committed, no untolerated taint and no hard constraint is
ever broken, and a pod is refused only if every node has a reason.
"""

from __future__ import annotations

import dataclasses
from collections import Counter

from tricenter.apimachinery.selectors import LabelSelector
from tricenter.scheduler import interpod, scoring, spread
from tricenter.scheduler.pods import PodInfo
from tricenter.scheduler.state import NodeInfo, State

_ALWAYS_ALL_NODES = 100


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """No node can take the pod; `message` is what the user reads."""

    message: str


class Decider:
    """Decides over one State."""

    def __init__(self, state: State) -> None:
        self._state = state
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
        standings = [scoring.standing(pod, node) for node in feasible]
        points = scoring.totals(pod, soft, feasible, standings, self._state)
        highest = max(points)
        best = [node for node, value in zip(feasible, points, strict=True) if value == highest]
        return min(best, key=lambda node: len(node.pods)).name

    def _feasible(self, pod: PodInfo, nodes: list[NodeInfo]) -> tuple[list[NodeInfo], Counter[str]]:
        """The nodes that can take the pod, until there are enough, and the reasons of the others."""
        questions = [
            question
            for question in (spread.Filter(pod, self._state), interpod.Filter(pod, self._state))
            if not question.idle
        ]
        wanted = sample_size(len(nodes))
        feasible: list[NodeInfo] = []
        reasons: Counter[str] = Counter()
        self._start %= len(nodes)
        tried = 0
        for node in nodes[self._start :] + nodes[: self._start]:
            tried += 1
            against = scoring.standing(pod, node).reasons
            if not against and questions:
                reason = next(filter(None, (question.reason(node) for question in questions)), None)
                against = (reason,) if reason else ()
            if against:
                reasons.update(against)
                continue
            feasible.append(node)
            if len(feasible) >= wanted:
                break
        if tried < len(nodes):  # the next pod looks at other nodes first
            self._start += tried
        return feasible, reasons


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
