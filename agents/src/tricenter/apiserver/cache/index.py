"""Which objects have a certain label or field: lists that ask for one value need not look at all others.

An index is made when a list first asks by its label or field, and kept up from then on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from tricenter.apiserver.cache.entry import Entry
from tricenter.apiserver.cache.history import Change

_MOST = 8
"""Labels and fields that are indexed for a resource; the one asked for longest ago goes first."""


@dataclass(frozen=True)
class Term:
    """A label or a field that must have one value."""

    name: str
    value: str
    label: bool

    @property
    def column(self) -> tuple[bool, str]:
        """What the index is by."""
        return self.label, self.name


def _value(entry: Entry, column: tuple[bool, str]) -> str | None:
    label, name = column
    return entry.labels.get(name) if label else entry.fields.get(name, "")


class Index:
    """Keys by value, for each label or field that was asked for."""

    def __init__(self) -> None:
        self._columns: dict[tuple[bool, str], dict[str | None, set[str]]] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._columns.clear()

    def find(self, term: Term, entries: Iterable[Entry]) -> Collection[str]:
        """Keys of the objects that have the value; `entries` are all there are."""
        column = self._columns.pop(term.column, None)
        if column is None:
            column = _built(term.column, entries)
            while len(self._columns) >= _MOST:
                del self._columns[next(iter(self._columns))]
        self._columns[term.column] = column
        return column.get(term.value, ())

    def apply(self, change: Change) -> None:
        """Follow one change."""
        for name, column in self._columns.items():
            if change.previous is not None:
                value = _value(change.previous, name)
                keys = column.get(value, set())
                keys.discard(change.previous.key)
                if not keys:
                    column.pop(value, None)
            if change.current is not None:
                column.setdefault(_value(change.current, name), set()).add(change.current.key)


def _built(name: tuple[bool, str], entries: Iterable[Entry]) -> dict[str | None, set[str]]:
    column: dict[str | None, set[str]] = {}
    for entry in entries:
        column.setdefault(_value(entry, name), set()).add(entry.key)
    return column
