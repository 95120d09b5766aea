"""Metrics of request limits, under upstream's names (apiserver/pkg/util/flowcontrol/metrics)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tricenter.apiserver.flow.seats import Level
from tricenter.runtime import metrics

_BUCKETS = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15)
_GAUGES: tuple[tuple[str, str, Callable[[Level], int]], ...] = (
    ("nominal_limit_seats", "Seats of a priority level.", lambda level: level.seats),
    ("current_executing_seats", "Seats in use.", lambda level: level.in_use),
    ("current_executing_requests", "Requests that run.", lambda level: level.executing),
    ("current_inqueue_requests", "Requests that wait.", lambda level: level.waiting),
)


class FlowMetrics(Collector):
    """Counts admissions; reads the levels when asked."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.levels: Mapping[str, Level] = {}
        self._admitted: dict[tuple[str, str], tuple[metrics.Counter, metrics.Histogram]] = {}
        names = ["priority_level", "flow_schema"]
        self._dispatched = metrics.Counter(
            "apiserver_flowcontrol_dispatched_requests", "Requests that got a seat.", names, registry=registry
        )
        self._rejected = metrics.Counter(
            "apiserver_flowcontrol_rejected_requests", "Requests refused.", [*names, "reason"], registry=registry
        )
        self._waited = metrics.Histogram(
            "apiserver_flowcontrol_request_wait_duration_seconds",
            "Time from arrival to a seat.",
            [*names, "execute"],
            buckets=_BUCKETS,
            registry=registry,
        )
        registry.register(self)

    @staticmethod
    def arrived() -> float:
        """When a request came."""
        return time.perf_counter()

    def dispatched(self, level: str, schema: str, began: float) -> None:
        """A request got its seat."""
        known = self._admitted.get((level, schema))
        if known is None:
            known = self._dispatched.labels(level, schema), self._waited.labels(level, schema, "true")
            self._admitted[level, schema] = known
        known[0].inc()
        known[1].observe(time.perf_counter() - began)

    def rejected(self, level: str, schema: str, reason: str) -> None:
        """A request was refused."""
        self._rejected.labels(level, schema, reason).inc()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The state of the levels."""
        for name, text, value in _GAUGES:
            family = GaugeMetricFamily(f"apiserver_flowcontrol_{name}", text, labels=["priority_level"])
            for level in self.levels.values():
                family.add_metric([level.name], float(value(level)))
            yield family
