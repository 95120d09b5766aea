"""The scheduler's picture of the site: nodes, the pods on them, and sums that are kept current.

Sums (requested resources, host ports, pods per selector and node) change with each pod that comes or goes, so a
decision never walks over the pods of the site. A pod that was just placed counts from that moment (`assume`), not from
the moment the API confirms it.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import Any

from tricenter.apimachinery.selectors import LabelSelector
from tricenter.scheduler.pods import PODS, PodInfo, Requests, Term, amounts

_COUNTED_SELECTORS = 512


@dataclasses.dataclass(slots=True, eq=False)
class NodeInfo:
    """A node and what is on it. Without `present` the node is not known (yet), only pods that name it."""

    name: str
    present: bool = False
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    taints: tuple[dict[str, Any], ...] = ()
    unschedulable: bool = False
    allocatable: Requests = dataclasses.field(default_factory=dict)
    requested: Requests = dataclasses.field(default_factory=dict)
    assumed_use: Requests = dataclasses.field(default_factory=dict)
    pods: dict[str, PodInfo] = dataclasses.field(default_factory=dict)
    ports: Counter[tuple[str, str, int]] = dataclasses.field(default_factory=Counter)
    verdicts: dict[str, Any] = dataclasses.field(default_factory=dict)
    """What was worked out about pods by their `placement_key`; forgotten whenever anything here changes."""

    def add(self, pod: PodInfo) -> None:
        """Count `pod`."""
        self.pods[pod.uid] = pod
        self._sum(pod, 1)
        self.ports.update(pod.ports)

    def remove(self, uid: str) -> PodInfo:
        """Count the pod no more."""
        pod = self.pods.pop(uid)
        self._sum(pod, -1)
        self.ports.subtract(pod.ports)
        for port in pod.ports:
            if not self.ports[port]:
                del self.ports[port]
        return pod

    def _sum(self, pod: PodInfo, sign: int) -> None:
        for name, amount in pod.requests.items():
            self.requested[name] = self.requested.get(name, 0) + sign * amount
        for name, amount in pod.assumed_use.items():
            self.assumed_use[name] = self.assumed_use.get(name, 0) + sign * amount
        self.requested[PODS] = self.requested.get(PODS, 0) + sign
        self.verdicts.clear()


@dataclasses.dataclass(slots=True)
class _Counted:
    """Matching pods per node and, for each node label that was asked for, per value of it."""

    nodes: Counter[str] = dataclasses.field(default_factory=Counter)
    by_label: dict[str, Counter[str]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Matching:
    """Which pods to count: those that `selector` matches in one namespace, or in those a term covers."""

    selector: LabelSelector
    namespace: str | None = None
    term: Term | None = None


class State:
    """Nodes by name and placed pods by uid."""

    def __init__(self) -> None:
        self.nodes: dict[str, NodeInfo] = {}
        self.namespaces: dict[str, Mapping[str, str]] = {}
        """Labels of each namespace."""
        self.memo: dict[Any, Any] = {}
        """What others worked out from labels, taints and the set of nodes; forgotten when one of these changes."""
        self.anti_affinity: dict[Term, Counter[str]] = {}
        """Required anti-affinity of placed pods: term to number of such pods per node."""
        self.attraction: dict[tuple[int, Term], Counter[str]] = {}
        """Preferred terms of placed pods, by weight; a required affinity counts as weight 1, as upstream."""
        self._placed: dict[str, str] = {}
        self._counts: OrderedDict[Matching, _Counted] = OrderedDict()

    def set_node(self, node: Mapping[str, Any]) -> bool:
        """Add or renew a node; True if that may let a pod fit that did not fit before."""
        info = self.nodes.setdefault(node["metadata"]["name"], NodeInfo(node["metadata"]["name"]))
        spec = node.get("spec") or {}
        before = (info.present, info.labels, info.taints, info.unschedulable)
        allocatable = amounts((node.get("status") or {}).get("allocatable"))
        resized = allocatable != info.allocatable
        info.present = True
        info.labels = node["metadata"].get("labels") or {}
        info.taints = tuple(spec.get("taints") or ())
        info.unschedulable = bool(spec.get("unschedulable"))
        info.allocatable = allocatable
        relabelled = before != (True, info.labels, info.taints, info.unschedulable)
        info.verdicts.clear()
        if relabelled:
            self._relabelled()
        return relabelled or resized

    def remove_node(self, name: str) -> None:
        """Forget a node; its pods stay counted on the name until they go."""
        info = self.nodes.get(name)
        if info is not None:
            self._relabelled()
            self.nodes[name] = NodeInfo(name, **_holdings(info))
            self._sweep(name)

    def set_namespace(self, name: str, labels: Mapping[str, str]) -> bool:
        """Add or renew a namespace; True if its labels changed."""
        if self.namespaces.get(name) == labels:
            return False
        self.namespaces[name] = labels
        for matching in [item for item in self._counts if item.term is not None]:
            del self._counts[matching]  # a term chooses namespaces by label
        return True

    def place(self, pod: PodInfo, node: str) -> None:
        """Count `pod` on `node`: assumed by us or confirmed by the API."""
        self.remove(pod.uid)
        self._placed[pod.uid] = node
        self.nodes.setdefault(node, NodeInfo(node)).add(pod)
        self._count(pod, node, 1)

    def remove(self, uid: str) -> str | None:
        """Count the pod no more; returns the node it was on."""
        node = self._placed.pop(uid, None)
        if node is not None:
            self._count(self.nodes[node].remove(uid), node, -1)
            self._sweep(node)
        return node

    def node_of(self, uid: str) -> str | None:
        """Where the pod is, assumed or confirmed."""
        return self._placed.get(uid)

    def count(self, matching: Matching) -> Counter[str]:
        """Pods per node that match; kept current from the first question on."""
        return self._counted(matching).nodes

    def count_by(self, matching: Matching, label: str) -> Counter[str]:
        """Pods that match per value of a node label; kept current like `count`."""
        counted = self._counted(matching)
        sums = counted.by_label.get(label)
        if sums is None:
            sums = counted.by_label[label] = domains(self, label, counted.nodes)
        return sums

    def _counted(self, matching: Matching) -> _Counted:
        known = self._counts.get(matching)
        if known is None:
            known = self._counts[matching] = _Counted()
            for name, node in self.nodes.items():
                number = sum(self._meant(matching, pod) for pod in node.pods.values())
                if number:
                    known.nodes[name] = number
            if len(self._counts) > _COUNTED_SELECTORS:
                self._counts.popitem(last=False)
        self._counts.move_to_end(matching)
        return known

    def _relabelled(self) -> None:
        self.memo.clear()
        for counted in self._counts.values():
            counted.by_label.clear()

    def _meant(self, matching: Matching, pod: PodInfo) -> bool:
        if matching.term is not None:
            return matching.term.matches(pod.namespace, pod.labels, self.namespaces)
        if "deletionTimestamp" in pod.obj["metadata"]:  # spreading looks at pods that stay
            return False
        return pod.namespace == matching.namespace and matching.selector.matches(pod.labels)

    def _count(self, pod: PodInfo, node: str, sign: int) -> None:
        for matching, counted in self._counts.items():
            if self._meant(matching, pod):
                _bump(counted.nodes, node, sign)
                for label, sums in counted.by_label.items():
                    value = self.nodes[node].labels.get(label)
                    if value is not None:
                        _bump(sums, value, sign)
        for term in pod.anti_affinity:
            _bump_in(self.anti_affinity, term, node, sign)
        for weighted in (*pod.preferred, *((1, term) for term in pod.affinity)):
            _bump_in(self.attraction, weighted, node, sign)

    def _sweep(self, name: str) -> None:
        node = self.nodes[name]
        if not node.present and not node.pods:
            del self.nodes[name]


def _holdings(info: NodeInfo) -> dict[str, Any]:
    return {
        "requested": info.requested,
        "assumed_use": info.assumed_use,
        "pods": info.pods,
        "ports": info.ports,
    }


def _bump(counts: Counter[str], key: str, sign: int) -> None:
    counts[key] += sign
    if not counts[key]:
        del counts[key]


def _bump_in(registry: dict[Any, Counter[str]], key: Any, node: str, sign: int) -> None:
    counts = registry.setdefault(key, Counter())
    _bump(counts, node, sign)
    if not counts:
        del registry[key]


def domains(state: State, label: str, counts: Mapping[str, int]) -> Counter[str]:
    """Sum `counts` (per node) by the value of a node label; nodes without it are left out."""
    sums: Counter[str] = Counter()
    for name, count in counts.items():
        node = state.nodes.get(name)
        value = node.labels.get(label) if node is not None else None
        if value is not None:
            sums[value] += count
    return sums
