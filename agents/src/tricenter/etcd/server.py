"""What the agent serves: /health, /metrics, and /state for the other members' agents. mTLS by the etcd authority."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from tricenter.etcd.config import Config
from tricenter.runtime import tls

_log = logging.getLogger(__name__)


@asynccontextmanager
async def serve(config: Config, state: Callable[[], dict[str, Any]]) -> AsyncIterator[None]:
    """Answer on the machine's address while the context is open. `state` gives what /state prints."""

    async def answer_state(_request: web.Request) -> web.Response:
        return web.json_response(state())

    async def answer_health(_request: web.Request) -> web.Response:
        healthy = bool(state()["healthy"])
        return web.json_response({"healthy": healthy}, status=200 if healthy else 503)

    async def answer_metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.router.add_get("/state", answer_state)
    application.router.add_get("/health", answer_health)
    application.router.add_get("/metrics", answer_metrics)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    context = tls.server_context(config.tls.cert, config.tls.key, config.tls.ca, require_client=True)
    try:
        await web.TCPSite(runner, config.own.address, config.agent_port, ssl_context=context).start()
        _log.info("serving at %s", config.agent_url(config.own))
        yield
    finally:
        await runner.cleanup()
