"""Watches heartbeats, writes conditions and taints of nodes, and evicts pods from lost ones (decisions in `nodes`)."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, NoReturn

from tricenter.apimachinery import times
from tricenter.client import errors
from tricenter.client.events import NORMAL
from tricenter.client.informer import key_of
from tricenter.client.queueing import WorkQueue, run_workers
from tricenter.client.resources import LEASES, NODES, PODS
from tricenter.controllers import nodes, podstate
from tricenter.controllers.context import Context, Controller

Object = dict[str, Any]

LEASE_NAMESPACE = "kube-node-lease"
_BY_NODE = "node"

_log = logging.getLogger(__name__)


class NodeLifecycle(Controller):
    """Reconciles nodes; a second queue holds pods that may have to go."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._nodes = self.informer(NODES)
        self._leases = self.informer(LEASES)
        self._pods = self.informer(PODS)
        self._pods.add_index(_BY_NODE, lambda pod: [pod["spec"]["nodeName"]] if pod["spec"].get("nodeName") else [])
        self._heartbeats: dict[str, nodes.Heartbeat] = {}
        self._evictions: WorkQueue[str] = WorkQueue()
        self.enqueue_on(self._nodes)
        self._pods.add_handler(self._pod_changed)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(run_workers(self.queue, self.reconcile, self.workers))
            group.create_task(run_workers(self._evictions, self._evict, self.workers))
            group.create_task(self._monitor())

    async def _monitor(self) -> NoReturn:
        """Look at all nodes again and again: silence makes no event."""
        while True:
            now = time.monotonic()
            for name in [name for name in self._heartbeats if name not in self._nodes.store]:
                del self._heartbeats[name]
            for name, node in self._nodes.store.items():
                if self._silent_for(name, node, now) >= self.context.config.node_monitor_grace_seconds:
                    self.queue.add(name)
            await asyncio.sleep(self.context.config.node_monitor_period_seconds)

    def _silent_for(self, name: str, node: Object, now: float) -> float:
        signs = nodes.signs(node, self._leases.store.get(f"{LEASE_NAMESPACE}/{name}"))
        known = self._heartbeats.get(name)
        if known is None or known.signs != signs:
            self._heartbeats[name] = nodes.Heartbeat(signs, now)
            return 0.0
        return now - known.seen

    async def reconcile(self, key: str) -> float | None:
        node = self._nodes.store.get(key)
        if node is None:
            return None
        ready = (podstate.condition(node, "Ready") or {}).get("status")
        silence = self._silent_for(key, node, time.monotonic())
        if ready != "Unknown" and silence >= self.context.config.node_monitor_grace_seconds:
            node = await self._declare_unknown(node)
            ready = "Unknown"
        node = await self._write_taints(node)
        pods = self._pods.by_index(_BY_NODE, key)
        for pod in pods:
            self._evictions.add(key_of(pod))
        if ready in {"Unknown", "False"}:
            await self._mark_unready(pods)
        return None

    async def _declare_unknown(self, node: Object) -> Object:
        name = node["metadata"]["name"]
        _log.warning("node lost: it was silent for the grace period", extra={"object": name})
        self.context.recorder.event(node, NORMAL, "NodeNotReady", f"Node {name} status is now: NodeNotReady")
        status = (node.get("status") or {}) | {"conditions": nodes.unknown_conditions(node, times.now())}
        return await self.api.update_status(NODES, node | {"status": status})

    async def _write_taints(self, node: Object) -> Object:
        evict = nodes.anybody_ready(self._nodes.store.values())
        current = (node.get("spec") or {}).get("taints") or []
        wanted = nodes.wanted_taints(node, evict=evict, now=times.now())
        if wanted == current:
            return node
        metadata = node["metadata"]
        patch = {
            "metadata": {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]},
            "spec": {"taints": wanted or None},
        }
        return await self.api.patch(NODES, metadata["name"], patch)

    async def _mark_unready(self, pods: list[Object]) -> None:
        """All that can be; raises the last refusal."""
        refusal: errors.ApiError | None = None
        for pod in pods:
            conditions = nodes.unready_conditions(pod, times.now())
            if conditions is None or podstate.finished(pod):
                continue
            metadata = pod["metadata"]
            patch = {"metadata": {"uid": metadata["uid"]}, "status": {"conditions": conditions}}
            try:
                await self.api.patch(PODS, metadata["name"], patch, metadata["namespace"], subresource="status")
            except errors.NotFound:
                continue
            except errors.ApiError as error:
                refusal = error
        if refusal is not None:
            raise refusal

    async def _evict(self, key: str) -> float | None:
        """Delete the pod if the taints of its node say so and its tolerance has run out."""
        pod = self._pods.store.get(key)
        node = self._nodes.store.get(pod["spec"].get("nodeName") or "") if pod else None
        if pod is None or node is None or podstate.terminating(pod) or podstate.finished(pod):
            return None
        wait = nodes.eviction_in(pod, (node.get("spec") or {}).get("taints") or (), times.now())
        if wait is None or wait > 0:
            return wait
        metadata = pod["metadata"]
        self.context.recorder.event(pod, NORMAL, "TaintManagerEviction", f"Marking for deletion Pod {key}")
        why = "Taint manager: deleting due to NoExecute taint"
        ended = {"conditions": podstate.disrupted(pod, "DeletionByTaintManager", why)}
        patch = {"metadata": {"uid": metadata["uid"]}, "status": ended}
        try:
            await self.api.patch(PODS, metadata["name"], patch, metadata["namespace"], subresource="status")
            await self.api.delete(PODS, metadata["name"], metadata["namespace"], uid=metadata["uid"])
        except errors.NotFound:
            return None
        return None

    def _pod_changed(self, event: str, old: Object | None, new: Object) -> None:
        """A pod that comes to, or is changed on, a tainted node."""
        node = self._nodes.store.get(new["spec"].get("nodeName") or "")
        if event == "DELETED" or node is None or not (node.get("spec") or {}).get("taints"):
            return
        if old is None or old["spec"] != new["spec"]:
            self._evictions.add(key_of(new))
