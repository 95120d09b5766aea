"""The API server's life: read the store, serve, create what every cluster has, drain."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator

from tricenter.apiserver import assembly, connections, workers
from tricenter.apiserver.assembly import Parts
from tricenter.apiserver.bootstrap import bootstrap
from tricenter.apiserver.config import Config
from tricenter.runtime import notify, tasks, tls

log = logging.getLogger(__name__)

_BACKLOG = 1024
_PREFER_SECONDS = 10.0
_COLLECT = (20_000, 20, 50)
"""Thresholds of the garbage collector: a decoded pod is a hundred containers, and none of them is in a cycle."""


async def run(config: Config, *, stop: asyncio.Event) -> None:
    """Serve until `stop` is set."""
    gc.set_threshold(*_COLLECT)
    parts = assembly.assemble(config)
    others = workers.Workers(config, run)
    try:
        async with listening(parts):
            await tasks.until(
                stop,
                parts.mirror.run(),
                parts.extensions.run(),
                parts.definitions.run(),
                parts.registration.run(),
                parts.availability.run(),
                others.run(),
                _prefer_first(parts),
                _begin(parts),
                notify.keep_alive(parts.health.well),
            )
    finally:
        await others.stop(config.shutdown_seconds)
        await parts.services.close()
        await parts.etcd.close()
        if parts.auditor is not None:
            await asyncio.to_thread(parts.auditor.sink.close)


async def _begin(parts: Parts) -> None:
    """Announce readiness once the caches are filled and the bootstrap objects exist."""
    await parts.mirror.synced.wait()
    await bootstrap.run(parts)
    await parts.extensions.started()
    parts.health.bootstrapped.set()
    # What has been loaded stays: no collection is to look at it again.
    gc.collect()
    gc.freeze()
    notify.ready()
    notify.status(f"serving {sum(len(cache.entries) for cache in parts.resources.caches())} objects")
    log.info("ready")
    await bootstrap.keep(parts)


async def _prefer_first(parts: Parts) -> None:
    """Return to the local etcd member when it is back."""
    while True:
        await asyncio.sleep(_PREFER_SECONDS)
        await parts.etcd.prefer_first()


@contextlib.asynccontextmanager
async def listening(parts: Parts) -> AsyncIterator[None]:
    """Accept connections while the context is open, then end watches and drain."""
    config = parts.config
    context = tls.server_context(config.cert, config.key, config.client_ca, require_client=False)
    server = connections.Server(parts.server.handle)
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(
        server, config.listen, config.port, ssl=context, backlog=_BACKLOG, reuse_port=True, ssl_handshake_timeout=10
    )
    log.info("listening on %s:%d", config.listen, config.port)
    try:
        yield
    finally:
        parts.health.stopping = True
        listener.close()
        parts.watching.end_all()
        await server.shutdown(config.shutdown_seconds)
