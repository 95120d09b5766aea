"""Serves metrics.k8s.io for `kubectl top` and autoscalers; the part of metrics-server in a cluster of upstream's.

Why here and not in an agent of its own: kubelets keep the rates themselves (`/stats/summary`), so nothing has to be
collected over time, and a figure is fetched from the nodes that are asked about, when somebody asks. That costs nothing
while nobody does, has no leader and nothing to store, and every server gives the same answer. What was fetched serves
for a few seconds, so that many who ask at once cost one round. A node that does not answer in time is left out of a
list, as metrics-server does it. Kubelets also serve `/metrics/resource`, from which a metrics-server of upstream's
lives; its APIService would take the place of this one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from tricenter.apiserver import errors
from tricenter.apiserver.cache.entry import Entry
from tricenter.apiserver.resources import Resource, Resources
from tricenter.apiserver.rest import answers, selecting, shapes
from tricenter.apiserver.rest.call import Call
from tricenter.apiserver.rest.kubelets import Kubelets, address_of
from tricenter.apiserver.rest.locations import Location
from tricenter.apiserver.rest.router import Handler, Special
from tricenter.apiserver.usage import objects

Object = dict[str, Any]

_GROUP = "metrics.k8s.io"
_FRESH_SECONDS = 5.0
_TIMEOUT = aiohttp.ClientTimeout(total=5.0, sock_connect=2.0)
_AT_ONCE = 64
"""Kubelets that are asked at the same time."""

_log = logging.getLogger(__name__)


class Metrics:
    """Answers get and list of node and pod metrics."""

    def __init__(self, resources: Resources, kubelets: Kubelets) -> None:
        self._nodes = resources["", "nodes"]
        self._pods = resources["", "pods"]
        self._kubelets = kubelets
        self._fetched: dict[str, tuple[float, asyncio.Task[Object]]] = {}
        self._limit = asyncio.Semaphore(_AT_ONCE)

    def special(self) -> dict[Special, Handler]:
        """Handlers of both resources."""
        return {
            (_GROUP, "nodes", "get", ""): self.get_node,
            (_GROUP, "nodes", "list", ""): self.list_nodes,
            (_GROUP, "pods", "get", ""): self.get_pod,
            (_GROUP, "pods", "list", ""): self.list_pods,
        }

    async def get_node(self, call: Call) -> web.StreamResponse:
        """One node."""
        return one(call, await self._of_nodes([self._nodes.objects.get("", call.info.name)]))

    async def get_pod(self, call: Call) -> web.StreamResponse:
        """One pod."""
        return one(call, await self._of_pods([self._pods.objects.get(call.info.namespace, call.info.name)]))

    async def list_nodes(self, call: Call) -> web.StreamResponse:
        """The nodes that are selected."""
        return many(call, await self._of_nodes(_selected(self._nodes, call)))

    async def list_pods(self, call: Call) -> web.StreamResponse:
        """The pods that are selected."""
        return many(call, await self._of_pods(_selected(self._pods, call)))

    async def _of_nodes(self, entries: Iterable[Entry | None]) -> list[Object]:
        found = [entry for entry in entries if entry is not None]
        summaries = await self._summaries(entry.name for entry in found)
        made = (objects.node(entry.name, entry.labels, summaries[entry.name]) for entry in found)
        return [item for item in made if item is not None]

    async def _of_pods(self, entries: Iterable[Entry | None]) -> list[Object]:
        pods = [entry.load() for entry in entries if entry is not None]
        running = [pod for pod in pods if (pod.get("status") or {}).get("phase") == "Running"]
        summaries = await self._summaries({pod["spec"]["nodeName"] for pod in running})
        made = (_pod_metrics(pod["metadata"], summaries[pod["spec"]["nodeName"]]) for pod in running)
        return [item for item in made if item is not None]

    async def _summaries(self, names: Iterable[str]) -> dict[str, Object]:
        """The summary of each node's kubelet; an empty one where it does not answer."""
        wanted = list(names)
        found = await asyncio.gather(*(asyncio.shield(self._fresh(name)) for name in wanted))
        return dict(zip(wanted, found, strict=True))

    def _fresh(self, name: str) -> asyncio.Task[Object]:
        """A fetch that is under way or was done lately, else a new one."""
        now = time.monotonic()
        known = self._fetched.get(name)
        if known is None or now - known[0] > _FRESH_SECONDS:
            self._fetched = {key: item for key, item in self._fetched.items() if now - item[0] <= _FRESH_SECONDS}
            known = self._fetched[name] = (now, asyncio.create_task(self._fetch(name)))
        return known[1]

    async def _fetch(self, name: str) -> Object:
        entry = self._nodes.objects.get("", name)
        if entry is None:
            return {}
        try:
            place = Location(*address_of(entry.load()), secure=True)
            connector = aiohttp.TCPConnector(ssl=self._kubelets.context(), force_close=True)
            async with (
                self._limit,
                aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, raise_for_status=True) as session,
                session.get(f"{place.origin}/stats/summary") as got,
            ):
                summary: Object = orjson.loads(await got.read())
                return summary
        except (aiohttp.ClientError, errors.StatusError, OSError, TimeoutError, ValueError) as error:
            _log.warning("no metrics of node %s: %s", name, error or "timeout")
            return {}


def _selected(resource: Resource, call: Call) -> list[Entry]:
    wanted = selecting.predicate(resource, call.info.namespace, call.query)
    return list(resource.objects.select(wanted))


def _pod_metrics(metadata: Object, summary: Object) -> Object | None:
    labels = metadata.get("labels") or {}
    return objects.pod(metadata["namespace"], metadata["name"], metadata["uid"], labels, summary)


def one(call: Call, found: list[Object]) -> web.Response:
    """The one object that was found, as the client wants it. Raises NotFound."""
    if not found:
        raise errors.not_found(call.target)
    wanted = shapes.include(call.query.get("includeObject", ""))
    return answers.json(shapes.one(call.resource, found[0], call.form, wanted), media=call.form.media)


def many(call: Call, found: list[Object]) -> web.Response:
    """Objects that are stored nowhere, as the client wants them."""
    form, kind = call.form, call.resource.kind
    if form.table:
        wanted = shapes.include(call.query.get("includeObject", ""))
        return answers.json(shapes.table(call.resource, found, {}, form, wanted), media=form.media)
    if form.partial:
        api = f"meta.k8s.io/{form.version}"
        items = [shapes.partial(item, form.version) for item in found]
        body = {"kind": "PartialObjectMetadataList", "apiVersion": api, "metadata": {}, "items": items}
    else:
        body = {"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": {}, "items": found}
    return answers.json(body, media=form.media)
