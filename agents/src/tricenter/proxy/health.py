"""Health over HTTP: the agent's own, and one port for each Service that asks for it (`healthCheckNodePort`).

The second tells an outside balancer which nodes have endpoints of a Service with `externalTrafficPolicy: Local`.
"""

import contextlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tricenter.runtime import plain_http

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceHealth:
    """What a health check port answers."""

    namespace: str
    name: str
    local_endpoints: int


class Freshness:
    """Whether the rules follow the API: no change has been waiting for longer than `patience` seconds."""

    def __init__(self, patience: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._waiting_since: float | None = clock()

    def waiting(self) -> None:
        """A change is to be applied."""
        if self._waiting_since is None:
            self._waiting_since = self._clock()

    def done(self) -> None:
        """All changes are applied."""
        self._waiting_since = None

    def healthy(self) -> bool:
        """The agent's health."""
        return self._waiting_since is None or self._clock() - self._waiting_since < self._patience


def own_page(freshness: Freshness) -> plain_http.Page:
    """/healthz of the agent."""

    def page(path: str) -> tuple[int, str, bytes]:
        if path not in ("/healthz", "/livez"):
            return 404, "text/plain", b"health is at /healthz\n"
        return (200, "text/plain", b"ok\n") if freshness.healthy() else (503, "text/plain", b"rules are behind\n")

    return page


class ServicePorts:
    """The health check ports that are open."""

    def __init__(self, host: str, freshness: Freshness) -> None:
        self._host = host
        self._freshness = freshness
        self._answers: dict[int, ServiceHealth] = {}
        self._open: dict[int, contextlib.AsyncExitStack] = {}

    async def sync(self, wanted: Mapping[int, ServiceHealth]) -> None:
        """Open and close ports so that exactly `wanted` are served."""
        self._answers = dict(wanted)
        for port in self._open.keys() - wanted.keys():
            await self._open.pop(port).aclose()
        for port in wanted.keys() - self._open.keys():
            stack = contextlib.AsyncExitStack()
            try:
                await stack.enter_async_context(plain_http.serve(self._host, port, self._page(port)))
            except OSError as error:
                _log.error("health check port %s of %s cannot be opened: %s", port, wanted[port].name, error)
                continue
            self._open[port] = stack

    async def close(self) -> None:
        """Close all ports."""
        await self.sync({})

    def _page(self, port: int) -> plain_http.Page:
        def page(_path: str) -> tuple[int, str, bytes]:
            answer, healthy = self._answers[port], self._freshness.healthy()
            body = {
                "service": {"namespace": answer.namespace, "name": answer.name},
                "localEndpoints": answer.local_endpoints,
                "serviceProxyHealthy": healthy,
            }
            return 200 if answer.local_endpoints and healthy else 503, "application/json", json.dumps(body).encode()

        return page
