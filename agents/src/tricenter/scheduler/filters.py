"""Can this pod run on this node? Each question answers None or the reason against, worded as upstream.

The questions of this module look at one node alone; `spread` and `interpod` look at the whole site.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tricenter.apimachinery import placement
from tricenter.scheduler.pods import PODS, PodInfo
from tricenter.scheduler.state import NodeInfo

UNSCHEDULABLE = "node(s) were unschedulable"
NODE_AFFINITY = "node(s) didn't match Pod's node affinity/selector"
NODE_PORTS = "node(s) didn't have free ports for the requested pod ports"

_EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - a host port without an address
_UNSCHEDULABLE_TAINT = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def attributes(pod: PodInfo, node: NodeInfo) -> str | None:
    """Taints, labels and cordons: what changes with the node, not with the pods on it."""
    if node.unschedulable and not tolerates(pod.tolerations, _UNSCHEDULABLE_TAINT):
        return UNSCHEDULABLE
    taint = placement.untolerated(pod.tolerations, node.taints)
    if taint is not None:
        return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value') or ''}}}"
    if not matches_affinity(pod, node):
        return NODE_AFFINITY
    return None


def ports(pod: PodInfo, node: NodeInfo) -> str | None:
    """Host ports: two pods conflict on the same protocol and number if they share an address or one takes all."""
    for address, protocol, number in pod.ports:
        for other, used, taken in node.ports:
            if (used, taken) == (protocol, number) and (address == other or _EVERY_ADDRESS in (address, other)):
                return NODE_PORTS
    return None


def resources(pod: PodInfo, node: NodeInfo) -> list[str]:
    """Every resource that does not suffice."""
    lacking = []
    if node.requested.get(PODS, 0) + 1 > node.allocatable.get(PODS, 0):
        lacking.append("Too many pods")
    for name, amount in pod.requests.items():
        if amount and amount > node.allocatable.get(name, 0) - node.requested.get(name, 0):
            lacking.append(f"Insufficient {name}")
    return lacking


def tolerates(tolerations: Iterable[Mapping[str, Any]], taint: Mapping[str, Any]) -> bool:
    """Whether one of `tolerations` tolerates `taint`."""
    return any(placement.tolerates(item, taint) for item in tolerations)


def matches_affinity(pod: PodInfo, node: NodeInfo) -> bool:
    """nodeSelector and required node affinity."""
    return placement.matches_node(pod.node_selector, pod.node_affinity, node.labels, node.name)


def matches_term(term: Mapping[str, Any], node: NodeInfo) -> bool:
    """A NodeSelectorTerm."""
    return placement.matches_term(term, node.labels, node.name)
