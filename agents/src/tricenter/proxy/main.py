"""The proxy agent's life: informers, one syncer, health and metrics."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

from tricenter.apimachinery import reachable
from tricenter.client import Client, Informer, resources
from tricenter.proxy import health, state
from tricenter.proxy.config import Config
from tricenter.proxy.syncer import Syncer
from tricenter.runtime import metrics, notify, plain_http, tasks

_log = logging.getLogger(__name__)


class Cluster:
    """The informers this agent needs, seen as `syncer.Objects`."""

    def __init__(self, api: Client, node_name: str) -> None:
        self.service_informer = Informer(api, resources.SERVICES)
        self.slice_informer = Informer(api, resources.ENDPOINTSLICES, label_selector=state.SERVICE_NAME_LABEL)
        self.node_informer = Informer(api, resources.NODES, field_selector=f"metadata.name={node_name}")
        self.slice_informer.add_index("service", lambda item: [slice_key(item)])
        self._node_name = node_name

    def service(self, key: str) -> dict[str, Any] | None:
        """The Service `namespace/name`."""
        return self.service_informer.store.get(key)

    def slices(self, key: str) -> Iterable[dict[str, Any]]:
        """The EndpointSlices of a Service."""
        return self.slice_informer.by_index("service", key)

    def services(self) -> Iterable[str]:
        """Keys of all Services."""
        return self.service_informer.store.keys()

    def node(self) -> dict[str, Any] | None:
        """Our Node."""
        return self.node_informer.store.get(self._node_name)

    @property
    def informers(self) -> tuple[Informer, ...]:
        """All informers."""
        return (self.service_informer, self.slice_informer, self.node_informer)

    def tell(self, syncer: Syncer) -> None:
        """Pass every event on to the syncer."""
        self.service_informer.add_handler(lambda _event, old, new: syncer.service_changed(_key(new or old)))
        self.slice_informer.add_handler(lambda _event, old, new: _slice_changed(syncer, old, new))
        self.node_informer.add_handler(lambda _event, _old, _new: syncer.node_changed())


def _key(obj: dict[str, Any] | None) -> str:
    metadata = (obj or {})["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}"


def slice_key(item: dict[str, Any]) -> str:
    """Key of the Service that an EndpointSlice belongs to."""
    metadata = item["metadata"]
    return f"{metadata['namespace']}/{(metadata.get('labels') or {}).get(state.SERVICE_NAME_LABEL, '')}"


def _slice_changed(syncer: Syncer, old: dict[str, Any] | None, new: dict[str, Any] | None) -> None:
    # Both, because the label that names the Service may have changed.
    for item in (old, new):
        if item is not None:
            syncer.service_changed(slice_key(item))
    if new is not None and (old or {}).get("ports") != new.get("ports"):
        _tell_unusable_ports(new)


def _tell_unusable_ports(item: dict[str, Any]) -> None:
    for entry in item.get("ports") or []:
        if entry.get("port") is not None and not reachable.is_port(entry["port"]):
            words = "port %s of an EndpointSlice is none, nothing is sent there until its author mends it"
            _log.warning(words, entry["port"], extra={"object": f"{slice_key(item)} {item['metadata']['name']}"})


async def run(config: Config, *, stop: asyncio.Event) -> None:
    """Serve until `stop`. The rules stay in the kernel: a restart of this agent is not seen by any connection."""
    async with Client(config.api) as api:
        cluster = Cluster(api, config.node_name)
        syncer = Syncer(config, cluster, notify.ready)
        cluster.tell(syncer)
        async with (
            metrics.serve(config.machine_address, config.metrics_port),
            plain_http.serve(config.machine_address, config.health_port, health.own_page(syncer.freshness)),
        ):
            await tasks.until(
                stop,
                *(informer.run() for informer in cluster.informers),
                _sync_when_listed(cluster, syncer),
                notify.keep_alive(),
            )


async def _sync_when_listed(cluster: Cluster, syncer: Syncer) -> None:
    """Without the first lists the table would be written empty, and every Service be gone for a moment."""
    await asyncio.gather(*(informer.wait_synced() for informer in cluster.informers))
    await syncer.run()
