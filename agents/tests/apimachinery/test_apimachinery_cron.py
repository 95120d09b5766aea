"""Cron schedules: the dialect, the next and the last time, clock changes."""

from __future__ import annotations

import datetime as dt
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricenter.apimachinery import cron


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def following(schedule: str, moment: str, zone: str = "") -> str:
    found = cron.parse(schedule).after(at(moment), cron.zone(zone))
    return found.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S") if found else "never"


@pytest.mark.parametrize(
    ("schedule", "moment", "wanted"),
    [
        ("*/15 * * * *", "2026-01-01T12:00:00", "2026-01-01 12:15:00"),
        ("5/20 * * * *", "2026-01-01T12:30:00", "2026-01-01 12:45:00"),
        ("0 9-17/4 * * MON-FRI", "2026-01-02T17:30:00", "2026-01-05 09:00:00"),
        ("@monthly", "2026-01-31T00:00:00", "2026-02-01 00:00:00"),
        ("@every 1h30m", "2026-01-01T12:00:00", "2026-01-01 13:30:00"),
        ("0 0 29 2 ?", "2026-01-01T00:00:00", "2028-02-29 00:00:00"),
        ("0 0 13 * 5", "2026-01-01T00:00:00", "2026-01-02 00:00:00"),
        ("0 0 */2 * 1", "2026-01-01T00:00:00", "2026-01-03 00:00:00"),
        ("0 0 31 4 *", "2026-01-01T00:00:00", "never"),
    ],
)
def test_the_next_time(schedule: str, moment: str, wanted: str) -> None:
    assert following(schedule, moment) == wanted


def test_times_are_of_a_zone_and_hours_that_do_not_exist_do_not_come() -> None:
    assert following("0 8 * * *", "2026-07-01T00:00:00", "Europe/Berlin") == "2026-07-01 06:00:00"
    assert following("30 2 * * *", "2026-03-28T12:00:00", "Europe/Berlin") == "2026-03-30 00:30:00"
    assert following("30 2 * * *", "2026-10-24T12:00:00", "Europe/Berlin") == "2026-10-25 00:30:00"
    assert following("30 2 * * *", "2026-10-25T00:30:00", "Europe/Berlin") == "2026-10-26 01:30:00"


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("* * * foo *", "failed to parse int from foo: foo"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("@often", "unrecognized descriptor: @often"),
        ("@every soon", 'failed to parse duration @every soon: time: invalid duration "soon"'),
        ("@every 9999999h", 'failed to parse duration @every 9999999h: time: invalid duration "9999999h"'),
        (f"{'9' * 5000} * * * *", f"failed to parse int from {'9' * 5000}: {'9' * 5000}"),
    ],
)
def test_what_is_no_schedule(schedule: str, words: str) -> None:
    with pytest.raises(cron.CronError) as caught:
        cron.parse(schedule)
    assert str(caught.value) == words


@pytest.mark.parametrize("text", ["9" * 1_000_000, f"{'9' * 400}h"])
def test_a_duration_of_many_digits_is_refused_at_once(text: str) -> None:
    started = time.thread_time()
    with pytest.raises(cron.CronError, match="failed to parse duration"):
        cron.parse(f"@every {text}")
    assert time.thread_time() - started < 60  # hours, when each way to split the digits is tried


def test_unknown_zones() -> None:
    with pytest.raises(cron.CronError, match="unknown time zone Mars/Olympus"):
        cron.zone("Mars/Olympus")


@given(
    st.sampled_from(["*/7 * * * *", "0 */5 * * *", "30 4 1,15 * *", "@every 17m", "0 0 * * 6"]),
    st.integers(0, 500_000),
)
def test_the_last_time_is_the_last_of_all_next_times(schedule: str, minutes: int) -> None:
    parsed, since = cron.parse(schedule), at("2026-01-01T00:00:00")
    now = since + dt.timedelta(minutes=minutes % 20_000)
    last, found = None, parsed.after(since, dt.UTC)
    while found is not None and found <= now:
        last, found = found, parsed.after(found, dt.UTC)
    assert parsed.latest(since, now, dt.UTC) == last
