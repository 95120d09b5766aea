"""CronJobs: what is due, how the Job is called, which Jobs are forgotten."""

from __future__ import annotations

import datetime as dt
from typing import Any

from tricenter.controllers import cronjobs

NOW = dt.datetime(2026, 1, 1, 12, 7, 30, tzinfo=dt.UTC)


def cron_job(schedule: str = "*/5 * * * *", last: str = "", **spec: Any) -> Any:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"template": {}}}
    metadata = {"name": "tick", "namespace": "n", "uid": "u", "creationTimestamp": "2026-01-01T11:58:00Z"}
    status = {"lastScheduleTime": last} if last else {}
    return {"metadata": metadata, "spec": {"schedule": schedule, "jobTemplate": template, **spec}, "status": status}


def due(made: Any) -> tuple[str, int] | None:
    found = cronjobs.due(made, NOW)
    return (found.moment.strftime("%H:%M"), found.missed) if found else None


def test_the_last_missed_time_is_due() -> None:
    assert due(cron_job()) == ("12:05", 2)
    assert due(cron_job(last="2026-01-01T12:00:00Z")) == ("12:05", 1)
    assert due(cron_job(last="2026-01-01T12:05:00Z")) is None
    assert due(cron_job("0 0 * * *")) is None, "what was before the CronJob is not missed"
    assert due(cron_job("* * * * *", last="2025-12-31T12:07:00Z")) == ("12:07", 1440)


def test_what_is_too_late_is_not_started() -> None:
    assert due(cron_job(startingDeadlineSeconds=60)) is None
    assert due(cron_job(startingDeadlineSeconds=200)) == ("12:05", 1)


def test_the_zone_counts() -> None:
    made = cron_job("0 13 * * *", timeZone="Europe/Berlin")
    assert due(made) == ("12:00", 1)
    job = cronjobs.job_for(made, dt.datetime(2026, 1, 1, 12, 0, tzinfo=dt.UTC))
    assert job["metadata"]["annotations"][cronjobs.SCHEDULED] == "2026-01-01T13:00:00+01:00"


def test_the_next_look_is_when_the_clock_strikes() -> None:
    assert cronjobs.next_in(cron_job(), NOW) == 150.1
    assert cronjobs.next_in(cron_job("@every 1h"), NOW) == 3030.1


def test_a_job_has_one_name_for_its_time() -> None:
    job = cronjobs.job_for(cron_job(), NOW)
    assert job["metadata"]["name"] == f"tick-{int(NOW.timestamp()) // 60}"
    assert (job["metadata"]["labels"], job["metadata"]["ownerReferences"][0]["kind"]) == ({"a": "b"}, "CronJob")


def job(name: str, kind: str) -> Any:
    return {"metadata": {"name": name}, "status": {"startTime": name, "conditions": [{"type": kind, "status": "True"}]}}


def test_old_jobs_are_forgotten_by_how_they_ended() -> None:
    jobs = [job("3", "Complete"), job("1", "Complete"), job("2", "Failed"), job("4", "Failed"), job("5", "Suspended")]
    limited = cron_job(successfulJobsHistoryLimit=1, failedJobsHistoryLimit=0)
    assert [item["metadata"]["name"] for item in cronjobs.surplus(limited, jobs)] == ["1", "2", "4"]
    assert cronjobs.surplus(cron_job(), jobs) == []
