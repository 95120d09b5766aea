"""The status of a Deployment: counts, and the conditions that `kubectl rollout status` waits for."""

from __future__ import annotations

import datetime as dt
from typing import Any

from tricenter.apimachinery import times
from tricenter.controllers import conditions, rollout

Object = dict[str, Any]

_MINIMUM = "Deployment has minimum availability."
_NO_MINIMUM = "Deployment does not have minimum availability."


def status(deployment: Object, new: Object | None, old: list[Object]) -> Object:
    """Counts and the condition Available; all other conditions as they are."""
    everything = [*old, *([new] if new else [])]
    known = deployment.get("status") or {}
    available = rollout.actual(everything, "availableReplicas")
    total = rollout.actual(everything)
    bound = rollout.limits(deployment)
    counts = {
        "replicas": total,
        "updatedReplicas": rollout.actual([new]) if new else 0,
        "readyReplicas": rollout.actual(everything, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, sum(rollout.size(item) for item in everything) - available),
    }
    enough = available >= bound.fewest
    made: Object = {key: value for key, value in counts.items() if value}
    made["observedGeneration"] = deployment["metadata"].get("generation", 0)
    if known.get("collisionCount"):
        made["collisionCount"] = known["collisionCount"]
    made["conditions"] = conditions.updated(
        known.get("conditions") or [],
        "Available",
        "True" if enough else "False",
        "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
        _MINIMUM if enough else _NO_MINIMUM,
        update_time=True,
    )
    return made


def with_progress(deployment: Object, made: Object, new: Object | None, old: list[Object], now: dt.datetime) -> Object:
    """`made` with the condition Progressing, if the Deployment has a deadline for progress."""
    if deadline(deployment) is None:
        return made | {"conditions": conditions.removed(made["conditions"], "Progressing")}
    current = conditions.get(made["conditions"], "Progressing")
    single = made.get("replicas", 0) == made.get("updatedReplicas", 0)
    done = current is not None and current.get("reason") == "NewReplicaSetAvailable" and single
    if not done:
        outcome = _progress(deployment, made, new, now)
        if outcome is not None:
            made = made | {"conditions": _set(made["conditions"], *outcome)}
    failure = next(
        (
            found
            for item in ([new] if new else []) + old
            if (found := conditions.get((item.get("status") or {}).get("conditions") or [], "ReplicaFailure"))
        ),
        None,
    )
    kept = conditions.removed(made["conditions"], "ReplicaFailure")
    if failure is not None:
        old_failure = [item for item in made["conditions"] if item["type"] == "ReplicaFailure"]
        kept = conditions.updated(
            kept + old_failure, "ReplicaFailure", "True", failure["reason"], failure["message"], update_time=True
        )
    return made | {"conditions": kept}


def _progress(deployment: Object, made: Object, new: Object | None, now: dt.datetime) -> tuple[str, str, str] | None:
    name = deployment["metadata"]["name"]
    subject = f'ReplicaSet "{new["metadata"]["name"]}"' if new else f'Deployment "{name}"'
    if rollout.complete(deployment, made):
        return "True", "NewReplicaSetAvailable", f"{subject} has successfully progressed."
    if rollout.progressing(deployment.get("status") or {}, made):
        return "True", "ReplicaSetUpdated", f"{subject} is progressing."
    if timed_out(deployment, made, now):
        return "False", "ProgressDeadlineExceeded", f"{subject} has timed out progressing."
    return None


def _set(known: list[Object], status_: str, reason: str, message: str) -> list[Object]:
    old = conditions.get(known, "Progressing")
    if reason == "ReplicaSetUpdated" and old is not None:
        # progress is progress even where the words are the same: the deadline counts from the last of it
        known = [item | {"message": ""} if item["type"] == "Progressing" else item for item in known]
    return conditions.updated(known, "Progressing", status_, reason, message, update_time=True)


def deadline(deployment: Object) -> int | None:
    """Seconds without progress after which a rollout counts as failed; None for no such limit."""
    seconds: int | None = deployment["spec"].get("progressDeadlineSeconds")
    return None if seconds is None or seconds >= 2**31 - 1 else seconds


def timed_out(deployment: Object, made: Object, now: dt.datetime) -> bool:
    """Whether the last progress is longer ago than the deadline."""
    current, limit = conditions.get(made["conditions"], "Progressing"), deadline(deployment)
    if current is None or limit is None or current.get("reason") == "NewReplicaSetAvailable":
        return False
    if current.get("reason") == "ProgressDeadlineExceeded":
        return True
    if deployment["spec"].get("paused"):
        return False
    since = times.since(current.get("lastUpdateTime"), now)
    return since is not None and since.total_seconds() >= limit


def paused_condition(deployment: Object) -> list[Object] | None:
    """The conditions after a pause or a resumption, which start the deadline anew; None if nothing changed."""
    if deadline(deployment) is None:
        return None
    known = (deployment.get("status") or {}).get("conditions") or []
    current = conditions.get(known, "Progressing")
    if current is not None and current.get("reason") == "ProgressDeadlineExceeded":
        return None
    paused = bool(deployment["spec"].get("paused"))
    noted = current is not None and current.get("reason") == "DeploymentPaused"
    if paused == noted:
        return None
    reason, message = (
        ("DeploymentPaused", "Deployment is paused") if paused else ("DeploymentResumed", "Deployment is resumed")
    )
    return conditions.updated(known, "Progressing", "Unknown", reason, message, update_time=True)
