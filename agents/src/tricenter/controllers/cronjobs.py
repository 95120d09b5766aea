"""CronJob: makes Jobs at their times (upstream's pkg/controller/cronjob)."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import datetime as dt
from typing import Any

from tricenter.apimachinery import cron, times
from tricenter.client import errors
from tricenter.client.events import NORMAL, WARNING, reference_to
from tricenter.client.resources import CRONJOBS, JOBS
from tricenter.controllers import jobstate, ownership, podcontrol
from tricenter.controllers.context import Context, Controller

Object = dict[str, Any]

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
_MANY = 100
_LATE_SECONDS = 0.1
"""A moment later than the clock strikes, so that it surely has."""


@dataclasses.dataclass(frozen=True)
class Due:
    """The last time at which a Job was to be made, and how many such times there were."""

    moment: dt.datetime
    missed: int


def due(cron_job: Object, now: dt.datetime) -> Due | None:
    """What is to be done now; None when all has been done. Raises cron.CronError."""
    spec, status = cron_job["spec"], cron_job.get("status") or {}
    schedule, zone = cron.parse(spec["schedule"]), cron.zone(spec.get("timeZone"))
    since = times.parse(status.get("lastScheduleTime") or cron_job["metadata"]["creationTimestamp"])
    deadline = spec.get("startingDeadlineSeconds")
    if deadline is not None:
        since = max(since, now - dt.timedelta(seconds=deadline))
    first = schedule.after(since, zone)
    if first is None or first > now:
        return None
    last = schedule.latest(since, now, zone) or first
    second = schedule.after(first, zone)
    missed = 1 if second is None else 1 + int((last - first) / (second - first))
    return Due(last, missed)


def next_in(cron_job: Object, now: dt.datetime) -> float | None:
    """Seconds until the next time. Raises cron.CronError."""
    spec, status = cron_job["spec"], cron_job.get("status") or {}
    schedule, zone = cron.parse(spec["schedule"]), cron.zone(spec.get("timeZone"))
    since = now
    if isinstance(schedule, cron.Every):  # counted from the last time, whenever that was
        start = times.parse(status.get("lastScheduleTime") or cron_job["metadata"]["creationTimestamp"])
        since = schedule.latest(start, now, zone) or start
    found = schedule.after(since, zone)
    return None if found is None else max(0.0, (found - now).total_seconds()) + _LATE_SECONDS


def job_name(cron_job: Object, moment: dt.datetime) -> str:
    """One name for each time: a Job is not made twice."""
    return f"{cron_job['metadata']['name']}-{int(moment.timestamp()) // 60}"


def job_for(cron_job: Object, moment: dt.datetime) -> Object:
    """The Job of a time."""
    template = cron_job["spec"]["jobTemplate"]
    metadata = template.get("metadata") or {}
    local = moment.astimezone(cron.zone(cron_job["spec"].get("timeZone"))).isoformat().replace("+00:00", "Z")
    return {
        "metadata": {
            "name": job_name(cron_job, moment),
            "namespace": cron_job["metadata"]["namespace"],
            "labels": dict(metadata.get("labels") or {}),
            "annotations": {**(metadata.get("annotations") or {}), SCHEDULED: local},
            "ownerReferences": [ownership.reference_to(cron_job, CRONJOBS)],
        },
        "spec": copy.deepcopy(template["spec"]),
    }


def surplus(cron_job: Object, jobs: list[Object]) -> list[Object]:
    """The oldest Jobs that are over, beyond the limits of those that succeeded and of those that failed."""
    spec, found = cron_job["spec"], []
    limits = {jobstate.COMPLETE: "successfulJobsHistoryLimit", jobstate.FAILED: "failedJobsHistoryLimit"}
    for kind, limit in limits.items():
        over = sorted((job for job in jobs if jobstate.condition(job, kind)), key=_started)
        if spec.get(limit) is not None:
            found += over[: max(0, len(over) - spec[limit])]
    return found


def _started(job: Object) -> tuple[str, str]:
    return (job.get("status") or {}).get("startTime") or "", job["metadata"]["name"]


class CronJobs(Controller):
    """Reconciles CronJobs."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._cron_jobs = self.informer(CRONJOBS)
        self._jobs = self.informer(JOBS)
        ownership.index_by_controller(self._jobs)
        owner_key = podcontrol.owner_key("CronJob")
        self.enqueue_on(self._cron_jobs)
        self.enqueue_on(self._jobs, lambda job: [key] if (key := owner_key(job)) else [])

    async def reconcile(self, key: str) -> float | None:
        cron_job = self._cron_jobs.store.get(key)
        if cron_job is None:
            return None
        cron_job = copy.deepcopy(cron_job)
        jobs = self._jobs.by_index(ownership.OWNER_INDEX, cron_job["metadata"]["uid"])
        status = cron_job.setdefault("status", {})
        before = copy.deepcopy(status)
        await self._look_at_jobs(cron_job, jobs)
        wait, failure = None, None
        if "deletionTimestamp" not in cron_job["metadata"]:
            for job in surplus(cron_job, jobs):
                # an old Job that may not go is no reason to make no new ones
                with contextlib.suppress(errors.ApiError):
                    await self._delete(cron_job, job)
            try:
                wait = await self._make(cron_job)
            except errors.ClientError as error:
                failure = error
        made = {key: value for key, value in status.items() if value}
        await self.put_status(CRONJOBS, cron_job | {"status": before}, made)
        if failure is not None:
            raise failure
        return wait

    async def _look_at_jobs(self, cron_job: Object, jobs: list[Object]) -> None:
        """Bring the list of active Jobs and the time of the last success up to date."""
        status = cron_job["status"]
        known = {job["metadata"]["uid"]: job for job in jobs}
        active = []
        for reference in status.get("active") or ():
            job = known.get(reference["uid"]) or await self._live(reference)
            if job is None:
                self._tell(cron_job, NORMAL, "MissingJob", f"Active job went missing: {reference['name']}")
            elif end := jobstate.finished(job):
                text = f"Saw completed job: {reference['name']}, condition: {end['type']}"
                self._tell(cron_job, NORMAL, "SawCompletedJob", text)
            else:
                active.append(reference)
        status["active"] = active
        ends = [
            (job.get("status") or {}).get("completionTime")
            for job in jobs
            if jobstate.condition(job, jobstate.COMPLETE)
        ]
        last = max((end for end in (*ends, status.get("lastSuccessfulTime")) if end), default=None)
        if last is not None:
            status["lastSuccessfulTime"] = last

    async def _live(self, reference: Object) -> Object | None:
        try:
            found = await self.api.get(JOBS, reference["name"], reference["namespace"])
        except errors.NotFound:
            return None
        return found if found["metadata"]["uid"] == reference["uid"] else None

    async def _make(self, cron_job: Object) -> float | None:
        """Make the Job that is due; seconds until the next one is."""
        now, spec = times.now(), cron_job["spec"]
        if spec.get("suspend"):
            return None
        try:
            found, wait = due(cron_job, now), next_in(cron_job, now)
        except cron.CronError as error:
            if "time zone" in str(error):
                self._tell(cron_job, WARNING, "UnknownTimeZone", f'invalid timeZone: "{spec.get("timeZone")}": {error}')
            else:
                text = f'unparseable schedule: "{spec["schedule"]}" : {error}'
                self._tell(cron_job, WARNING, "UnparseableSchedule", text)
            return None
        if found is None:
            if wait is None:  # a 31st of February
                text = "time difference between two schedules is less than 1 second"
                self._tell(cron_job, WARNING, "InvalidSchedule", f"invalid schedule: {spec['schedule']} : {text}")
            return wait
        if found.missed > _MANY:
            text = (
                f"too many missed start times: {found.missed}. Set or decrease .spec.startingDeadlineSeconds or "
                "check clock skew"
            )
            self._tell(cron_job, WARNING, "TooManyMissedTimes", text)
        if await self._may_start(cron_job):
            await self._start(cron_job, found.moment)
            wait = next_in(cron_job, times.now())
        return wait

    async def _may_start(self, cron_job: Object) -> bool:
        """What the concurrency policy says about Jobs that still run."""
        active, policy = cron_job["status"]["active"], cron_job["spec"].get("concurrencyPolicy")
        if policy == "Forbid" and active:
            text = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self._tell(cron_job, NORMAL, "JobAlreadyActive", text)
            return False
        if policy == "Replace":
            for reference in list(active):
                job = await self._live(reference)
                if job is not None:
                    await self._delete(cron_job, job)
        return True

    async def _start(self, cron_job: Object, moment: dt.datetime) -> None:
        wanted = job_for(cron_job, moment)
        try:
            job = await self.api.create(JOBS, wanted)
        except errors.AlreadyExists:
            job = await self.api.get(JOBS, wanted["metadata"]["name"], wanted["metadata"]["namespace"])
            owner = ownership.controller_of(job) or {}
            if owner.get("uid") != cron_job["metadata"]["uid"]:
                return
        except errors.ClientError as error:
            self._tell(cron_job, WARNING, "FailedCreate", f"Error creating job: {error}")
            raise
        else:
            self._tell(cron_job, NORMAL, "SuccessfulCreate", f"Created job {job['metadata']['name']}")
        status = cron_job["status"]
        if all(reference["uid"] != job["metadata"]["uid"] for reference in status["active"]):
            status["active"].append(reference_to(job))
        status["lastScheduleTime"] = times.rfc3339(moment)

    async def _delete(self, cron_job: Object, job: Object) -> None:
        metadata = job["metadata"]
        try:
            await self.api.delete(
                JOBS, metadata["name"], metadata["namespace"], uid=metadata["uid"], propagation="Background"
            )
        except errors.NotFound:
            return
        except errors.ClientError as error:
            self._tell(cron_job, WARNING, "FailedDelete", f"Deleted job: {error}")
            raise
        active = cron_job["status"]["active"]
        cron_job["status"]["active"] = [item for item in active if item["uid"] != metadata["uid"]]
        self._tell(cron_job, NORMAL, "SuccessfulDelete", f"Deleted job {metadata['name']}")

    def _tell(self, cron_job: Object, kind: str, reason: str, message: str) -> None:
        self.context.recorder.event(cron_job, kind, reason, message)
