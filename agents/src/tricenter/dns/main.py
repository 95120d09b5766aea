"""The dns agent's life: informers, the publisher, the anycast address and the kube-dns Service."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

from tricenter.client import Client, Informer, resources
from tricenter.dns import anycast, kube_dns, probe
from tricenter.dns.config import Config
from tricenter.dns.publisher import Publisher
from tricenter.runtime import metrics, notify, tasks

Object = dict[str, Any]

_SERVICE_NAME_LABEL = "kubernetes.io/service-name"

_log = logging.getLogger(__name__)


class Cluster:
    """The informers this agent needs, seen as `publisher.Objects`."""

    def __init__(self, api: Client) -> None:
        self.service_informer = Informer(api, resources.SERVICES)
        self.slice_informer = Informer(api, resources.ENDPOINTSLICES, label_selector=_SERVICE_NAME_LABEL)
        self.slice_informer.add_index("service", lambda item: [service_of(item)])

    def service(self, key: str) -> Object | None:
        """A Service."""
        return self.service_informer.store.get(key)

    def slices(self, key: str) -> Iterable[Object]:
        """The EndpointSlices of a Service."""
        return self.slice_informer.by_index("service", key)

    def services(self) -> Iterable[str]:
        """Keys of all Services."""
        return self.service_informer.store.keys()

    def tell(self, publisher: Publisher, kube_dns_changed: asyncio.Event) -> None:
        """Pass every event on."""

        def changed(old: Object | None, new: Object) -> None:
            # Both, because the label that names the Service may have changed.
            for item in (old, new):
                if item is not None:
                    key = service_of(item)
                    publisher.changed(key)
                    if key == kube_dns.KEY:
                        kube_dns_changed.set()

        self.service_informer.add_handler(lambda _event, old, new: changed(old, new))
        self.slice_informer.add_handler(lambda _event, old, new: changed(old, new))


def service_of(item: Object) -> str:
    """Key of the Service that an EndpointSlice belongs to, or of the Service itself."""
    metadata = item["metadata"]
    name = (metadata.get("labels") or {}).get(_SERVICE_NAME_LABEL) if "endpoints" in item else metadata["name"]
    return f"{metadata['namespace']}/{name}"


async def run(config: Config, *, stop: asyncio.Event) -> None:
    """Serve until `stop`. Knot runs on by itself: a restart of this agent is not seen by any resolver."""
    async with Client(config.api) as api, metrics.serve(config.machine_address, config.metrics_port):
        cluster = Cluster(api)
        publisher = Publisher(config, cluster)
        kube_dns_changed = asyncio.Event()
        cluster.tell(publisher, kube_dns_changed)

        async def knot_answers() -> bool:
            well = await probe.answers(config.machine_address, f"dns-version.{config.domain}")
            if not well:
                publisher.reread()
            return well

        await tasks.until(
            stop,
            cluster.service_informer.run(),
            cluster.slice_informer.run(),
            _publish_when_listed(cluster, publisher),
            anycast.keep(config.dns_address, knot_answers, interval=config.probe_seconds),
            kube_dns.keep(api, config.cluster_dns, config.dns_address, kube_dns_changed),
            notify.keep_alive(),
        )


async def _publish_when_listed(cluster: Cluster, publisher: Publisher) -> None:
    """Without the first lists the zones would be emptied, and every name be gone for a moment."""
    await asyncio.gather(cluster.service_informer.wait_synced(), cluster.slice_informer.wait_synced())
    await publisher.run(notify.ready)
