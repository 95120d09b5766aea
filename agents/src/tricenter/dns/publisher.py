"""Keeps Knot's zones equal to the Services. An event only names the Service; the rest follows from the stores.

What Knot has is read once, so a restart of this agent changes nothing that is right already; it is read again after
anything went wrong.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from tricenter.dns import knot, records, zones
from tricenter.dns.config import Config
from tricenter.dns.ledger import Ledger
from tricenter.runtime import metrics

_RETRY_SECONDS = 1.0
_FIXED = ""
"""Owner of the records that belong to no Service."""

_log = logging.getLogger(__name__)

PUBLISH_SECONDS = metrics.Histogram("tricenter_dns_publish_seconds", "From taking up changes to Knot serving them")
RECORDS = metrics.Gauge("tricenter_dns_records", "Records of Services")
FAILURES = metrics.Counter("tricenter_dns_publish_failures_total", "Times Knot did not take changes")


class Objects(Protocol):
    """The API objects as the informers know them; keys are `namespace/name`."""

    def service(self, key: str) -> dict[str, Any] | None:
        """A Service."""

    def slices(self, key: str) -> Iterable[dict[str, Any]]:
        """The EndpointSlices of a Service."""

    def services(self) -> Iterable[str]:
        """Keys of all Services."""


class Publisher:
    """Takes notice of changes (`changed`, `reread`) and publishes them (`run`)."""

    def __init__(self, config: Config, objects: Objects) -> None:
        self._config = config
        self._objects = objects
        self._common = records.Names(domain=config.domain, ttl=config.ttl)
        self._zones = zones.all_zones(config.domain, config.reverse_zones)
        self._ledger = Ledger(self._zones)
        self._dirty: set[str] = set()
        self._read = True
        self._wake = asyncio.Event()

    def changed(self, key: str) -> None:
        """A Service, or an EndpointSlice of it, is new, different or gone."""
        self._dirty.add(key)
        self._wake.set()

    def reread(self) -> None:
        """Knot may have lost what it had."""
        self._read = True
        self._wake.set()

    async def run(self, published: Callable[[], None]) -> None:
        """Publish changes until cancelled, and say so each time. The informers must have their first list."""
        self._ledger.put(_FIXED, zones.fixed(self._common, self._zones, self._config.cluster_dns))
        self._dirty.update(self._objects.services())
        self._wake.set()
        while True:
            await self._wake.wait()
            await asyncio.sleep(self._config.settle_seconds)
            self._wake.clear()
            try:
                await self._publish()
            except knot.KnotError as error:
                FAILURES.inc()
                _log.error("Knot did not take the changes, trying again: %s", error)
                self._read = True
                await asyncio.sleep(_RETRY_SECONDS)
                self._wake.set()
            else:
                published()

    async def _publish(self) -> None:
        started = time.monotonic()
        dirty, self._dirty = self._dirty, set()
        for key in dirty:
            service, slices = self._objects.service(key), self._objects.slices(key)
            try:
                found = records.of_service(service, slices, self._common)
            except Exception:  # noqa: BLE001 - one Service that cannot be understood must not stop the others
                _log.exception("stays as it was until it or its EndpointSlices are mended", extra={"object": key})
            else:
                self._ledger.put(key, found)
        if self._read:
            self._ledger.found([record for zone in self._zones for record in await self._read_zone(zone)])
            self._read = False
        for zone, change in self._ledger.changes().items():
            soa = zones.start_of_authority(self._config.domain, zone, self._config.ttl)
            await knot.change(self._config.control_socket, zone, change, soa)
            _log.debug("%s: %s removed, %s added", zone, len(change.remove), len(change.add))
        self._ledger.commit()
        RECORDS.set(len(self._ledger))
        PUBLISH_SECONDS.observe(time.monotonic() - started)

    async def _read_zone(self, zone: str) -> frozenset[records.Record]:
        return await knot.read(self._config.control_socket, zone)
