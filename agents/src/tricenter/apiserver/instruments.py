"""Metrics of the server, under upstream's names where they exist (apiserver/pkg/endpoints/metrics)."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from tricenter.apiserver.audit.log import AuditLog
from tricenter.apiserver.requestinfo import RequestInfo
from tricenter.apiserver.resources import Resources
from tricenter.runtime import metrics

_BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2, 3, 5, 8, 15, 30, 45, 60)
_ETCD_BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 2, 5, 15, 30, 60)
_STREAMS = frozenset(("log", "exec", "attach", "portforward", "proxy"))
_READS = frozenset(("get", "list", "watch", "head"))
_VERBS = {"create": "POST", "update": "PUT", "delete": "DELETE", "deletecollection": "DELETECOLLECTION"}
_PLACE = ["group", "version", "resource", "subresource", "scope", "component"]
_KNOWN_MOST = 8192

Labels = tuple[str, ...]


class Instruments:
    """Counts requests and how long they take."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._known: dict[tuple[Labels, int], tuple[metrics.Counter, metrics.Histogram | None]] = {}
        self._operations: dict[str, metrics.Histogram] = {}
        self._inflight = {"readOnly": 0, "mutating": 0}
        ProcessCollector(registry=self.registry)
        self._requests = self._counter(
            "apiserver_request",
            "Requests answered; code 0: the client went first.",
            ["verb", "dry_run", *_PLACE, "code"],
        )
        self._seconds = metrics.Histogram(
            "apiserver_request_duration_seconds",
            "Time from a request's headers to the end of its answer; watches and streams are left out.",
            ["verb", "dry_run", *_PLACE],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._long = metrics.Gauge(
            "apiserver_longrunning_requests",
            "Watches and streams that go on.",
            ["verb", *_PLACE],
            registry=self.registry,
        )
        self._attempts = self._counter(
            "authentication_attempts", "Requests by what became of their credentials.", ["result"]
        )
        self._etcd = metrics.Histogram(
            "etcd_request_duration_seconds",
            "Time of requests to etcd, all members that were tried counted together.",
            ["operation"],
            buckets=_ETCD_BUCKETS,
            registry=self.registry,
        )
        self._etcd_errors = self._counter("etcd_request_errors", "Requests to etcd that failed.", ["operation"])
        self._succeeded, self._failed = map(self._attempts.labels, ("success", "failure"))
        self._gauge_inflight()

    def _counter(self, name: str, text: str, labels: list[str]) -> metrics.Counter:
        return metrics.Counter(name, text, labels, registry=self.registry)

    def _gauge_inflight(self) -> None:
        gauge = metrics.Gauge(
            "apiserver_current_inflight_requests", "Requests that are being answered.", ["request_kind"],
            registry=self.registry,
        )  # fmt: skip
        for kind in self._inflight:
            gauge.labels(kind).set_function(functools.partial(self._running, kind))

    def _running(self, kind: str) -> float:
        return float(self._inflight[kind])

    # --- requests ---

    def arrived(self, info: RequestInfo) -> None:
        """A request begins."""
        if is_long(info):
            self._long.labels(verb(info), *place(info)).inc()
        else:
            self._inflight["readOnly" if info.verb in _READS else "mutating"] += 1

    def left(self, info: RequestInfo, *, dry_run: bool, code: int, seconds: float) -> None:
        """A request is over; paths that nothing serves are counted together, so that labels stay few."""
        if is_long(info):
            self._long.labels(verb(info), *place(info)).dec()
        else:
            self._inflight["readOnly" if info.verb in _READS else "mutating"] -= 1
        where = place(info) if code not in (403, 404) else ("", "", "", "", "", "apiserver")
        labels = (verb(info), "All" if dry_run else "", *where)
        known = self._known.get((labels, code))
        if known is None:
            known = self._learn(labels, code, timed=bool(where[2]) and not is_long(info))
        known[0].inc()
        if known[1] is not None:
            known[1].observe(seconds)

    def _learn(self, labels: Labels, code: int, *, timed: bool) -> tuple[metrics.Counter, metrics.Histogram | None]:
        if len(self._known) >= _KNOWN_MOST:
            self._known.clear()
        made = self._requests.labels(*labels, str(code)), self._seconds.labels(*labels) if timed else None
        self._known[labels, code] = made
        return made

    def authenticated(self, *, success: bool) -> None:
        """Credentials were looked at."""
        (self._succeeded if success else self._failed).inc()

    def etcd(self, operation: str, seconds: float, *, failed: bool) -> None:
        """A request to etcd is over."""
        known = self._operations.get(operation)
        if known is None:
            known = self._operations[operation] = self._etcd.labels(operation)
        known.observe(seconds)
        if failed:
            self._etcd_errors.labels(operation).inc()

    # --- what is read when it is asked for ---

    def watch_audit(self, sink: AuditLog) -> None:
        """Count the audit events that are lost."""
        lost = metrics.Gauge(
            "apiserver_audit_error_total", "Audit events that could not be written.", registry=self.registry
        )
        lost.set_function(lambda: float(sink.dropped))

    def watch_resources(self, resources: Resources, version: dict[str, str]) -> None:
        """Show the number of objects and of watchers, and what is running."""
        self.registry.register(_Contents(resources, version))

    def page(self) -> tuple[str, bytes]:
        """The exposition: content type and text."""
        return CONTENT_TYPE_LATEST, generate_latest(self.registry)


class _Contents(Collector):
    def __init__(self, resources: Resources, version: dict[str, str]) -> None:
        self._resources = resources
        self._version = {name: version[key] for key, name in (
            ("major", "major"), ("minor", "minor"), ("gitVersion", "git_version"), ("platform", "platform"),
        )}  # fmt: skip

    def collect(self) -> Iterable[Any]:
        objects = GaugeMetricFamily("apiserver_storage_objects", "Objects in the store.", labels=["resource"])
        labels = ["group", "version", "kind"]
        watchers = GaugeMetricFamily("apiserver_registered_watchers", "Watches that go on.", labels=labels)
        seen = set()
        for resource in self._resources:
            if resource.cache is None or resource.cache.prefix in seen:
                continue
            seen.add(resource.cache.prefix)
            kind = resource.storage
            objects.add_metric([f"{kind.plural}.{kind.group}".rstrip(".")], len(resource.cache.entries))
            watchers.add_metric([kind.group, kind.version, kind.kind], sum(1 for _ in resource.cache.watchers()))
        build = GaugeMetricFamily("kubernetes_build_info", "What is running.", labels=list(self._version))
        build.add_metric(list(self._version.values()), 1)
        return objects, watchers, build


def is_long(info: RequestInfo) -> bool:
    """Whether a request goes on for as long as its client likes."""
    return info.verb == "watch" or info.subresource in _STREAMS


def verb(info: RequestInfo) -> str:
    """The verb as upstream's metrics name it: that of HTTP, but for reads and what goes on."""
    if info.subresource in _STREAMS and info.verb in ("get", "create"):
        return "CONNECT"
    return _VERBS.get(info.verb, info.verb.upper())


def place(info: RequestInfo) -> Labels:
    """Group, version, resource, subresource, scope and component of a request."""
    if not info.is_resource:
        return ("", "", "", "", "", "apiserver")
    scope = "resource" if info.name or info.verb == "create" else "namespace" if info.namespace else "cluster"
    return (info.group, info.version, info.resource, info.subresource, scope, "apiserver")
