"""Cron schedules in the dialect of upstream's parser (robfig/cron v3 `ParseStandard`): `*/5 * * * MON-FRI`, `@daily`.

Times are taken in a time zone: a local time that a clock change leaves out does not happen, one that it repeats happens
the first time.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from tricenter.apimachinery import alike, fielderrors

_MONTHS = {name: number for number, name in enumerate(
    ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1)}  # fmt: skip
_DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_BOUNDS: tuple[tuple[int, int, Mapping[str, int]], ...] = (
    (0, 59, {}), (0, 23, {}), (1, 31, {}), (1, 12, _MONTHS), (0, 6, _DAYS),
)  # fmt: skip
_MACROS = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
_DURATION = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DIGITS = 9
"""A number of a schedule has at most so many: Python refuses to read thousands of them, and none is valid."""
_LONGEST_TEXT = 128
_MOST = 2**63 // 10**9
"""Seconds that fit into a Go duration."""
_YEARS = 5
"""How far the next time is looked for: 29 February may be four years away."""


class CronError(ValueError):
    """The text is no schedule."""


@dataclass(frozen=True)
class Every:
    """A fixed distance (`@every 90s`)."""

    seconds: int

    def after(self, moment: dt.datetime, zone: dt.tzinfo) -> dt.datetime | None:  # noqa: ARG002 - as Schedule
        """The next time after `moment`."""
        return moment.replace(microsecond=0) + dt.timedelta(seconds=self.seconds)

    def latest(self, since: dt.datetime, now: dt.datetime, zone: dt.tzinfo) -> dt.datetime | None:  # noqa: ARG002
        """The last time after `since` that is not after `now`."""
        passed = int((now - since).total_seconds()) // self.seconds
        return since + dt.timedelta(seconds=passed * self.seconds) if passed > 0 else None


@dataclass(frozen=True)
class Schedule:
    """The values of each field at which the clock strikes."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    """Whether days of the month or of the week are all: then both must fit, else one is enough."""

    def after(self, moment: dt.datetime, zone: dt.tzinfo) -> dt.datetime | None:
        """The next time after `moment`, in UTC; None where there is none within five years."""
        local = moment.astimezone(zone).replace(tzinfo=None)
        for day in self._days_from(local.date()):
            for hour in sorted(self.hours):
                for minute in sorted(self.minutes):
                    found = _real(dt.datetime.combine(day, dt.time(hour, minute)), zone)
                    if found is not None and found > moment:
                        return found
        return None

    def latest(self, since: dt.datetime, now: dt.datetime, zone: dt.tzinfo) -> dt.datetime | None:
        """The last time after `since` that is not after `now`: looked for further and further back."""
        span = dt.timedelta(minutes=1)
        while True:
            start = max(since, now - span)
            found = self.after(start, zone)
            if found is not None and found <= now:
                break
            if start == since:
                return None
            span *= 2
        while (later := self.after(found, zone)) is not None and later <= now:
            found = later
        return found

    def _days_from(self, first: dt.date) -> Iterator[dt.date]:
        for offset in range(366 * _YEARS):
            day = first + dt.timedelta(days=offset)
            if day.month in self.months and self._fits(day):
                yield day

    def _fits(self, day: dt.date) -> bool:
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (of_month and of_week) if self.any_day else (of_month or of_week)


def _real(local: dt.datetime, zone: dt.tzinfo) -> dt.datetime | None:
    """A local time as a moment; None for one that a change of the clock leaves out."""
    moment = local.replace(tzinfo=zone).astimezone(dt.UTC)
    return moment if moment.astimezone(zone).replace(tzinfo=None) == local else None


@alike.remembered(1024)
def parse(text: str) -> Schedule | Every:
    """Read a schedule. Raises CronError, worded as upstream words it."""
    text = text.strip()
    if text.startswith("@every "):
        return Every(max(1, int(_duration(text.removeprefix("@every ")))))
    if text.startswith("@"):
        if text not in _MACROS:
            raise CronError(f"unrecognized descriptor: {text}")
        text = _MACROS[text]
    fields = text.split()
    if len(fields) != len(_BOUNDS):
        raise CronError(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    minutes, hours, days, months, weekdays = (
        frozenset(_field(field, *bounds)) for field, bounds in zip(fields, _BOUNDS, strict=True)
    )
    return Schedule(minutes, hours, days, months, weekdays, _open(fields[2]) or _open(fields[4]))


def _open(field: str) -> bool:
    """Whether a field of days leaves the choice to the other one."""
    return any(part.removesuffix("/1") in ("*", "?") for part in field.split(","))


def _field(field: str, low: int, high: int, names: Mapping[str, int]) -> Iterator[int]:
    for part in field.split(","):
        span, slash, step = part.partition("/")
        if "/" in step:
            raise CronError(f"too many slashes: {part}")
        first, last = _span(span, low, high, names, part)
        if slash and "-" not in span and span not in ("*", "?"):
            last = high
        every = _number(step, {}, part) if slash else 1
        if first < low:
            raise CronError(f"beginning of range ({first}) below minimum ({low}): {part}")
        if last > high:
            raise CronError(f"end of range ({last}) above maximum ({high}): {part}")
        if first > last:
            raise CronError(f"beginning of range ({first}) beyond end of range ({last}): {part}")
        if every == 0:
            raise CronError(f"step of range should be a positive number: {part}")
        yield from range(first, last + 1, every)


def _span(span: str, low: int, high: int, names: Mapping[str, int], part: str) -> tuple[int, int]:
    if span in ("*", "?"):
        return low, high
    first, dash, last = span.partition("-")
    if "-" in last:
        raise CronError(f"too many hyphens: {part}")
    begin = _number(first, names, part)
    return begin, _number(last, names, part) if dash else begin


def _number(text: str, names: Mapping[str, int], part: str) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not text.isascii() or not text.isdigit() or len(text) > _DIGITS:
        raise CronError(f"failed to parse int from {text}: {part}")
    return int(text)


def _duration(text: str) -> float:
    """Seconds of a Go duration. What is long is none: its digits may be more than a float can hold."""
    found = _DURATION.findall(text) if len(text) <= _LONGEST_TEXT else []
    total = sum(float(number) * _UNITS[unit] for number, unit in found)
    if not text or "".join(number + unit for number, unit in found) != text or total > _MOST:
        raise CronError(f"failed to parse duration @every {text}: time: invalid duration {fielderrors.show(text)}")
    return total


@lru_cache(maxsize=256)
def zone(name: str | None) -> dt.tzinfo:
    """A time zone by its name; UTC without one. Raises CronError."""
    if not name:
        return dt.UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise CronError(f"unknown time zone {name}") from None
