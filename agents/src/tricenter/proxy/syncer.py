"""Keeps the kernel's table equal to what the API objects ask for.

Level-triggered: an event only names the Service that changed; what to do follows from the objects in the informers'
stores. Anything that goes wrong ends in replacing the whole table, which is one transaction as well.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from pyroute2.netlink.exceptions import NetlinkError

from tricenter.proxy import addresses, commands, conntrack, health, nft, state, table
from tricenter.proxy.config import Config
from tricenter.proxy.endpoints import Place
from tricenter.proxy.ledger import Ledger
from tricenter.proxy.state import NOTHING, ServiceState
from tricenter.runtime import metrics

_RETRY_SECONDS = 1.0

_log = logging.getLogger(__name__)

SYNC_SECONDS = metrics.Histogram(
    "tricenter_proxy_sync_seconds",
    "Time from taking up changes to the kernel having them",
    ["kind"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
SERVICES = metrics.Gauge("tricenter_proxy_services", "Services in the table")
FAILURES = metrics.Counter("tricenter_proxy_sync_failures_total", "Transactions that nft refused")


class Objects(Protocol):
    """The API objects as the informers know them."""

    def service(self, key: str) -> dict[str, Any] | None:
        """The Service `namespace/name`."""

    def slices(self, key: str) -> Iterable[dict[str, Any]]:
        """The EndpointSlices of a Service."""

    def services(self) -> Iterable[str]:
        """Keys of all Services."""

    def node(self) -> dict[str, Any] | None:
        """Our Node."""


class Syncer:
    """Takes notice of changes (`service_changed`, `node_changed`) and applies them (`run`)."""

    def __init__(self, config: Config, objects: Objects, on_first_sync: Callable[[], None]) -> None:
        self._config = config
        self._objects = objects
        self._on_first_sync = on_first_sync
        self._ledger = Ledger()
        self._states: dict[str, ServiceState] = {}
        self._dirty: set[str] = set()
        self._udp: set[state.UdpPort] = set()
        self._wake = asyncio.Event()
        self._replace = True
        self._synced_once = False
        self._node = table.Node()
        self._place = state.place_of(None, config.node_name)
        self.freshness = health.Freshness()
        self._health_ports = health.ServicePorts(config.machine_address, self.freshness)

    def service_changed(self, key: str) -> None:
        """A Service, or an EndpointSlice of it, is new, different or gone."""
        self._dirty.add(key)
        self._changed()

    def node_changed(self) -> None:
        """Our Node object is new or different: compare, most updates are heartbeats."""
        if self._read_node() != (self._place, self._node):
            self._replace = True
            self._changed()

    def _changed(self) -> None:
        self.freshness.waiting()
        self._wake.set()

    def _read_node(self) -> tuple[Place, table.Node]:
        node = self._objects.node()
        fixed = state.table_node(
            node, machine_address=self._config.machine_address, service_cidr=self._config.service_cidr
        )
        return state.place_of(node, self._config.node_name), fixed

    async def run(self) -> None:
        """Apply changes until cancelled. The informers must have their first list."""
        self._wake.set()
        try:
            while True:
                await self._next_change()
                self._wake.clear()
                try:
                    await self._sync()
                except (nft.NftError, NetlinkError, OSError) as error:
                    FAILURES.inc()
                    _log.error("the kernel refused, the whole table is written again: %s", error)
                    self._replace = True
                    await asyncio.sleep(_RETRY_SECONDS)
                    self._wake.set()
        finally:
            await self._health_ports.close()

    async def _next_change(self) -> None:
        """Wait for a change, but look from time to time whether the table is still there."""
        try:
            async with asyncio.timeout(self._config.check_seconds):
                await self._wake.wait()
            await asyncio.sleep(self._config.settle_seconds)
        except TimeoutError:
            if not await nft.table_exists():
                _log.warning("the table is gone from the kernel")
                self._replace = True

    async def _sync(self) -> None:
        started = time.monotonic()
        replace, self._replace = self._replace, False
        if replace:
            self._place, self._node = self._read_node()
            self._dirty.update(self._objects.services(), self._states)
        dirty, self._dirty = self._dirty, set()
        self._udp |= self._update(dirty)
        if replace:
            await self._write_table()
        elif changes := self._ledger.changes():
            await nft.apply(changes)
        self._ledger.commit()
        if dirty or replace:
            SYNC_SECONDS.labels("table" if replace else "changes").observe(time.monotonic() - started)
            await self._follow_up()
        if not self._dirty:
            self.freshness.done()
        if not self._synced_once:
            self._synced_once = True
            self._on_first_sync()

    def _update(self, dirty: set[str]) -> set[state.UdpPort]:
        """Compute the Services named; returns the UDP ports whose flows have to be looked at."""
        udp: set[state.UdpPort] = set()
        for key in dirty:
            before = self._states.get(key, NOTHING)
            try:
                now = state.service_state(self._objects.service(key), self._objects.slices(key), self._place)
            except Exception:  # noqa: BLE001 - one Service that cannot be understood must not stop the others
                _log.exception("stays as it was until it or its EndpointSlices are mended", extra={"object": key})
                continue
            if now == NOTHING:
                self._states.pop(key, None)
            else:
                self._states[key] = now
            self._ledger.put(key, now.fragment)
            if now.udp != before.udp:
                udp.update(now.udp)
                # Of a Service that is gone no endpoint is right any more.
                udp.update(_without_endpoints(before.udp) if now == NOTHING else ())
        SERVICES.set(len(self._states))
        return udp

    async def _write_table(self) -> None:
        transaction = self._ledger.everything()
        for name, clients in (await nft.remembered_clients()).items():
            if name in self._ledger.desired.timed_sets:
                transaction.remember(name, clients)
        await nft.apply(commands.base(self._node) + transaction.commands())
        _log.info("table written: %s services, %s chains", len(self._states), len(self._ledger.desired.chains))

    async def _follow_up(self) -> None:
        """What lies beside the table. It follows the table, so that no packet comes before its rules."""
        vips = {vip for known in self._states.values() for vip in known.vips}
        await addresses.sync(addresses.wanted(vips, self._config.vip_cidrs))
        if self._udp:
            await conntrack.forget_stale(self._udp, self._config.machine_address)
            self._udp = set()
        await self._health_ports.sync(
            {
                known.health_port: health.ServiceHealth(
                    namespace=key.partition("/")[0],
                    name=key.partition("/")[2],
                    local_endpoints=known.local_endpoints,
                )
                for key, known in self._states.items()
                if known.health_port
            }
        )


def _without_endpoints(ports: Iterable[state.UdpPort]) -> list[state.UdpPort]:
    return [state.UdpPort(addresses=port.addresses, node_port=port.node_port, endpoints=frozenset()) for port in ports]
