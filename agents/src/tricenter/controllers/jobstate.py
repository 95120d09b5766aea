"""The decisions of a Job: which ended pods count, whether it is over, how many pods it should have.

Upstream's rules (pkg/controller/job, KEP-2307). An ended pod is counted exactly once although controllers crash: its
uid is first noted in the status, then its finalizer is taken off, then it moves from the notes into the count.
"""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
from collections.abc import Collection
from typing import Any

from tricenter.apimachinery import times
from tricenter.controllers import conditions, jobindexes, podfailures, podstate

Object = dict[str, Any]

FINALIZER = "batch.kubernetes.io/job-tracking"
COMPLETE, FAILED, SUSPENDED = "Complete", "Failed", "Suspended"
_TARGETS = {COMPLETE: "SuccessCriteriaMet", FAILED: "FailureTarget"}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a Job ends: the condition, its reason and its message."""

    kind: str
    reason: str
    message: str


@dataclasses.dataclass
class Ledger:
    """A status on its way, and the pods that it has taken in."""

    status: Object
    release: list[Object] = dataclasses.field(default_factory=list)
    """Pods whose finalizer may go once the status is stored."""
    outcome: Outcome | None = None
    """Set when a pod's failure ends the Job."""
    failed: list[Object] = dataclasses.field(default_factory=list)
    succeeded: list[Object] = dataclasses.field(default_factory=list)
    """Pods that were noted for the first time."""


# --- questions ---


def condition(job: Object, kind: str) -> Object | None:
    """The condition of type `kind` if it holds."""
    found = conditions.get((job.get("status") or {}).get("conditions") or [], kind)
    return found if found is not None and found["status"] == "True" else None


def finished(job: Object) -> Object | None:
    """The condition that says that the Job is over."""
    return condition(job, COMPLETE) or condition(job, FAILED)


def suspended(job: Object) -> bool:
    """Whether it shall have no pods for now."""
    return bool(job["spec"].get("suspend"))


def indexed(job: Object) -> bool:
    """Whether each completion has a number."""
    return bool(job["spec"].get("completionMode") == "Indexed")


def tracked(pod: Object) -> bool:
    """Whether a pod is still to be counted."""
    return FINALIZER in (pod["metadata"].get("finalizers") or ())


def waits_for_end(job: Object) -> bool:
    """Whether a pod is replaced only when it has ended, not already when it is being deleted."""
    return bool(job["spec"].get("podReplacementPolicy") == "Failed")


def _has_failed(job: Object, pod: Object) -> bool:
    if podstate.phase(pod) == "Failed":
        return True
    return podstate.terminating(pod) and podstate.phase(pod) != "Succeeded" and not waits_for_end(job)


def completed(job: Object, status: Object) -> set[int]:
    """The indexes that are done."""
    return jobindexes.parse(status.get("completedIndexes"), job["spec"].get("completions") or 0)


def failed_indexes(job: Object, pods: list[Object], status: Object) -> set[int]:
    """The indexes that have failed more often than they may."""
    limit, completions = job["spec"].get("backoffLimitPerIndex"), job["spec"].get("completions") or 0
    if limit is None:
        return set()
    ended = [pod for pod in pods if _has_failed(job, pod)]
    found = {index for index, count in jobindexes.failures(ended, completions).items() if count > limit}
    for pod in ended:
        index = jobindexes.of(pod, completions)
        if index is not None and podfailures.action(job, pod)[0] == podfailures.FAIL_INDEX:
            found.add(index)
    return (found | jobindexes.parse(status.get("failedIndexes"), completions)) - completed(job, status)


# --- counting ---


