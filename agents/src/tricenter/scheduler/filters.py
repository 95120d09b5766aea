"""Can this pod run on this node? Each question answers None or the reason against, worded as upstream.

The questions of this module look at one node alone; `spread` and `interpod` look at the whole site.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

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
    taint = untolerated(pod.tolerations, node.taints)
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
    for toleration in tolerations:
        if toleration.get("effect") and toleration["effect"] != taint["effect"]:
            continue
        if toleration.get("key") and toleration["key"] != taint["key"]:
            continue
        if toleration.get("operator") == "Exists":
            return True
        if toleration.get("key") and (toleration.get("value") or "") == (taint.get("value") or ""):
            return True
    return False


def untolerated(tolerations: Iterable[Mapping[str, Any]], taints: Iterable[Mapping[str, Any]]) -> Any:
    """The first taint that keeps the pod away, or None."""
    for taint in taints:
        if taint["effect"] in {"NoSchedule", "NoExecute"} and not tolerates(tolerations, taint):
            return taint
    return None


def matches_affinity(pod: PodInfo, node: NodeInfo) -> bool:
    """nodeSelector and required node affinity (terms are alternatives, conditions of a term all hold)."""
    for key, value in pod.node_selector.items():
        if node.labels.get(key) != value:
            return False
    required = pod.node_affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(matches_term(term, node) for term in required.get("nodeSelectorTerms") or ())


def matches_term(term: Mapping[str, Any], node: NodeInfo) -> bool:
    """A NodeSelectorTerm; an empty one matches nothing."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    by_label = all(_holds(item, node.labels.get(item["key"])) for item in expressions)
    return by_label and all(_holds(item, node.name) for item in fields)  # metadata.name is the only field there is


def _holds(requirement: Mapping[str, Any], value: str | None) -> bool:
    values = requirement.get("values") or []
    match requirement["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value is None or value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    if value is None or not values:
        return False
    return _compare(requirement["operator"], value, str(values[0]))


def _compare(operator: str, value: str, limit: str) -> bool:
    """Gt and Lt; what is no integer is neither greater nor less."""
    try:
        return int(value) > int(limit) if operator == "Gt" else int(value) < int(limit)
    except ValueError:
        return False
