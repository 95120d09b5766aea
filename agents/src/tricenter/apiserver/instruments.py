"""Metrics of the server, under upstream's names where they exist."""

from __future__ import annotations

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from tricenter.apiserver.audit.log import AuditLog
from tricenter.apiserver.requestinfo import RequestInfo
from tricenter.runtime import metrics

_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_LONG = ("watch", "connect", "proxy")
_STREAMS = ("log", "exec", "attach", "portforward", "proxy")


class Instruments:
    """Counts requests and how long they take."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ["verb", "group", "version", "resource", "subresource"]
        self._requests = metrics.Counter(
            "apiserver_request", "Requests answered.", [*labels, "code"], registry=self.registry
        )
        self._seconds = metrics.Histogram(
            "apiserver_request_duration_seconds",
            "Time from a request's headers to the end of its answer; watches and streams are left out.",
            ["verb", "resource"],
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def count(self, info: RequestInfo, code: int, seconds: float) -> None:
        """Note one answered request; paths that nothing serves are counted together, so that labels stay few."""
        if info.is_resource and code not in (403, 404):
            place = (info.group, info.version, info.resource, info.subresource)
        else:
            place = ("", "", "", "")
        self._requests.labels(info.verb, *place, str(code)).inc()
        if place[2] and info.verb not in _LONG and info.subresource not in _STREAMS:
            self._seconds.labels(info.verb, info.resource).observe(seconds)

    def watch_audit(self, sink: AuditLog) -> None:
        """Count the audit events that are lost."""
        lost = metrics.Gauge(
            "apiserver_audit_error_total", "Audit events that could not be written.", registry=self.registry
        )
        lost.set_function(lambda: float(sink.dropped))

    def page(self) -> tuple[str, bytes]:
        """The exposition: content type and text."""
        return CONTENT_TYPE_LATEST, generate_latest(self.registry)