def noted(job: Object, pods: list[Object], gone: Collection[str] = ()) -> Ledger:
    """Take ended pods into the status: as indexes, or as uids until their finalizers are gone.

    `gone` are the uids of pods whose finalizer was taken off although an older copy may still show it.
    """
    status = copy.deepcopy(job.get("status") or {})
    ledger = Ledger(status)
    waiting = {pod["metadata"]["uid"]: pod for pod in pods if tracked(pod) and pod["metadata"]["uid"] not in gone}
    done = completed(job, status)
    uids = _settle(status, set(waiting))
    for uid, pod in waiting.items():
        if uid in uids["succeeded"] or uid in uids["failed"]:
            ledger.release.append(pod)
        elif podstate.phase(pod) == "Succeeded":
            ledger.release.append(pod)
            ledger.succeeded.append(pod)
            if not indexed(job):
                uids["succeeded"].append(uid)
            elif (index := jobindexes.of(pod, job["spec"]["completions"])) is not None:
                done.add(index)
        elif _has_failed(job, pod):
            _note_failure(job, pod, uids["failed"], ledger)
    if indexed(job):
        status["completedIndexes"], status["succeeded"] = jobindexes.show(done), len(done)
        if job["spec"].get("backoffLimitPerIndex") is not None:
            status["failedIndexes"] = jobindexes.show(failed_indexes(job, pods, status))
    status["uncountedTerminatedPods"] = {key: found for key, found in uids.items() if found}
    return ledger


def _note_failure(job: Object, pod: Object, uids: list[str], ledger: Ledger) -> None:
    ledger.release.append(pod)
    what, why = podfailures.action(job, pod)
    if what == podfailures.IGNORE:
        return
    uids.append(pod["metadata"]["uid"])
    ledger.failed.append(pod)
    if what == podfailures.FAIL_JOB and ledger.outcome is None:
        ledger.outcome = Outcome(FAILED, "PodFailurePolicy", why)


def _settle(status: Object, waiting: set[str]) -> dict[str, list[str]]:
    """Move the notes of pods that need no finalizer any more into the counts; the notes that remain."""
    notes = status.get("uncountedTerminatedPods") or {}
    kept: dict[str, list[str]] = {}
    for key in ("succeeded", "failed"):
        kept[key] = [uid for uid in notes.get(key) or () if uid in waiting]
        status[key] = (status.get(key) or 0) + len(notes.get(key) or ()) - len(kept[key])
    return kept


def released(job: Object, status: Object) -> Object:
    """The status when all finalizers of what was noted are gone."""
    done = copy.deepcopy(status)
    indexes = done.get("succeeded")
    _settle(done, set())
    if indexed(job):
        done["succeeded"] = indexes
    done["uncountedTerminatedPods"] = {}
    return done


# --- the end ---


def outcome(job: Object, ledger: Ledger, pods: list[Object], now: dt.datetime) -> Outcome | None:
    """How the Job ends, None while it goes on. `ledger` has taken in the pods."""
    status = ledger.status
    for kind, target in _TARGETS.items():
        found = condition({"status": status}, target)
        if found is not None:
            return Outcome(kind, found.get("reason", ""), found.get("message", ""))
    return ledger.outcome or _failure(job, status, pods, now) or _success(job, status, pods)


