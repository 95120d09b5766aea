"""How tables write ages, lists, selectors and the like (upstream pkg/printers and util/duration)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tricenter.apimachinery import selectors, times

Object = dict[str, Any]
NONE = "<none>"
UNSET = "<unset>"
UNKNOWN = "<unknown>"
_TYPES = {"#": "integer", "?": "boolean"}


@dataclass(frozen=True, slots=True)
class Printer:
    """How a kind is printed."""

    columns: str
    """Names after `Name`, with `_` for a space; suffix `#` integer, `?` boolean, `*` only in wide output."""
    cells: Callable[[Object, datetime], list[Any]]
    """The cells after the name."""

    def definitions(self) -> list[dict[str, Any]]:
        """`columnDefinitions` of a Table."""
        return [column(word) for word in ("Name", *self.columns.split())]


def column(word: str) -> dict[str, Any]:
    """One column definition from its short form."""
    priority = 0
    if word.endswith("*"):
        word, priority = word[:-1], 1
    kind = _TYPES.get(word[-1], "string")
    name = word.rstrip("#?").replace("_", " ")
    form = "name" if name == "Name" else ""
    return {"name": name, "type": kind, "format": form, "description": "", "priority": priority}


def human(duration: timedelta) -> str:  # noqa: PLR0911 - one return a unit reads best
    """A duration with two or three significant digits: `45s`, `2m30s`, `3h5m`, `12d`, `2y30d`."""
    seconds = int(duration.total_seconds())
    if seconds < -1:
        return "<invalid>"
    if seconds < 120:
        return f"{max(0, seconds)}s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    return _two(days // 365, "y", days % 365, "d") if days < 8 * 365 else f"{days // 365}y"


def _two(first: int, first_unit: str, second: int, second_unit: str) -> str:
    return f"{first}{first_unit}{second}{second_unit}" if second else f"{first}{first_unit}"


def since(moment: str | None, now: datetime) -> str:
    """Time passed since `moment`."""
    passed = times.since(moment, now)
    return UNKNOWN if passed is None else human(passed)


def age(obj: Object, now: datetime) -> str:
    """Time since the object was made."""
    return since(obj.get("metadata", {}).get("creationTimestamp"), now)


def spec(obj: Object) -> Object:
    """The spec, empty when there is none."""
    return obj.get("spec") or {}


def status(obj: Object) -> Object:
    """The status, empty when there is none."""
    return obj.get("status") or {}


def labels(found: Mapping[str, str] | None) -> str:
    """Labels in order of their keys."""
    return ",".join(f"{key}={value}" for key, value in sorted((found or {}).items())) or NONE


def selector(found: Mapping[str, Any] | None) -> str:
    """A label selector object as text."""
    if not found:
        return NONE
    try:
        requirements = selectors.from_object(found).requirements
    except selectors.SelectorError:
        return "<error>"
    return ",".join(str(item) for item in sorted(requirements, key=lambda item: item.key)) or NONE


def containers(template: Mapping[str, Any] | None) -> tuple[str, str]:
    """Names and images of a pod template's containers."""
    found = ((template or {}).get("spec") or {}).get("containers") or []
    return ",".join(c.get("name", "") for c in found), ",".join(c.get("image", "") for c in found)


def some(items: Iterable[str], limit: int = 3, empty: str = UNSET) -> str:
    """The first few items and how many more there are."""
    found = list(items)
    shown = ",".join(found[:limit])
    return f"{shown} + {len(found) - limit} more..." if len(found) > limit else shown or empty


def truth(value: bool | None) -> str:
    """A boolean that may be unset."""
    return UNSET if value is None else str(value)


def condition(obj: Object, kind: str) -> str | None:
    """Status of a condition, None when the object does not have it."""
    for item in status(obj).get("conditions") or ():
        if item.get("type") == kind:
            found: str | None = item.get("status")
            return found
    return None
