"""Rows of custom resources: `additionalPrinterColumns` with the JSONPath subset that CRDs allow."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from tricenter.apimachinery import fielderrors, times
from tricenter.apimachinery.tables import descriptions, text

_DESCRIBED = "Custom resource definition column (in JSONPath format): "
_DEFAULT = ({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},)
_NUMBERS = (int, float, bool)
_STEP = re.compile(
    r"""\.?(?P<name>[A-Za-z0-9_\-$/]+(?:\\.[A-Za-z0-9_\-$/]+)*)
      | \[(?P<index>-?[0-9]+)\]
      | \[(?P<slice>(?:-?[0-9]{1,9})?:(?:-?[0-9]{1,9})?)\]
      | \[(?P<all>\*)\] | \.(?P<star>\*)
      | \[(?P<q>['"])(?P<quoted>.*?)(?P=q)\]
      | \[\?\(\s*@\.(?P<field>[A-Za-z0-9_.\-]+)\s*
          (?:(?P<operator>[=!]=|[<>]=?)\s*(?:(?P<p>["'])(?P<value>.*?)(?P=p)|(?P<literal>-?[0-9.]+|true|false))\s*)?\)\]""",
    re.VERBOSE,
)


class PathError(ValueError):
    """The text is no JSONPath of the subset that printer columns may use."""


@lru_cache(maxsize=512)
def parse_path(path: str) -> tuple[tuple[str, Any], ...]:
    r"""Steps of `.status.conditions[?(@.type=="Ready")].status`; a dot in a name is escaped.

    Raises PathError.
    """
    steps: list[tuple[str, Any]] = []
    position = 0
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None or match.end() == position:
            raise PathError(f"unsupported JSONPath: {path!r}")
        found = {key: value for key, value in match.groupdict().items() if value is not None}
        if "field" in found:
            steps.append(("filter", (found["field"], found.get("operator", ""), _wanted(found))))
        elif "slice" in found:
            steps.append(("slice", slice(*(int(part) if part else None for part in found["slice"].split(":")))))
        elif "index" in found:
            steps.append(("index", found["index"]))
        elif "quoted" in found or "name" in found:
            steps.append(("name", found.get("quoted", found.get("name", "")).replace("\\.", ".")))
        else:
            steps.append(("all", "*"))
        position = match.end()
    return tuple(steps)


def find(obj: Any, path: str) -> list[Any]:
    """All values at a JSONPath."""
    found = [obj]
    for kind, argument in parse_path(path):
        found = [child for value in found for child in _step(value, kind, argument)]
    return found


def _wanted(found: Mapping[str, str]) -> Any:
    """What a filter compares with: text in quotes, else a number or a boolean."""
    literal = found.get("literal")
    if literal is None:
        return found.get("value", "")
    try:
        return json.loads(literal)
    except ValueError:
        raise PathError(f"cannot parse number {literal}") from None


def _step(value: Any, kind: str, argument: Any) -> list[Any]:
    if kind == "name":
        return [value[argument]] if isinstance(value, Mapping) and argument in value else []
    if kind == "all":
        return list(value.values()) if isinstance(value, Mapping) else list(value) if isinstance(value, list) else []
    if not isinstance(value, list):
        return []
    if kind == "slice":
        return list(value[argument])
    if kind == "index":
        index = int(argument)
        return [value[index]] if -len(value) <= index < len(value) else []
    field, operator, wanted = argument
    return [item for item in value if _passes(find(item, f".{field}"), operator, wanted)]


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge,
}  # fmt: skip


def _passes(found: list[Any], operator: str, wanted: Any) -> bool:
    """Whether an element passes a filter; one that lacks the field, or has another type there, does not."""
    if not operator or not found:
        return bool(found)
    alike = isinstance(found[0], str) if isinstance(wanted, str) else type(found[0]) in _NUMBERS
    return alike and isinstance(found[0], bool) == isinstance(wanted, bool) and _OPERATORS[operator](found[0], wanted)


def columns(printer_columns: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
    """`columnDefinitions`: the name, then the given columns, or the age where none are given."""
    name = {**text.column("Name"), "description": descriptions.metadata("name")}
    return [name, *map(_definition, printer_columns or _DEFAULT)]


def _definition(column: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": column["name"],
        "type": column.get("type", "string"),
        "format": column.get("format", ""),
        "description": column.get("description") or f"{_DESCRIBED}{column['jsonPath']}",
        "priority": column.get("priority", 0),
    }


def cells(printer_columns: Sequence[Mapping[str, Any]] | None, obj: dict[str, Any], now: datetime) -> list[Any]:
    """The row of a custom resource."""
    row = (
        _cell(_values(obj, column["jsonPath"]), column.get("type", "string"), now)
        for column in printer_columns or _DEFAULT
    )
    return [obj["metadata"].get("name", ""), *row]


def _values(obj: dict[str, Any], path: str) -> list[Any]:
    """What a column shows; a path that is none shows nothing, as the definition was accepted with it."""
    try:
        return [value for value in find(obj, path) if value is not None]
    except PathError:
        return []


def _cell(found: list[Any], kind: str, now: datetime) -> Any:
    """The first value as its column's type asks; None where there is none or it is of another type."""
    if not found:
        return None
    value = found[0]
    if kind in {"integer", "number"}:
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        return (int if kind == "integer" else float)(value) if numeric else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if kind == "date":
        return _age(value, now) if isinstance(value, str) else None
    return _string(value)


def _age(value: str, now: datetime) -> str:
    return "<invalid>" if value and times.since(value, now) is None else text.since(value, now)


def _string(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        return fielderrors.show(value)
    return str(value)
