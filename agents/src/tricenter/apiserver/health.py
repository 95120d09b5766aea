"""/livez and /readyz, and the same checks for systemd's watchdog (KEP-1602)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from tricenter.apiserver import errors
from tricenter.apiserver.auth.user import User
from tricenter.apiserver.cache.freshness import Freshness
from tricenter.apiserver.cache.mirror import Mirror

log = logging.getLogger(__name__)

Check = Callable[[], Awaitable[str]]
"""Says what is wrong, nothing when all is well."""

_ANSWER_SECONDS = 2.0
_WEDGED_SECONDS = 300.0
"""Silence of etcd after which a restart of the server is tried: its connections may be what is wrong."""
_REMEMBER = 0.5
"""Seconds for which one answer of etcd serves all health checks."""


class Health:
    """The server's own view of itself."""

    def __init__(self, fresh: Freshness, mirror: Mirror) -> None:
        self._fresh = fresh
        self._mirror = mirror
        self._seen = 0.0
        self._began = time.monotonic()
        self.bootstrapped = asyncio.Event()
        self.stopping = False

    async def etcd(self) -> str:
        """Whether etcd answers a linearizable read."""
        if time.monotonic() - self._seen < _REMEMBER:
            return ""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._fresh.revision()
        except (errors.StatusError, TimeoutError) as error:
            return f"etcd does not answer: {error or 'timeout'}"
        self._seen = time.monotonic()
        return ""

    async def caches(self) -> str:
        """Whether the watch cache is filled."""
        return "" if self._mirror.synced.is_set() else "the watch cache is being filled"

    async def bootstrap(self) -> str:
        """Whether the objects that every cluster has exist."""
        return "" if self.bootstrapped.is_set() else "bootstrap objects are being created"

    async def shutdown(self) -> str:
        """Whether the server is not about to end."""
        return "the server is shutting down" if self.stopping else ""

    async def ping(self) -> str:
        """The event loop turns, for here is the answer."""
        return ""

    @property
    def live(self) -> Mapping[str, Check]:
        """Checks whose failure a restart may mend."""
        return {"ping": self.ping, "etcd": self.etcd}

    @property
    def ready(self) -> Mapping[str, Check]:
        """Checks without which no request should come."""
        return {
            "ping": self.ping,
            "etcd": self.etcd,
            "informer-sync": self.caches,
            "poststarthook/bootstrap": self.bootstrap,
            "shutdown": self.shutdown,
        }

    async def well(self) -> bool:
        """Whether systemd's watchdog is to be fed: this process runs, and etcd has not been silent for long.

        While etcd has no leader, a server that is ended helps nobody: its clients are refused and its caches are cold.
        """
        silent = time.monotonic() - max(self._seen, self._began)
        return not await self.etcd() or silent < _WEDGED_SECONDS

    async def livez(self, http: web.BaseRequest, _: User) -> web.StreamResponse:
        """/livez and /livez/CHECK."""
        return await _report(http, "livez", self.live)

    async def readyz(self, http: web.BaseRequest, _: User) -> web.StreamResponse:
        """/readyz, /healthz and one check of it."""
        return await _report(http, http.path.strip("/").partition("/")[0], self.ready)


async def _report(http: web.BaseRequest, name: str, checks: Mapping[str, Check]) -> web.StreamResponse:
    wanted = http.path.strip("/").partition("/")[2]
    if wanted and wanted not in checks:
        raise errors.unknown_path()
    left_out = http.query.getall("exclude", [])
    lines, failed = [], False
    for check, run in checks.items():
        if (wanted and check != wanted) or check in left_out:
            continue
        reason = await run()
        if reason:
            # Anybody may ask; what is wrong inside is for the log.
            failed = True
            log.warning("%s check %s failed: %s", name, check, reason)
        lines.append(f"[-]{check} failed: reason withheld" if reason else f"[+]{check} ok")
    unmatched = [f'"{check}"' for check in left_out if check not in checks]
    if unmatched:
        lines.append(f"warn: some health checks cannot be excluded: no matches for {', '.join(unmatched)}")
    verdict = f"{name} check failed" if failed else f"{name} check passed"
    verbose = failed or "verbose" in http.query
    text = "\n".join([*lines, verdict, ""]) if verbose else "ok"
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache, private"}
    return web.Response(text=text, status=500 if failed else 200, headers=headers)
