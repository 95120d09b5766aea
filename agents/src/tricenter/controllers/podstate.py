"""Questions about pods that several controllers ask."""

from __future__ import annotations

import datetime as dt
from typing import Any

from tricenter.apimachinery import times
from tricenter.controllers import conditions

Object = dict[str, Any]

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


def condition(obj: Object, kind: str) -> Object | None:
    """The condition of type `kind`."""
    return conditions.get((obj.get("status") or {}).get("conditions") or [], kind)


def disrupted(pod: Object, reason: str, message: str) -> list[Object]:
    """The conditions of a pod that ends for no fault of its own (KEP-3329): Jobs may not count that as a failure."""
    known = (pod.get("status") or {}).get("conditions") or []
    return conditions.updated(known, "DisruptionTarget", "True", reason, message)


def phase(pod: Object) -> str:
    """The pod's phase; a pod without one is Pending."""
    return (pod.get("status") or {}).get("phase") or "Pending"


def finished(pod: Object) -> bool:
    """Whether it has ended for good."""
    return phase(pod) in {"Succeeded", "Failed"}


def terminating(pod: Object) -> bool:
    """Whether it is being deleted."""
    return "deletionTimestamp" in pod["metadata"]


def active(pod: Object) -> bool:
    """Whether it counts as a replica."""
    return not finished(pod) and not terminating(pod)


def ready(pod: Object) -> bool:
    """Whether the kubelet says that it can serve."""
    found = condition(pod, "Ready")
    return found is not None and found["status"] == "True"


def available_in(pod: Object, min_ready_seconds: int, now: dt.datetime) -> float | None:
    """Seconds until the pod has been ready for `min_ready_seconds`; 0 if it has, None if it is not ready."""
    found = condition(pod, "Ready")
    if found is None or found["status"] != "True":
        return None
    if not min_ready_seconds:
        return 0.0
    since = times.since(found.get("lastTransitionTime"), now)
    return max(0.0, min_ready_seconds - since.total_seconds()) if since is not None else float(min_ready_seconds)


def deletion_order(pods: list[Object], on_node: dict[str, int], now: dt.datetime) -> list[Object]:
    """`pods`, those first whose loss hurts least (upstream's ActivePodsWithRanks).

    `on_node` counts the related pods on each node: a node with more gives one up first.
    """

    def rank(pod: Object) -> tuple[Any, ...]:
        node = pod["spec"].get("nodeName")
        since = condition(pod, "Ready") or {}
        age = times.since(since.get("lastTransitionTime"), now)
        created = times.since(pod["metadata"].get("creationTimestamp"), now)
        return (
            bool(node),
            {"Pending": 0, "Unknown": 1}.get(phase(pod), 2),
            ready(pod),
            _cost(pod),
            -on_node.get(node or "", 0),
            age.total_seconds() if age is not None and ready(pod) else 0.0,
            -_restarts(pod),
            created.total_seconds() if created is not None else 0.0,
        )

    return sorted(pods, key=rank)


def _cost(pod: Object) -> int:
    text = (pod["metadata"].get("annotations") or {}).get(DELETION_COST, "0")
    try:
        return int(text)
    except ValueError:
        return 0


def _restarts(pod: Object) -> int:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return max((int(status.get("restartCount") or 0) for status in statuses), default=0)
