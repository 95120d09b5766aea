"""Prometheus metrics of an agent.

`prometheus_client` is imported here and nowhere else, so an agent without metrics does not pay for it.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from tricenter.runtime import plain_http

__all__ = ["Counter", "Gauge", "Histogram", "serve", "serve_if"]

disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types there
"""No `_created` beside each series: upstream's components have none, and they are as many again."""

_log = logging.getLogger(__name__)


@asynccontextmanager
async def serve(host: str, port: int) -> AsyncIterator[int]:
    """Answer GET /metrics at `host`:`port` while the context is open; yields the port (0 asks for a free one)."""

    def page(path: str) -> tuple[int, str, bytes]:
        if path == "/metrics":
            return 200, CONTENT_TYPE_LATEST, generate_latest(REGISTRY)
        return 404, "text/plain", b"metrics are at /metrics\n"

    async with plain_http.serve(host, port, page) as bound:
        _log.info("metrics are served at http://%s:%s/metrics", host, bound)
        yield bound


def serve_if(host: str, port: int) -> AbstractAsyncContextManager[int | None]:
    """As `serve`, for an agent whose configuration may say port 0: no metrics."""
    return serve(host, port) if port else nullcontext()
