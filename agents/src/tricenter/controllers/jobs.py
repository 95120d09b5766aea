"""Job: pods that run until enough of them have succeeded (decisions in `jobstate`)."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

from tricenter.apimachinery import selectors, times
from tricenter.client import errors
from tricenter.client.events import NORMAL, WARNING
from tricenter.client.informer import key_of
from tricenter.client.resources import JOBS, PODS
from tricenter.controllers import jobindexes, jobstate, ownership, podcontrol, podstate
from tricenter.controllers.context import Context, Controller
from tricenter.controllers.expectations import Written

Object = dict[str, Any]

BURST = 500
"""Most pods made or removed for one Job before looking again."""
_FIRST_DELAY, _LONGEST_DELAY = 10.0, 600.0
_CONTROLLER = "kubernetes.io/job-controller"
_BY_JOB = "job"
_NOT_WHEN_ZERO = ("active", "succeeded", "failed", "completedIndexes")


@dataclasses.dataclass
class _Failures:
    """Pods that failed in a row: the next one waits longer each time."""

    count: int = 0
    last: float = 0.0

    def wait(self, now: float) -> float:
        """Seconds until the next pod may be made."""
        if not self.count:
            return 0.0
        return max(0.0, self.last + min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** min(self.count - 1, 60)) - now)


class Jobs(Controller):
    """Reconciles Jobs."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._jobs = self.informer(JOBS)
        self._newest = Written(self._jobs)
        self._pods = self.informer(PODS)
        ownership.index_by_controller(self._pods)
        owner_key = podcontrol.owner_key("Job")
        self._pods.add_index(_BY_JOB, lambda pod: (key,) if (key := owner_key(pod)) else ())
        self._control = podcontrol.PodControl(context.api, context.recorder, JOBS)
        self._control.observe(self._pods, owner_key)
        self._failures: dict[str, _Failures] = {}
        self._untracked: set[str] = set()
        """Pods whose finalizer is off, which the informer does not show yet: they were counted."""
        self._pods.add_handler(self._pod_seen)
        self.enqueue_on(self._jobs)
        self.enqueue_on(self._pods, podcontrol.keys_of_pod(self._jobs, owner_key))

    async def reconcile(self, key: str) -> float | None:
        job = self._newest.get(key)
        await self._release_strays(key, job)
        if job is None:
            self._control.expectations.forget(key)
            self._failures.pop(key, None)
            return None
        if job["spec"].get("managedBy") not in (None, _CONTROLLER):
            return None
        settled = self._control.expectations.met(key)
        selector = selectors.from_object(job["spec"].get("selector"))
        pods = await ownership.claimed(self.api, job, JOBS, selector, self._pods)
        end = jobstate.finished(job)
        if end is not None:
            await self._release([pod for pod in pods if jobstate.tracked(pod)])
            return await self._expire(job, end)
        return await self._progress(key, job, pods, settled=settled)

    async def _progress(self, key: str, job: Object, pods: list[Object], *, settled: bool) -> float | None:
        now = times.now()
        ledger = jobstate.noted(job, pods, self._untracked)
        ledger.status = jobstate.with_start(job, ledger.status)
        found = jobstate.outcome(job, ledger, pods, now)
        ledger.status = jobstate.with_target(ledger.status, found)
        job = await self._write_status(job, ledger.status)
        self._remember(key, ledger)
        await self._release(ledger.release)
        made = jobstate.released(job, ledger.status)
        active = [pod for pod in pods if podstate.active(pod)]
        change, wait, failure = 0, None, None
        if settled and "deletionTimestamp" not in job["metadata"]:
            try:
                change, wait = await self._manage(key, job, made, pods, over=found is not None)
            except errors.ClientError as error:
                failure = error
        made |= _counts(pods, len(active) + change)
        if found is not None and not made["active"] and not made["terminating"]:
            made = jobstate.with_end(made, found)
            self._tell_end(job, found)
        await self._write_status(job, made)
        if failure is not None:
            raise failure
        left = jobstate.deadline_in(job, made, now) if found is None else None
        return min((seconds for seconds in (wait, left) if seconds is not None), default=None)

    # --- pods ---

    async def _manage(
        self, key: str, job: Object, status: Object, pods: list[Object], *, over: bool
    ) -> tuple[int, float | None]:
        """Make or remove pods; by how much the active ones changed, and seconds until a pod may be made."""
        now = times.now()
        active = [pod for pod in pods if podstate.active(pod)]
        wanted = 0 if over else jobstate.wanted_pods(job, status, len(active))
        surplus = _surplus(job, active, wanted, now)[:BURST]
        if surplus:
            if not over:
                await self._release(surplus)  # that they go is no failure of theirs
            await self._control.delete(key, job, surplus)
            return -len(surplus), None
        ending = [pod for pod in pods if podstate.terminating(pod) and not podstate.finished(pod)]
        missing = wanted - len(active) - (len(ending) if jobstate.waits_for_end(job) else 0)
        if missing <= 0:
            return 0, None
        wait = self._failures[key].wait(now.timestamp()) if key in self._failures else 0.0
        if wait:
            return 0, wait
        new = self._new_pods(job, status, pods, min(missing, BURST))
        if new:
            await self._control.create(key, job, len(new), lambda number: new[number])
        return len(new), None

    @staticmethod
    def _new_pods(job: Object, status: Object, pods: list[Object], count: int) -> list[Object]:
        made = []
        for _ in range(count):
            pod = podcontrol.from_template(job, JOBS, job["spec"]["template"])
            pod["metadata"]["finalizers"] = [*pod["metadata"].get("finalizers", ()), jobstate.FINALIZER]
            made.append(pod)
        if not jobstate.indexed(job):
            return made
        completions = job["spec"]["completions"]
        taken = jobstate.completed(job, status) | jobstate.failed_indexes(job, pods, status)
        held = [pod for pod in pods if podstate.active(pod) or (podstate.terminating(pod) and not podstate.finished(pod)
                and jobstate.waits_for_end(job))]  # fmt: skip
        taken |= {index for pod in held if (index := jobindexes.of(pod, completions)) is not None}
        ended = [pod for pod in pods if not podstate.active(pod)]
        before = jobindexes.failures(ended, completions) if "backoffLimitPerIndex" in job["spec"] else None
        free = jobindexes.pending(count, completions, taken)
        return [
            jobindexes.give(pod, job, index, None if before is None else before.get(index, 0))
            for pod, index in zip(made, free, strict=False)
        ]

    def _remember(self, key: str, ledger: jobstate.Ledger) -> None:
        """Count failures since the last success."""
        if ledger.succeeded:
            self._failures.pop(key, None)
        elif ledger.failed:
            known = self._failures.setdefault(key, _Failures())
            known.count += len(ledger.failed)
            known.last = times.now().timestamp()

    async def _release(self, pods: list[Object]) -> None:
        """Take the finalizers off pods that have been counted."""
        for pod in pods:
            metadata = pod["metadata"]
            rest = [item for item in metadata.get("finalizers") or () if item != jobstate.FINALIZER]
            patch = {"metadata": {"uid": metadata["uid"], "finalizers": rest or None}}
            # before the patch, for its event may be here sooner than its answer
            self._untracked.add(metadata["uid"])
            try:
                await self.api.patch(PODS, metadata["name"], patch, metadata["namespace"])
            except errors.NotFound:
                if key_of(pod) not in self._pods.store:
                    self._untracked.discard(metadata["uid"])
            except BaseException:
                self._untracked.discard(metadata["uid"])
                raise

    def _pod_seen(self, event: str, _old: Object | None, pod: Object) -> None:
        if event == "DELETED" or not jobstate.tracked(pod):
            self._untracked.discard(pod["metadata"]["uid"])

    async def _release_strays(self, key: str, job: Object | None) -> None:
        """Pods of a Job that is gone count for nobody."""
        uid = job["metadata"]["uid"] if job is not None else None
        strays = [
            pod
            for pod in self._pods.by_index(_BY_JOB, key)
            if jobstate.tracked(pod) and (ownership.controller_of(pod) or {}).get("uid") != uid
        ]
        await self._release(strays)

    # --- status and the end ---

    def _tell_end(self, job: Object, found: jobstate.Outcome) -> None:
        if found.kind == jobstate.COMPLETE:
            self.context.recorder.event(job, NORMAL, "Completed", "Job completed")
        else:
            self.context.recorder.event(job, WARNING, found.reason, found.message)

    async def _write_status(self, job: Object, made: Object) -> Object:
        made = {key: value for key, value in made.items() if value or key not in _NOT_WHEN_ZERO}
        if made == (job.get("status") or {}):
            return job
        was, now = (jobstate.condition(item, jobstate.SUSPENDED) for item in (job, {"status": made}))
        stored = await self.api.update_status(JOBS, job | {"status": made})
        self._newest.note(stored)
        if (was is None) != (now is None):
            reason = "Suspended" if now is not None else "Resumed"
            self.context.recorder.event(job, NORMAL, reason, f"Job {reason.lower()}")
        return stored

    async def _expire(self, job: Object, end: Object) -> float | None:
        """Delete a Job that has been over for its `ttlSecondsAfterFinished` (KEP-592)."""
        seconds, metadata = job["spec"].get("ttlSecondsAfterFinished"), job["metadata"]
        since = times.since(end.get("lastTransitionTime"), times.now())
        if seconds is None or since is None or "deletionTimestamp" in metadata:
            return None
        if since.total_seconds() < seconds:
            return float(seconds - since.total_seconds())
        try:
            await self.api.delete(
                JOBS, metadata["name"], metadata["namespace"], uid=metadata["uid"],
                resource_version=metadata["resourceVersion"], propagation="Foreground",
            )  # fmt: skip
        except errors.NotFound:
            return None
        return None


def _counts(pods: list[Object], active: int) -> Object:
    ending = sum(podstate.terminating(pod) and not podstate.finished(pod) for pod in pods)
    ready = sum(podstate.active(pod) and podstate.ready(pod) for pod in pods)
    return {"active": max(0, active), "ready": ready, "terminating": ending}


def _surplus(job: Object, active: list[Object], wanted: int, now: dt.datetime) -> list[Object]:
    """Active pods to remove: second ones of an index, then those whose loss hurts least."""
    extra: list[Object] = []
    if jobstate.indexed(job):
        seen: set[int | None] = {None}
        for pod in sorted(active, key=key_of):
            index = jobindexes.of(pod, job["spec"]["completions"])
            if index in seen:
                extra.append(pod)
            seen.add(index)
    rest = [pod for pod in active if pod not in extra]
    return extra + podstate.deletion_order(rest, {}, now)[: max(0, len(rest) - wanted)]
