"""Timestamps as the Kubernetes API writes them: RFC 3339 in UTC, whole seconds (Time) or microseconds (MicroTime)."""

import re
from datetime import UTC, datetime, timedelta

_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)


def now() -> datetime:
    """The current moment, aware, in UTC."""
    return datetime.now(UTC)


def now_rfc3339() -> str:
    """The current moment as `metav1.Time` writes it: `2026-01-02T03:04:05Z`."""
    return rfc3339(now())


def now_micro() -> str:
    """The current moment as `metav1.MicroTime` writes it: `2026-01-02T03:04:05.000006Z`."""
    return rfc3339_micro(now())


def rfc3339(moment: datetime) -> str:
    """`moment` with whole seconds, in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")[:19] + "Z"


def rfc3339_micro(moment: datetime) -> str:
    """`moment` with six digits of a second, in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"


def parse(text: str) -> datetime:
    """Read an RFC 3339 time with any offset and any number of digits of a second. Raises ValueError."""
    if _RFC3339.fullmatch(text) is None:  # Python takes other forms of ISO 8601, which clients in Go stumble over
        raise ValueError(f"time {text!r} is not as RFC 3339 writes it")
    moment = datetime.fromisoformat(text)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"time {text!r} is in no year that can be written") from error


def since(text: str | None, now: datetime) -> timedelta | None:
    """How long before `now` the time `text` was; None where there is no (valid) time."""
    if not text:
        return None
    try:
        return now - parse(text)
    except ValueError:
        return None