def _failure(job: Object, status: Object, pods: list[Object], now: dt.datetime) -> Outcome | None:
    spec = job["spec"]
    failures = (status.get("failed") or 0) + len(status["uncountedTerminatedPods"].get("failed", ()))
    limit = spec.get("backoffLimit", 6)
    if failures > limit or _restarted_too_often(job, pods, limit):
        return Outcome(FAILED, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    left = deadline_in(job, status, now)
    if left is not None and left <= 0:
        return Outcome(FAILED, "DeadlineExceeded", "Job was active longer than specified deadline")
    lost = failed_indexes(job, pods, status)
    if spec.get("maxFailedIndexes") is not None and len(lost) > spec["maxFailedIndexes"]:
        text = "Job has exceeded the specified maximal number of failed indexes"
        return Outcome(FAILED, "MaxFailedIndexesExceeded", text)
    if lost and len(lost | completed(job, status)) >= spec.get("completions", 0):
        return Outcome(FAILED, "FailedIndexes", "Job has failed indexes")
    return None


def _restarted_too_often(job: Object, pods: list[Object], limit: int) -> bool:
    """Pods that restart their containers themselves count each restart as a failure."""
    if job["spec"]["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    restarts = 0
    for pod in pods:
        if podstate.phase(pod) in {"Running", "Pending"}:
            status = pod.get("status") or {}
            every = (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ()))
            restarts += sum(int(item.get("restartCount") or 0) for item in every)
    return restarts > 0 if limit == 0 else restarts >= limit


def deadline_in(job: Object, status: Object, now: dt.datetime) -> float | None:
    """Seconds until the Job has run for too long; None for no deadline."""
    limit = job["spec"].get("activeDeadlineSeconds")
    since = times.since(status.get("startTime"), now)
    return None if limit is None or since is None or suspended(job) else float(limit - since.total_seconds())


def _success(job: Object, status: Object, pods: list[Object]) -> Outcome | None:
    wanted, done = job["spec"].get("completions"), succeeded(status, job)
    for number, rule in enumerate((job["spec"].get("successPolicy") or {}).get("rules") or ()):
        if _enough(rule, completed(job, status), wanted or 0):
            return Outcome(COMPLETE, "SuccessPolicy", f"Matched rules at index {number}")
    active = any(podstate.active(pod) for pod in pods)
    if not active and (done > 0 if wanted is None else done >= wanted):
        return Outcome(COMPLETE, "CompletionsReached", "Reached expected number of succeeded pods")
    return None


def _enough(rule: Object, done: set[int], completions: int) -> bool:
    pieces = list(jobindexes.ranges(rule.get("succeededIndexes"), completions))
    counted = jobindexes.among(done, pieces) if rule.get("succeededIndexes") else len(done)
    if rule.get("succeededCount") is not None:
        return counted >= int(rule["succeededCount"])
    return bool(rule.get("succeededIndexes")) and counted == sum(map(len, pieces))


def succeeded(status: Object, job: Object) -> int:
    """Completions so far."""
    if indexed(job):
        return len(completed(job, status))
    return int(status.get("succeeded") or 0) + len(status["uncountedTerminatedPods"].get("succeeded", ()))


def with_target(status: Object, found: Outcome | None) -> Object:
    """The status with the condition that announces the end."""
    if found is None:
        return status
    known = status.get("conditions") or []
    return status | {"conditions": _held(known, _TARGETS[found.kind], found.reason, found.message)}


def with_end(status: Object, found: Outcome) -> Object:
    """The status of a Job that is over."""
    made = status | {"conditions": _held(status.get("conditions") or [], found.kind, found.reason, found.message)}
    return made | ({"completionTime": times.now_rfc3339()} if found.kind == COMPLETE else {})


def _held(known: list[Object], kind: str, reason: str, message: str, value: str = "True") -> list[Object]:
    """The conditions with one set; those of Jobs also say when they were looked at."""
    found = conditions.updated(known, kind, value, reason, message)
    return [{"lastProbeTime": item["lastTransitionTime"]} | item for item in found]


def with_start(job: Object, status: Object) -> Object:
    """The status with the time from which deadlines count, and the condition of a Job that waits."""
    known = status.get("conditions") or []
    was = conditions.get(known, SUSPENDED)
    if suspended(job):
        made = {key: value for key, value in status.items() if key != "startTime"}
        return made | {"conditions": _held(known, SUSPENDED, "JobSuspended", "Job suspended")}
    if was is not None and was["status"] == "True":
        resumed = _held(known, SUSPENDED, "JobResumed", "Job resumed", "False")
        return status | {"conditions": resumed, "startTime": times.now_rfc3339()}
    return {"startTime": times.now_rfc3339()} | status


# --- how many pods ---


def wanted_pods(job: Object, status: Object, active: int) -> int:
    """How many pods should run now."""
    spec = job["spec"]
    parallelism, completions = int(spec.get("parallelism", 1)), spec.get("completions")
    if suspended(job):
        return 0
    done = succeeded(status, job)
    if completions is None:
        return min(active, parallelism) if done else parallelism
    left = int(completions) - done - len(jobindexes.parse(status.get("failedIndexes"), completions))
    return max(0, min(parallelism, left))
