"""Writes the EndpointSlices, and the older Endpoints object, of every Service with a selector."""

from __future__ import annotations

from typing import Any

from tricenter.apimachinery import selectors
from tricenter.client import errors
from tricenter.client.resources import ENDPOINTS, ENDPOINTSLICES, NODES, PODS, SERVICES, Resource
from tricenter.controllers import endpoints
from tricenter.controllers.context import Context, Controller, split

Object = dict[str, Any]

_NAMESPACE = "namespace"
_SERVICE = "service"
_LEADER = "control-plane.alpha.kubernetes.io/leader"
"""On Endpoints that are no Service's but somebody's lock, of the time before leases."""


class EndpointSlices(Controller):
    """Reconciles Services."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._services = self.informer(SERVICES)
        self._pods = self.informer(PODS)
        self._nodes = self.informer(NODES)
        self._slices = self.informer(ENDPOINTSLICES)
        self._endpoints = self.informer(ENDPOINTS)
        self._services.add_index(_NAMESPACE, lambda obj: [obj["metadata"]["namespace"]])
        self._pods.add_index(_NAMESPACE, lambda obj: [obj["metadata"]["namespace"]])
        self._slices.add_index(_SERVICE, _service_of_slice)
        self.enqueue_on(self._services)
        self.enqueue_on(self._slices, _service_of_slice)
        self._pods.add_handler(self._pod_changed)
        self._nodes.add_handler(self._node_changed)

    async def run(self) -> None:
        """Look first at Endpoints whose Service went while nobody looked (upstream's checkLeftoverEndpoints)."""
        for key in self._endpoints.store.keys() - self._services.store.keys():
            self.queue.add(key)
        await super().run()

    async def reconcile(self, key: str) -> float | None:
        service = self._services.store.get(key)
        slices = self._slices.by_index(_SERVICE, key)
        if service is None:
            await self._clean(key, slices)
            return None
        if "deletionTimestamp" in service["metadata"]:
            return None
        selector = service["spec"].get("selector")
        if not selector or service["spec"].get("type") == "ExternalName":
            return None  # endpoints of such a Service are somebody else's
        chosen = selectors.from_map(selector)
        pods = [
            pod
            for pod in self._pods.by_index(_NAMESPACE, service["metadata"]["namespace"])
            if chosen.matches(pod["metadata"].get("labels"))
        ]
        groups = endpoints.wanted(service, pods, self._nodes.store)
        changes = endpoints.plan(service, groups, slices)
        for item in changes.create:
            await self.api.create(ENDPOINTSLICES, item)
        for item in changes.update:
            await self.api.update(ENDPOINTSLICES, item)
        for item in changes.delete:
            await self._delete(ENDPOINTSLICES, item)
        await self._write_legacy(key, service, endpoints.legacy_subsets(groups))
        return None

    async def _clean(self, key: str, slices: list[Object]) -> None:
        """Remove what a Service left behind; one that has come a moment ago is in the API before it is with us."""
        legacy = self._endpoints.store.get(key)
        left = [(ENDPOINTSLICES, item) for item in slices]
        if legacy is not None and _LEADER not in (legacy["metadata"].get("annotations") or {}):
            left.append((ENDPOINTS, legacy))
        if left and not await self._exists(key):
            for res, item in left:
                await self._delete(res, item)

    async def _exists(self, key: str) -> bool:
        namespace, name = split(key)
        try:
            await self.api.get(SERVICES, name, namespace)
        except errors.NotFound:
            return False
        return True

    async def _write_legacy(self, key: str, service: Object, subsets: list[Object]) -> None:
        labels = dict(service["metadata"].get("labels") or {})
        if service["spec"].get("clusterIP") == "None":
            labels[endpoints.HEADLESS_LABEL] = ""
        current = self._endpoints.store.get(key)
        metadata = service["metadata"]
        if current is None:
            made = {"name": metadata["name"], "namespace": metadata["namespace"], "labels": labels}
            try:
                await self.api.create(ENDPOINTS, {"metadata": made, "subsets": subsets})
            except errors.AlreadyExists:
                self.queue.retry(key)
        elif (current.get("subsets") or []) != subsets or (current["metadata"].get("labels") or {}) != labels:
            updated = current["metadata"] | {"labels": labels}
            await self.api.update(ENDPOINTS, current | {"metadata": updated, "subsets": subsets})

    async def _delete(self, res: Resource, item: Object) -> None:
        metadata = item["metadata"]
        try:
            await self.api.delete(res, metadata["name"], metadata["namespace"], uid=metadata["uid"])
        except errors.NotFound:
            return

    def _pod_changed(self, event: str, old: Object | None, new: Object) -> None:
        if event == "MODIFIED" and old is not None and _as_endpoint(old) == _as_endpoint(new):
            return
        label_sets = [obj["metadata"].get("labels") or {} for obj in (old, new) if obj is not None]
        for service in self._services.by_index(_NAMESPACE, new["metadata"]["namespace"]):
            selector = service["spec"].get("selector")
            if selector and any(selector.items() <= labels.items() for labels in label_sets):
                self.queue.add(f"{new['metadata']['namespace']}/{service['metadata']['name']}")

    def _node_changed(self, _event: str, old: Object | None, new: Object) -> None:
        """A node that changes its zone, or becomes known after its pods."""
        if old is not None and old["metadata"].get("labels") == new["metadata"].get("labels"):
            return
        for pod in self._pods.store.values():
            if pod["spec"].get("nodeName") == new["metadata"]["name"]:
                self._pod_changed("ADDED", None, pod)


def _service_of_slice(item: Object) -> list[str]:
    labels = item["metadata"].get("labels") or {}
    name = labels.get(endpoints.SERVICE_LABEL)
    ours = labels.get(endpoints.MANAGED_BY_LABEL) == endpoints.MANAGED_BY
    return [f"{item['metadata']['namespace']}/{name}"] if name and ours else []


def _as_endpoint(pod: Object) -> Any:
    """All that matters of a pod here."""
    status, spec = pod.get("status") or {}, pod["spec"]
    ready = next((item["status"] for item in status.get("conditions") or () if item["type"] == "Ready"), "")
    return (
        ready,
        status.get("podIP"),
        status.get("phase"),
        "deletionTimestamp" in pod["metadata"],
        pod["metadata"].get("labels"),
        spec.get("nodeName"),
        spec.get("hostname"),
        spec.get("subdomain"),
    )
