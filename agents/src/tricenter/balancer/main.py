"""The balancer agent's life: two informers, one forwarder, one candidate for leadership."""

from __future__ import annotations

import asyncio

from tricenter.balancer import desired
from tricenter.balancer.allocator import Allocator
from tricenter.balancer.config import Config
from tricenter.balancer.forwarder import Forwarder
from tricenter.client import Client, Informer, resources
from tricenter.runtime import notify, tasks


async def run(config: Config, *, stop: asyncio.Event) -> None:
    """Serve until `stop`. keepalived goes on by itself: the end of this agent is not seen by any connection."""
    async with Client(config.api) as api:
        services = Informer(api, resources.SERVICES)
        # Other racks' nodes cannot be forwarded to; their heartbeats would cost more than all else here.
        rack = f"{desired.ZONE_LABEL}={config.center_name},{desired.RACK_LABEL}={config.rack_name}"
        nodes = Informer(api, resources.NODES, label_selector=rack)
        forwarder = Forwarder(config, services, nodes, notify.ready)
        allocator = Allocator(config, api, services)
        for informer in (services, nodes):
            informer.add_handler(forwarder.changed)
        await tasks.until(
            stop,
            services.run(),
            nodes.run(),
            forwarder.run(),
            allocator.run(),
            _tell_when_synced(forwarder, services, nodes),
            notify.keep_alive(),
        )


async def _tell_when_synced(forwarder: Forwarder, *informers: Informer) -> None:
    """An empty collection brings no event, and yet says that there is nothing."""
    for informer in informers:
        await informer.wait_synced()
    forwarder.synced()
    await asyncio.Event().wait()
