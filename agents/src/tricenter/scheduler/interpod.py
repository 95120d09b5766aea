"""Pod affinity and anti-affinity: near to, or away from, other pods, per value of a node label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tricenter.scheduler.pods import PodInfo, Term
from tricenter.scheduler.state import Matching, NodeInfo, State, domains

AFFINITY = "node(s) didn't match pod affinity rules"
ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
EXISTING_ANTI_AFFINITY = "node(s) didn't satisfy existing pods anti-affinity rules"


class Filter:
    """The required terms of one pod, and those of placed pods against it, counted once for all nodes."""

    def __init__(self, pod: PodInfo, state: State) -> None:
        self._near = [(term.topology_key, self._occupied(term, state)) for term in pod.affinity]
        self._apart = [(term.topology_key, self._occupied(term, state)) for term in pod.anti_affinity]
        self._against = [
            (term.topology_key, domains(state, term.topology_key, counts))
            for term, counts in state.anti_affinity.items()
            if term.matches(pod.namespace, pod.labels, state.namespaces)
        ]
        self.idle = not (self._near or self._apart or self._against)
        """Whether there is nothing to ask."""
        # The first pod of a group that wants to be near itself may go anywhere, or it could never start.
        self._first = not any(occupied for _, occupied in self._near) and all(
            term.matches(pod.namespace, pod.labels, state.namespaces) for term in pod.affinity
        )

    def reason(self, node: NodeInfo) -> str | None:
        """Why the pod must not go to `node`, or None."""
        for key, occupied in self._near:
            value = node.labels.get(key)
            if value is None or (value not in occupied and not self._first):
                return AFFINITY
        if any(node.labels.get(key) in occupied for key, occupied in self._apart):
            return ANTI_AFFINITY
        if any(node.labels.get(key) in occupied for key, occupied in self._against):
            return EXISTING_ANTI_AFFINITY
        return None

    @staticmethod
    def _occupied(term: Term, state: State) -> Mapping[str, int]:
        return state.count_by(Matching(term.selector, term=term), term.topology_key)


def scores(pod: PodInfo, nodes: Sequence[NodeInfo], state: State) -> list[float]:
    """0 to 100 for each of `nodes`: preferred terms of the pod, and of placed pods towards it."""
    totals = [0.0] * len(nodes)
    if not pod.preferred and not state.attraction:
        return totals
    for weight, term in pod.preferred:
        counts = state.count_by(Matching(term.selector, term=term), term.topology_key)
        _weigh(totals, nodes, term.topology_key, counts, weight)
    for (weight, term), per_node in state.attraction.items():
        if term.matches(pod.namespace, pod.labels, state.namespaces):
            counts = domains(state, term.topology_key, per_node)
            _weigh(totals, nodes, term.topology_key, counts, weight)
    low, high = min(totals, default=0.0), max(totals, default=0.0)
    if low == high:
        return [0.0] * len(nodes)
    return [100.0 * (total - low) / (high - low) for total in totals]


def _weigh(totals: list[float], nodes: Sequence[NodeInfo], key: str, counts: Mapping[str, int], weight: int) -> None:
    for position, node in enumerate(nodes):
        value = node.labels.get(key)
        if value is not None:
            totals[position] += counts.get(value, 0) * weight
