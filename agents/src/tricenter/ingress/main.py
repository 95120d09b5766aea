"""The ingress agent's life: informers, the publisher, status and events."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

from tricenter.client import Client, Informer, errors, events, resources
from tricenter.ingress import decide
from tricenter.ingress.config import Config
from tricenter.ingress.model import Problem
from tricenter.ingress.publisher import Publisher
from tricenter.runtime import metrics, notify, tasks

Object = dict[str, Any]

_SERVICE_NAME_LABEL = "kubernetes.io/service-name"

_log = logging.getLogger(__name__)


class Cluster:
    """The informers this agent needs, seen as `publisher.Objects`."""

    def __init__(self, api: Client) -> None:
        self._ingresses = Informer(api, resources.INGRESSES)
        self._classes = Informer(api, resources.INGRESSCLASSES)
        self._services = Informer(api, resources.SERVICES)
        self._slices = Informer(api, resources.ENDPOINTSLICES, label_selector=_SERVICE_NAME_LABEL)
        self._secrets = Informer(api, resources.SECRETS, field_selector="type=kubernetes.io/tls")
        self._slices.add_index("service", _service_of)

    @property
    def informers(self) -> tuple[Informer, ...]:
        """All informers."""
        return (self._ingresses, self._classes, self._services, self._slices, self._secrets)

    def ingresses(self) -> Iterable[Object]:
        """All Ingresses."""
        return self._ingresses.store.values()

    def classes(self) -> Iterable[Object]:
        """All IngressClasses."""
        return self._classes.store.values()

    def service(self, key: str) -> Object | None:
        """A Service."""
        return self._services.store.get(key)

    def slices(self, key: str) -> Iterable[Object]:
        """The EndpointSlices of a Service."""
        return self._slices.by_index("service", key)

    def secret(self, key: str) -> Object | None:
        """A TLS Secret."""
        return self._secrets.store.get(key)


def _service_of(item: Object) -> Iterable[str]:
    name = (item["metadata"].get("labels") or {}).get(_SERVICE_NAME_LABEL)
    return [f"{item['metadata']['namespace']}/{name}"] if name else []


class StatusWriter:
    """Shows on each Ingress the addresses it is served at. All ingress nodes mean the same: the first one writes."""

    def __init__(self, api: Client, addresses: tuple[str, ...]) -> None:
        self._api = api
        self._wanted = [{"ip": address} for address in addresses]
        self._queue: asyncio.Queue[Object] = asyncio.Queue()

    def served(self, ingresses: list[Object]) -> None:
        """These Ingresses are served."""
        for ingress in ingresses:
            shown = ((ingress.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
            if [{"ip": entry.get("ip")} for entry in shown] != self._wanted:
                self._queue.put_nowait(ingress)

    async def run(self) -> None:
        """Write until cancelled. What fails is written with the next publication."""
        while True:
            ingress = await self._queue.get()
            metadata = ingress["metadata"]
            patch = {"status": {"loadBalancer": {"ingress": self._wanted}}}
            try:
                await self._api.patch(
                    resources.INGRESSES, metadata["name"], patch, metadata["namespace"], subresource="status"
                )
            except errors.ClientError as error:
                _log.warning("status not written: %s", error, extra={"object": decide.key_of(ingress)})


async def ensure_class(api: Client, config: Config) -> None:
    """Make our IngressClass unless it exists; what an operator changed in it stays."""
    annotations = {decide.DEFAULT_ANNOTATION: "true"} if config.default_class else {}
    obj = {
        "metadata": {"name": config.class_name, "annotations": annotations},
        "spec": {"controller": config.controller},
    }
    try:
        await api.create(resources.INGRESSCLASSES, obj)
    except errors.AlreadyExists:
        return
    except errors.ClientError as error:
        _log.warning("IngressClass %s not made: %s", config.class_name, error)


async def run(config: Config, *, stop: asyncio.Event) -> None:
    """Serve until `stop`. nginx runs on by itself: a restart of this agent is not seen by any request."""
    config.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with Client(config.api) as api, metrics.serve(config.machine_address, config.metrics_port):
        cluster = Cluster(api)
        status = StatusWriter(api, config.addresses)
        recorder = events.Recorder(api, "tricenter-ingress", config.host)

        def report(ingress: Object, problem: Problem) -> None:
            _log.warning("%s: %s", problem.reason, problem.message, extra={"object": problem.ingress})
            recorder.event(ingress, events.WARNING, problem.reason, problem.message)

        publisher = Publisher(config, cluster, report, status.served)
        for informer in cluster.informers:
            informer.add_handler(lambda _event, _old, _new: publisher.changed())
        await tasks.until(
            stop,
            *(informer.run() for informer in cluster.informers),
            status.run(),
            _publish_when_listed(api, config, cluster, publisher),
            notify.keep_alive(),
        )


async def _publish_when_listed(api: Client, config: Config, cluster: Cluster, publisher: Publisher) -> None:
    """Without the first lists nginx would be told that there is nothing to serve."""
    await asyncio.gather(*(informer.wait_synced() for informer in cluster.informers))
    await ensure_class(api, config)
    await publisher.run(notify.ready)
