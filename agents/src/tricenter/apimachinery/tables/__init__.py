"""Server-side printing: the columns and cells of a Table, as upstream's printers make them for every built-in kind.

Cells are always those of wide output; the client hides columns whose priority is not 0.
"""

from datetime import datetime
from functools import lru_cache
from typing import Any

from tricenter.apimachinery import conversion
from tricenter.apimachinery.records import Kind
from tricenter.apimachinery.tables import (
    access,
    cluster,
    custom,
    descriptions,
    network,
    pods,
    storage,
    text,
    usage,
    workloads,
)

__all__ = ["cells", "columns", "conditions", "custom"]

_PRINTERS = {
    **pods.PRINTERS, **workloads.PRINTERS, **network.PRINTERS, **storage.PRINTERS, **cluster.PRINTERS,
    **access.PRINTERS, **usage.PRINTERS,
}  # fmt: skip
_EVENT_GROUPS = {"", "events.k8s.io"}


def _is_event(kind: Kind) -> bool:
    return kind.kind == "Event" and kind.group in _EVENT_GROUPS


def columns(kind: Kind) -> list[dict[str, Any]]:
    """`columnDefinitions`. Kinds without a printer show their name and when they were made."""
    return _builtin(kind) if kind.structural is None else custom.columns(kind.columns)


@lru_cache(maxsize=256)
def _builtin(kind: Kind) -> list[dict[str, Any]]:
    return [{**column, "description": descriptions.of(kind, column["name"])} for column in _columns(kind)]


def _columns(kind: Kind) -> list[dict[str, Any]]:
    if _is_event(kind):
        return [text.column(word) for word in cluster.EVENT_COLUMNS.split()]
    printer = _PRINTERS.get((kind.group, kind.kind))
    if printer is None:
        return [text.column("Name"), {**text.column("Created_At"), "type": "date"}]
    return printer.definitions()


def cells(kind: Kind, obj: dict[str, Any], now: datetime) -> list[Any]:
    """The cells of one object, in the order of `columns`."""
    if _is_event(kind):
        return cluster.event_cells(conversion.convert(obj, "v1"), now)
    if kind.structural is not None:
        return custom.cells(kind.columns, obj, now)
    metadata = obj["metadata"]
    printer = _PRINTERS.get((kind.group, kind.kind))
    if printer is None:
        return [metadata.get("name", ""), metadata.get("creationTimestamp", "")]
    name = storage.display_name(obj) if kind.kind == "StorageClass" else metadata.get("name", "")
    return [name, *printer.cells(obj, now)]


def conditions(kind: Kind, obj: dict[str, Any]) -> list[dict[str, str]]:
    """`conditions` of a row: finished pods are marked."""
    return pods.conditions(obj) if (kind.group, kind.kind) == ("", "Pod") else []
