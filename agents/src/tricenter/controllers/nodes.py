"""The health of nodes: decisions of the node lifecycle controller.

A kubelet shows that it lives by renewing its Lease (KEP-589) and by posting status. A node that was silent for the
grace period gets its conditions set to Unknown and taints; a node that says it is not ready gets taints. NoExecute
taints evict pods, each after the time that it tolerates them.

Unlike upstream there is no rate limit on evictions by zone: here a center is a zone and its loss must move its pods
within a minute. What remains is upstream's rule for the other extreme: where no node at all is ready, the fault is
with us, and nothing is evicted.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable
from typing import Any

from tricenter.apimachinery import placement, times
from tricenter.controllers import podstate

Object = dict[str, Any]

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"

_PRESSURES = {
    "MemoryPressure": "node.kubernetes.io/memory-pressure",
    "DiskPressure": "node.kubernetes.io/disk-pressure",
    "PIDPressure": "node.kubernetes.io/pid-pressure",
    "NetworkUnavailable": "node.kubernetes.io/network-unavailable",
}
_OURS = {NOT_READY, UNREACHABLE, UNSCHEDULABLE, *_PRESSURES.values()}
_REPORTED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


@dataclasses.dataclass
class Heartbeat:
    """The last sign of life of a node, on our own clock: clocks of machines need not agree."""

    signs: tuple[Any, ...]
    seen: float


def signs(node: Object, lease: Object | None) -> tuple[Any, ...]:
    """What changes with each heartbeat."""
    ready = podstate.condition(node, "Ready") or {}
    renewed = ((lease or {}).get("spec") or {}).get("renewTime")
    return node["metadata"]["uid"], renewed, ready.get("lastHeartbeatTime"), ready.get("status") != "Unknown"


def unknown_conditions(node: Object, now: dt.datetime) -> list[Object]:
    """The conditions of a silent node: all that its kubelet reports become Unknown."""
    moment = times.rfc3339(now)
    conditions = [dict(item) for item in (node.get("status") or {}).get("conditions") or ()]
    known = {item["type"] for item in conditions}
    conditions += [
        {
            "type": kind,
            "status": "Unknown",
            "reason": "NodeStatusNeverUpdated",
            "message": "Kubelet never posted node status.",
            "lastHeartbeatTime": node["metadata"].get("creationTimestamp"),
            "lastTransitionTime": moment,
        }
        for kind in _REPORTED
        if kind not in known
    ]
    for item in conditions:
        if item["type"] in _REPORTED and item["status"] != "Unknown":
            item |= {
                "status": "Unknown",
                "reason": "NodeStatusUnknown",
                "message": "Kubelet stopped posting node status.",
                "lastTransitionTime": moment,
            }
    return conditions


def wanted_taints(node: Object, *, evict: bool, now: dt.datetime) -> list[Object]:
    """All taints the node should have: those of others as they are, ours by its conditions.

    `evict` says whether NoExecute taints may be added.
    """
    spec = node.get("spec") or {}
    current: list[Object] = spec.get("taints") or []
    foreign = [taint for taint in current if taint["key"] not in _OURS]
    ready = (podstate.condition(node, "Ready") or {}).get("status", "False")
    wanted: list[tuple[str, str]] = []
    if ready != "True":
        key = UNREACHABLE if ready == "Unknown" else NOT_READY
        wanted.append((key, "NoSchedule"))
        if evict:
            wanted.append((key, "NoExecute"))
    for kind, key in _PRESSURES.items():
        if (podstate.condition(node, kind) or {}).get("status") == "True":
            wanted.append((key, "NoSchedule"))
    if spec.get("unschedulable"):
        wanted.append((UNSCHEDULABLE, "NoSchedule"))
    known = {(taint["key"], taint["effect"]): taint for taint in current}
    return foreign + [known.get(item) or _taint(*item, now) for item in wanted]


def _taint(key: str, effect: str, now: dt.datetime) -> Object:
    return {"key": key, "effect": effect, "timeAdded": times.rfc3339(now)}


def anybody_ready(nodes: Iterable[Object]) -> bool:
    """Whether at least one node is ready."""
    return any((podstate.condition(node, "Ready") or {}).get("status") == "True" for node in nodes)


def eviction_in(pod: Object, taints: Iterable[Object], now: dt.datetime) -> float | None:
    """Seconds until the NoExecute `taints` of its node evict the pod; None: never."""
    tolerations = pod["spec"].get("tolerations") or ()
    soonest: float | None = None
    for taint in taints:
        if taint["effect"] != "NoExecute":
            continue
        periods = [item.get("tolerationSeconds") for item in tolerations if placement.tolerates(item, taint)]
        if not periods:
            return 0.0
        limited = [float(period) for period in periods if period is not None]
        if not limited:
            continue
        since = times.since(taint.get("timeAdded"), now)
        left = max(0.0, min(limited) - (since.total_seconds() if since is not None else 0.0))
        soonest = left if soonest is None else min(soonest, left)
    return soonest


def unready_conditions(pod: Object, now: dt.datetime) -> list[Object] | None:
    """The conditions of a pod on a lost node: not ready, so that Services stop sending to it; None if they are so."""
    conditions = [dict(item) for item in (pod.get("status") or {}).get("conditions") or ()]
    ready = next((item for item in conditions if item["type"] == "Ready"), None)
    if ready is None or ready["status"] != "True":
        return None
    ready |= {"status": "False", "lastTransitionTime": times.rfc3339(now)}
    return conditions
