"""Metrics of the server, under upstream's names where they exist (apiserver/pkg/endpoints/metrics, filters, audit)."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from tricenter.apiserver.audit.trail import Auditor
from tricenter.apiserver.cache.resource import ResourceCache
from tricenter.apiserver.requestinfo import RequestInfo
from tricenter.apiserver.resources import Resources
from tricenter.runtime import metrics

Labels = tuple[str, ...]

_BUCKETS = (
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
)  # fmt: skip
_SIZES = tuple(1000.0 * 10**power for power in range(7))
_EVENT_SIZES = tuple(1024.0 * 2**power for power in range(8))
_STREAMS = frozenset(("log", "exec", "attach", "portforward", "proxy"))
_READS = frozenset(("get", "list", "watch", "head"))
_SIZED = frozenset(("get", "list"))
_VERBS = {"create": "POST", "update": "PUT", "delete": "DELETE", "deletecollection": "DELETECOLLECTION"}
_PLACE = ["group", "version", "resource", "subresource", "scope", "component"]
_KIND = ["group", "version", "kind"]
_FAMILIAR = frozenset(("admin", "client", "kube_proxy", "kubelet", "system:serviceaccount:kube-system:default"))
_UNSERVED = ("", "", "", "", "", "apiserver")


class Instruments:
    """Counts requests and how long they take.

    What every request meets is looked up once by its labels, which takes the library longer than to count. Upstream's
    counters without `_total` are gauges here: the library would add it.
    """

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self._inflight = {"readOnly": 0, "mutating": 0}
        ProcessCollector(registry=registry)
        self._measure_requests(registry)
        self._measure_users(registry)
        self._measure_storage(registry)
        self._gauge_inflight(registry)

    def _measure_requests(self, registry: CollectorRegistry) -> None:
        self._requests = functools.cache(
            metrics.Counter(
                "apiserver_request_total",
                "Requests answered; code 0: the client went first.",
                ["verb", "dry_run", *_PLACE, "code"],
                registry=registry,
            ).labels
        )
        self._seconds = functools.cache(
            metrics.Histogram(
                "apiserver_request_duration_seconds",
                "Time from a request's headers to the end of its answer; watches and streams are left out.",
                ["verb", "dry_run", *_PLACE],
                buckets=_BUCKETS,
                registry=registry,
            ).labels
        )
        self._sizes = functools.cache(
            metrics.Histogram(
                "apiserver_response_sizes",
                "Bytes of answers to reads.",
                ["verb", *_PLACE],
                buckets=_SIZES,
                registry=registry,
            ).labels
        )
        self._long = metrics.Gauge(
            "apiserver_longrunning_requests", "Watches and streams that go on.", ["verb", *_PLACE], registry=registry
        )
        self._deprecated = metrics.Gauge(
            "apiserver_requested_deprecated_apis",
            "Deprecated APIs that clients have asked for.",
            ["group", "version", "resource", "subresource", "removed_release"],
            registry=registry,
        )

    def _measure_users(self, registry: CollectorRegistry) -> None:
        self._attempts = functools.cache(
            metrics.Gauge(
                "authentication_attempts",
                "Requests by what became of their credentials.",
                ["result"],
                registry=registry,
            ).labels
        )
        self._users = functools.cache(
            metrics.Gauge(
                "authenticated_user_requests", "Requests by kind of user.", ["username"], registry=registry
            ).labels
        )
        self._stale = metrics.Counter(
            "serviceaccount_stale_tokens_total",
            "Requests with a token that should have been renewed.",
            registry=registry,
        )

    def _measure_storage(self, registry: CollectorRegistry) -> None:
        etcd = metrics.Histogram(
            "etcd_request_duration_seconds",
            "Time of requests to etcd, all members that were tried counted together.",
            ["operation"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self._etcd = functools.cache(etcd.labels)
        self._etcd_errors = metrics.Counter(
            "etcd_request_errors_total", "Requests to etcd that failed.", ["operation"], registry=registry
        )
        self.events = metrics.Histogram(
            "apiserver_watch_events_sizes",
            "Bytes of events sent to watches.",
            _KIND,
            buckets=_EVENT_SIZES,
            registry=registry,
        )
        registry.register(_Derived(self.events, etcd))

    def _gauge_inflight(self, registry: CollectorRegistry) -> None:
        gauge = metrics.Gauge(
            "apiserver_current_inflight_requests", "Requests that are being answered.", ["request_kind"],
            registry=registry,
        )  # fmt: skip
        for kind in self._inflight:
            gauge.labels(kind).set_function(functools.partial(self._running, kind))

    def _running(self, kind: str) -> float:
        return float(self._inflight[kind])

    # --- requests ---

    def arrived(self, info: RequestInfo) -> None:
        """A request begins."""
        if not is_long(info):
            self._inflight["readOnly" if info.verb in _READS else "mutating"] += 1

    def serves(self, info: RequestInfo) -> None:
        """A request has come to what it asks for."""
        if is_long(info):
            self._long.labels(verb(info), *place(info)).inc()

    def left(self, info: RequestInfo, *, dry_run: bool, code: int, seconds: float, served: bool) -> None:
        """A request is over; what nothing serves is counted together, so that nobody makes labels up."""
        goes_on = is_long(info)
        if not goes_on:
            self._inflight["readOnly" if info.verb in _READS else "mutating"] -= 1
        elif served:
            self._long.labels(verb(info), *place(info)).dec()
        where = place(info) if served and code not in (403, 404) else _UNSERVED
        labels = (verb(info), "All" if dry_run else "", *where)
        self._requests(*labels, str(code)).inc()
        if where[2] and not goes_on:
            self._seconds(*labels).observe(seconds)

    def answered(self, info: RequestInfo, response: web.StreamResponse) -> None:
        """The answer to a request is made; its size matters of reads that succeed."""
        if info.verb in _SIZED and info.resource and response.status < 400 and not is_long(info):
            body = response.body if isinstance(response, web.Response) else None
            size = len(body) if isinstance(body, bytes) else response.body_length
            self._sizes(verb(info), *place(info)).observe(size)

    def deprecated(self, info: RequestInfo) -> None:
        """A request asks for a version that is to go, though nobody says when."""
        self._deprecated.labels(info.group, info.version, info.resource, info.subresource, "").set(1)

    def authenticated(self, user: str, *, stale: bool) -> None:
        """Credentials were valid; stale ones only because clients may go on with them for a while."""
        self._attempts("success").inc()
        self._users(_kind_of_user(user)).inc()
        if stale:
            self._stale.inc()

    def unauthenticated(self) -> None:
        """Credentials were looked at and are none."""
        self._attempts("error").inc()

    def etcd(self, operation: str, seconds: float, *, failed: bool) -> None:
        """A request to etcd is over."""
        self._etcd(operation).observe(seconds)
        if failed:
            self._etcd_errors.labels(operation).inc()

    # --- what is read when it is asked for ---

    def watch_audit(self, auditor: Auditor) -> None:
        """Count audit events, and those that are lost."""
        self.registry.register(_Audit(auditor))

    def watch_resources(self, resources: Resources, version: dict[str, str]) -> None:
        """Show the number of objects and of watchers, and what is running."""
        self.registry.register(_Contents(resources, version))

    def page(self) -> tuple[str, bytes]:
        """The exposition: content type and text."""
        return CONTENT_TYPE_LATEST, generate_latest(self.registry)


class _Derived(Collector):
    """Counters that upstream has beside the histograms that count the same."""

    def __init__(self, events: metrics.Histogram, etcd: metrics.Histogram) -> None:
        self._events = events
        self._etcd = etcd

    def collect(self) -> Iterator[Metric]:
        yield _counter("apiserver_watch_events_total", "Events sent to watches.", _KIND, _counts(self._events))
        yield _counter("etcd_requests_total", "Requests to etcd.", ["operation"], _counts(self._etcd))


def _counts(histogram: metrics.Histogram) -> Iterator[tuple[Labels, float]]:
    for family in histogram.collect():
        for sample in family.samples:
            if sample.name.endswith("_count"):
                yield tuple(sample.labels.values()), sample.value


def _counter(name: str, text: str, labels: Sequence[str], values: Iterable[tuple[Labels, float]]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for found, value in values:
        family.add_metric(found, value)
    return family


class _Audit(Collector):
    def __init__(self, auditor: Auditor) -> None:
        self._auditor = auditor

    def collect(self) -> Iterator[Metric]:
        sink, prefix = self._auditor.sink, "apiserver_audit_"
        yield _counter(f"{prefix}event_total", "Audit events.", [], [((), sink.taken)])
        yield _counter(f"{prefix}error_total", "Audit events lost.", ["plugin"], [(("log",), sink.dropped)])
        levels = [((level.text,), count) for level, count in self._auditor.levels.items()]
        yield _counter(f"{prefix}level_total", "Requests by level of the audit policy.", ["level"], levels)
        # Events are gathered and written later, as with upstream's batching log: no request fails because of that.
        yield _counter(f"{prefix}requests_rejected_total", "Requests refused for want of auditing.", [], [((), 0)])


class _Contents(Collector):
    """What the watch caches hold, and what came into them (apiserver/pkg/storage/{cacher,etcd3}/metrics)."""

    def __init__(self, resources: Resources, version: dict[str, str]) -> None:
        self._resources = resources
        self._version = {name: version[key] for key, name in (
            ("major", "major"), ("minor", "minor"), ("gitVersion", "git_version"), ("platform", "platform"),
        )}  # fmt: skip

    def collect(self) -> Iterator[Metric]:
        caches = dict(self._caches())
        objects = GaugeMetricFamily("apiserver_storage_objects", "Objects in the store.", labels=["resource"])
        watchers = GaugeMetricFamily("apiserver_registered_watchers", "Watches that go on.", labels=_KIND)
        for (name, *kind), cache in caches.items():
            objects.add_metric([name], len(cache.entries))
            watchers.add_metric(kind, sum(1 for _ in cache.watchers()))
        yield objects
        yield watchers
        for metric, text, attribute in (
            ("apiserver_init_events_total", "Objects with which watch caches began.", "loaded"),
            ("apiserver_watch_cache_initializations_total", "Times that watch caches began.", "begun"),
            ("apiserver_storage_list_total", "Lists read from the store.", "reads"),
            ("apiserver_watch_cache_events_received_total", "Changes that the store has told of.", "received"),
            ("apiserver_watch_cache_events_dispatched_total", "Changes passed to watches.", "received"),
            ("apiserver_terminated_watchers_total", "Watches ended for want of reading.", "overrun"),
        ):
            values = [((name,), float(getattr(cache, attribute))) for (name, *_), cache in caches.items()]
            yield _counter(metric, text, ["resource"], values)
        build = GaugeMetricFamily("kubernetes_build_info", "What is running.", labels=list(self._version))
        build.add_metric(list(self._version.values()), 1)
        yield build

    def _caches(self) -> Iterator[tuple[Labels, ResourceCache]]:
        """Each cache by its resource, and the group, version and kind that are stored."""
        seen = set()
        for resource in self._resources:
            if resource.cache is None or resource.cache.prefix in seen:
                continue
            seen.add(resource.cache.prefix)
            kind = resource.storage
            yield (f"{kind.plural}.{kind.group}".rstrip("."), kind.group, kind.version, kind.kind), resource.cache


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
        return _UNSERVED
    scope = "resource" if info.name or info.verb == "create" else "namespace" if info.namespace else "cluster"
    return (info.group, info.version, info.resource, info.subresource, scope, "apiserver")


def _kind_of_user(name: str) -> str:
    """Names that upstream knows, or what they look like: labels are to stay few (filters/metrics compressUsername)."""
    if name in _FAMILIAR:
        return name
    return "email_id" if "@" in name else "other"
