"""Pods that nobody else removes: on nodes that are gone, never placed, or finished long ago (upstream's podgc)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from tricenter.client import errors
from tricenter.client.informer import key_of
from tricenter.client.resources import NODES, PODS
from tricenter.controllers import podstate
from tricenter.controllers.context import Context, Controller

Object = dict[str, Any]

QUARANTINE_SECONDS = 40.0
"""A node that is missing for less may only be restarting its registration."""

_log = logging.getLogger(__name__)


def unplaced(pods: Iterable[Object]) -> list[Object]:
    """Pods that are being deleted and that no kubelet has."""
    return [pod for pod in pods if podstate.terminating(pod) and not pod["spec"].get("nodeName")]


def surplus(pods: Iterable[Object], limit: int) -> list[Object]:
    """The oldest finished pods beyond `limit`."""
    ended = [pod for pod in pods if podstate.finished(pod) and not podstate.terminating(pod)]
    ended.sort(key=lambda pod: pod["metadata"].get("creationTimestamp") or "")
    return ended[: max(0, len(ended) - limit)]


def missing_nodes(pods: Iterable[Object], nodes: Mapping[str, Object]) -> set[str]:
    """Names of nodes that pods are on and that do not exist."""
    return {name for pod in pods if (name := pod["spec"].get("nodeName")) and name not in nodes}


class PodGC(Controller):
    """Sweeps from time to time."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._pods = self.informer(PODS)
        self._nodes = self.informer(NODES)
        self._missing_since: dict[str, float] = {}

    async def run(self) -> None:
        while True:
            try:
                await self.sweep(time.monotonic())
            except errors.ClientError as error:
                _log.warning("sweep not finished: %s", error)
            await asyncio.sleep(self.context.config.pod_gc_period_seconds)

    async def sweep(self, now: float) -> None:
        """Remove what is to be removed at `now`."""
        pods = list(self._pods.store.values())
        for pod in unplaced(pods) + surplus(pods, self.context.config.terminated_pod_limit):
            await self._attempt(self._remove, pod)
        gone = await self._gone_nodes(pods, now)
        for pod in pods:
            if pod["spec"].get("nodeName") in gone:
                await self._attempt(self._fail_and_remove, pod)

    async def _attempt(self, step: Callable[[Object], Awaitable[None]], pod: Object) -> None:
        """A pod that the server does not let go keeps no others."""
        try:
            await step(pod)
        except errors.ApiError as error:
            _log.warning("pod not removed: %s", error, extra={"object": key_of(pod)})

    async def _gone_nodes(self, pods: list[Object], now: float) -> set[str]:
        missing = missing_nodes(pods, self._nodes.store)
        self._missing_since = {name: self._missing_since.get(name, now) for name in missing}
        gone = set()
        for name, since in self._missing_since.items():
            if now - since >= QUARANTINE_SECONDS and not await self._exists(name):
                gone.add(name)
        return gone

    async def _exists(self, node: str) -> bool:
        try:
            await self.api.get(NODES, node)
        except errors.NotFound:
            return False
        return True

    async def _fail_and_remove(self, pod: Object) -> None:
        """The pod ends as Failed first, so that whoever waits for its end learns of it."""
        metadata = pod["metadata"]
        if not podstate.finished(pod):
            why = "PodGC: node no longer exists"
            ended = podstate.disrupted(pod, "DeletionByPodGC", why)
            patch = {
                "metadata": {"uid": metadata["uid"]},
                "status": {"phase": "Failed", "reason": "NodeLost", "message": why, "conditions": ended},
            }
            try:
                await self.api.patch(PODS, metadata["name"], patch, metadata["namespace"], subresource="status")
            except errors.NotFound:
                return
        await self._remove(pod)

    async def _remove(self, pod: Object) -> None:
        metadata = pod["metadata"]
        _log.info("removing a pod that nobody takes care of", extra={"object": metadata["name"]})
        try:
            await self.api.delete(PODS, metadata["name"], metadata["namespace"], uid=metadata["uid"], grace_seconds=0)
        except (errors.NotFound, errors.Conflict):
            return
