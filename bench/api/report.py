"""Figures, and what they are held against.

The figures of upstream are quoted, not measured here: an upstream API server (1.21) with etcd, scheduler, controller
manager and the client sharing two cores of such a machine. Where a range is quoted, its better end is the reference.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

MORE, LESS = "at least", "at most"


@dataclass(frozen=True)
class Reference:
    """What upstream is quoted with, and the ratio to it that we aim for."""

    upstream: float | None
    sense: str
    aim: float
    """The figure that we aim for."""


REFERENCES = {
    "create": Reference(2700, MORE, 0.5 * 2700),
    "get": Reference(5700, MORE, 0.6 * 5700),
    "get from cache": Reference(5700, MORE, 0.6 * 5700),
    "merge patch": Reference(2000, MORE, 0.5 * 2000),
    "delete": Reference(2500, MORE, 0.5 * 2500),
    "list 10,000, consistent": Reference(670, LESS, 670 / 5),
    "list 10,000, from cache": Reference(430, LESS, 430 / 5),
    "list 1 % by label, consistent": Reference(226, LESS, 226 / 10),
    "list 1 % by node, consistent": Reference(226, LESS, 226 / 10),
    "list 1 % by label, from cache": Reference(11, LESS, 11),
    "list 1 % by node, from cache": Reference(11, LESS, 11),
    "walk 10,000 by 500": Reference(690, LESS, 690),
    "watch lag p50, 200 watchers, 100 writes/s": Reference(12, LESS, 12),
    "watch lag p99, 200 watchers, 100 writes/s": Reference(40, LESS, 40),
    "watch events, 200 watchers, flat out": Reference(62000, MORE, 62000),
    "watch lag p99, 1,000 watchers, 20 writes/s": Reference(57, LESS, 57),
    "memory idle, largest process": Reference(300, LESS, 300),
    "memory with 10,000 pods, largest process": Reference(850, LESS, 300),
    "memory while listing, largest process": Reference(3800, LESS, 320),
    "ready, empty": Reference(4, LESS, 3),
    "ready, 10,000 pods": Reference(None, LESS, 6),
}


@dataclass
class Figure:
    """One measured figure."""

    name: str
    value: float
    unit: str
    spread: tuple[float, float] | None = None
    """The least and the greatest of the repetitions whose median is the value."""
    notes: dict[str, float] = field(default_factory=dict)

    def line(self) -> str:
        """The figure in the table: value, spread, aim, and the ratio to upstream's quoted figure."""
        spread = f"{self.spread[0]:,.0f}-{self.spread[1]:,.0f}" if self.spread else ""
        row = f"{self.name:<44} {self.value:>9,.1f} {self.unit:<8} {spread:>15}"
        reference = REFERENCES.get(self.name)
        if reference is not None:
            holds = self.value >= reference.aim if reference.sense == MORE else self.value <= reference.aim
            row += f"  {reference.sense} {reference.aim:>8,.1f} {'yes' if holds else 'NO':<3}"
            row += f"  x{self.value / reference.upstream:.2f}" if reference.upstream else ""
        return row


class Report:
    """Prints each figure when it is known and keeps all for the JSON file."""

    def __init__(self) -> None:
        self.figures: list[Figure] = []
        print(f"{'figure':<44} {'median':>9} {'':<8} {'least-greatest':>15}  aim{'':<18}  to upstream's quoted")

    def add(self, figure: Figure) -> None:
        """Note and print a figure."""
        self.figures.append(figure)
        print(figure.line(), flush=True)
        if figure.notes:
            print("    " + ", ".join(f"{name} {value:,.2f}" for name, value in figure.notes.items()), flush=True)

    def save(self, path: Path) -> None:
        """Write all figures as JSON."""
        path.write_text(json.dumps([asdict(figure) for figure in self.figures], indent=1) + "\n")
