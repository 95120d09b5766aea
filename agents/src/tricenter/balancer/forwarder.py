"""Every director's work: keepalived does what Services, Nodes and the configuration ask for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, Protocol

from tricenter.balancer import announcements, commands, desired, model, rendering
from tricenter.balancer.config import Config
from tricenter.balancer.keepalived import Keepalived, read, write

_log = logging.getLogger(__name__)


class Source(Protocol):
    """A collection kept in memory, as client.Informer."""

    store: dict[str, dict[str, Any]]

    @property
    def synced(self) -> bool:
        """Whether the collection was read."""


class Forwarder:
    """Level-triggered: any change leads to one look at everything."""

    def __init__(self, config: Config, services: Source, nodes: Source, applied: Callable[[], None]) -> None:
        self._config = config
        self._services = services
        self._nodes = nodes
        self._applied = applied
        self._keepalived = Keepalived(config.keepalived_config, config.keepalived_unit, config.loaded)
        self._changed = asyncio.Event()
        self._changed.set()

    def changed(self, _event: str, old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> None:
        """Handler of informers. A node's heartbeat changes nothing that matters here, and comes every few seconds."""
        if old is None or _relevant(old) != _relevant(new) or _event == "DELETED":
            self._changed.set()

    async def run(self) -> NoReturn:
        """Follow changes for ever."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(self._config.settle_seconds)
            self._changed.clear()
            try:
                await self._apply()
            except (commands.CommandError, OSError) as error:
                _log.error("cannot apply, trying again in %.0f s: %s", self._config.retry_seconds, error)
                await asyncio.sleep(self._config.retry_seconds)
                self._changed.set()
            else:
                self._applied()

    async def _apply(self) -> None:
        config = self._config
        servers = model.arranged([*desired.ingress_servers(config), *self._of_services()])
        text = rendering.render(config.director_name, config.announce_command, servers)
        if await self._keepalived.apply(text):
            _log.info("forwarding %d ports of public addresses", len(servers))
        await announcements.clean(config.announce_command, config.announced, servers, config.vip_cidrs)

    def _of_services(self) -> tuple[model.VirtualServer, ...]:
        """From the API, or, before it was reached, what was known when it last was."""
        if not (self._services.synced and self._nodes.synced):
            return self._remembered()
        servers = desired.service_servers(self._config, self._services.store.values(), self._nodes.store.values())
        text = model.dump(servers)
        if read(self._config.memory) != text:
            write(self._config.memory, text)
        return servers

    def _remembered(self) -> tuple[model.VirtualServer, ...]:
        text = read(self._config.memory)
        if text is None:
            return ()
        try:
            return model.parse(text)
        except ValueError as error:
            _log.warning("%s is of no use: %s", self._config.memory, error)
            return ()

    def synced(self) -> None:
        """The API was read: what was remembered gives way to it."""
        self._changed.set()


def _relevant(obj: Mapping[str, Any]) -> tuple[Any, ...]:
    """What of a Service or Node decides, or is cheap to compare."""
    metadata, status = obj["metadata"], obj.get("status") or {}
    conditions = [(one.get("type"), one.get("status")) for one in status.get("conditions") or ()]
    return (
        metadata.get("labels"),
        metadata.get("annotations"),
        metadata.get("deletionTimestamp"),
        obj.get("spec"),
        conditions,
        status.get("addresses"),
        status.get("loadBalancer"),
    )
