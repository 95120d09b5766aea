"""Counters and histograms for paths where every microsecond counts: one dictionary look-up and one addition.

prometheus_client's own take a lock at every step; the server counts in one thread. Exposed in the same registry, under
names that need not end in `_total`, as some of upstream's do not.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

Labels = tuple[str, ...]

_SUFFIX = "_total"


class Tally(Collector):
    """A counter for each combination of labels."""

    def __init__(self, registry: CollectorRegistry, name: str, text: str, labels: Sequence[str] = ()) -> None:
        self._name = name
        self._text = text
        self._labels = tuple(labels)
        self._counts: dict[Labels, float] = {} if labels else {(): 0.0}
        registry.register(self)

    def add(self, labels: Labels = (), amount: float = 1) -> None:
        """Count."""
        self._counts[labels] = self._counts.get(labels, 0) + amount

    def collect(self) -> Iterable[Metric]:
        """The family."""
        yield counted(self._name, self._text, self._labels, self._counts.items())


def counted(name: str, text: str, labels: Sequence[str], values: Iterable[tuple[Labels, float]]) -> Metric:
    """A family of counters under the name as it is."""
    if name.endswith(_SUFFIX):
        family: Metric = CounterMetricFamily(name.removesuffix(_SUFFIX), text, labels=labels)
    else:
        # The type that the text format has for what it does not know: it would add the suffix to a counter.
        family = Metric(name, text, "unknown")
    for found, value in list(values):
        family.add_sample(name, dict(zip(labels, found, strict=True)), value)
    return family


class Cell:
    """The observations of one combination of labels."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Take in one value."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value


class Spread(Collector):
    """A histogram for each combination of labels."""

    def __init__(
        self, registry: CollectorRegistry, name: str, text: str, labels: Sequence[str], bounds: Sequence[float]
    ) -> None:
        self._name = name
        self._text = text
        self._labels = tuple(labels)
        self._bounds = tuple(map(float, bounds))
        self._cells: dict[Labels, Cell] = {}
        registry.register(self)

    def cell(self, labels: Labels) -> Cell:
        """Where observations with these labels go; whoever has many keeps it."""
        found = self._cells.get(labels)
        if found is None:
            found = self._cells[labels] = Cell(self._bounds)
        return found

    def observe(self, labels: Labels, value: float) -> None:
        """Take in one value."""
        self.cell(labels).observe(value)

    def totals(self) -> list[tuple[Labels, float]]:
        """How many observations there are, by labels."""
        return [(labels, float(sum(cell.counts))) for labels, cell in self._cells.items()]

    def collect(self) -> Iterable[Metric]:
        """The family; cells in which nothing is yet are left out."""
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        bounds = [*(f"{bound:g}" for bound in self._bounds), "+Inf"]
        for labels, cell in list(self._cells.items()):
            if any(cell.counts):
                family.add_metric(labels, list(zip(bounds, accumulate(cell.counts), strict=True)), cell.total)
        yield family
