"""All pods of the node: taken from their sources, each given to one worker at a time, removed when unwanted."""

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Callable
from typing import Any

from tricenter.apimachinery import times
from tricenter.client import Client, errors, resources
from tricenter.client.queueing import WorkQueue, run_workers
from tricenter.kubelet.cri.client import CriError, Runtime
from tricenter.kubelet.cri.observer import Observer
from tricenter.kubelet.objects import Objects
from tricenter.kubelet.pods import cgroups, sandbox, spec
from tricenter.kubelet.pods.node import PodNode
from tricenter.kubelet.pods.state import PodState
from tricenter.kubelet.pods.statuses import Statuses
from tricenter.kubelet.pods.worker import Worker, surplus
from tricenter.kubelet.volumes.manager import Volumes

Object = dict[str, Any]

_HOUSEKEEPING_SECONDS = 60.0
_RUNTIME_PATIENCE = 0.5
_LONGEST_PATIENCE = 10.0

_log = logging.getLogger(__name__)


class Pods:
    """The pods of this node by uid."""

    def __init__(
        self,
        *,
        api: Client | None,
        runtime: Runtime,
        observer: Observer,
        worker: Worker,
        volumes: Volumes,
        objects: Objects,
        statuses: Statuses,
        node: PodNode,
        sources_ready: Callable[[], bool],
    ) -> None:
        self.states: dict[str, PodState] = {}
        self._api = api
        self._runtime = runtime
        self._observer = observer
        self._worker = worker
        self._volumes = volumes
        self._objects = objects
        self._statuses = statuses
        self._node = node
        self._sources_ready = sources_ready
        self._queue: WorkQueue[str] = WorkQueue(first_delay=0.5, longest_delay=10.0)
        self._failures: dict[str, int] = {}

    def put(self, pod: Object) -> None:
        """A pod is new or has changed."""
        uid = spec.uid(pod)
        state = self.states.get(uid)
        if state is None:
            state = self.states[uid] = PodState(pod=pod)
            # after a restart the pod keeps the time it began
            if begun := (pod.get("status") or {}).get("startTime"):
                state.started = times.parse(begun)
            if spec.deleting(pod):
                state.hurry.set()
        elif state.removed:
            # a static pod whose manifest was taken away and put back, as people do to restart one
            state.successor = pod
        else:
            state.update(pod)
        self._queue.add(uid)

    def drop(self, uid: str) -> None:
        """A pod is gone from its source."""
        if (state := self.states.get(uid)) is not None:
            state.removed, state.successor = True, None
            state.hurry.set()
            self._queue.add(uid)

    def changed(self, uid: str) -> None:
        """Something happened to a pod in the runtime, or a probe changed its mind."""
        self._queue.add(uid)

    def by_key(self, key: str) -> PodState | None:
        """The pod `namespace/name`."""
        found = [state for state in self.states.values() if spec.key(state.pod) == key and not state.removed]
        return found[0] if found else None

    async def run(self) -> None:
        """Work for ever; each pod that waits for its containers to stop occupies a worker."""
        await run_workers(self._queue, self._reconcile, 2 * self._node.config.max_pods)

    async def keep_house(self) -> None:
        """Find what no source knows any more, for ever."""
        while True:
            await asyncio.sleep(_RUNTIME_PATIENCE if not self._sources_ready() else _HOUSEKEEPING_SECONDS)
            if self._sources_ready():
                await self._find_orphans()

    async def _find_orphans(self) -> None:
        try:
            known = set(await self._observer.known()) | self._volumes.uids()
        except CriError as error:
            _log.warning("cannot look for orphans: %s", error)
            return
        for uid in known - set(self.states):
            self._queue.add(uid)

    async def _reconcile(self, uid: str) -> float | None:
        state = self.states.get(uid)
        try:
            if state is None:
                if self._sources_ready():
                    await self._remove_orphan(uid)
                return None
            if state.removed:
                await self._worker.stop(state)
                await self._clean(uid, state)
                return None
            if spec.deleting(state.pod):
                return await self._terminate(uid, state)
            retry = await self._worker.run(state)
            await self._tidy(uid, state)
        except CriError as error:
            _log.warning("runtime: %s", error, extra={"object": spec.key(state.pod) if state else uid})
            return self._patience(uid)
        self._failures.pop(uid, None)
        return min(retry or self._node.config.resync_seconds, self._node.config.resync_seconds)

    def _patience(self, uid: str) -> float:
        """Seconds to wait after one more failure of the runtime."""
        self._failures[uid] = self._failures.get(uid, 0) + 1
        return min(_RUNTIME_PATIENCE * 2.0 ** (self._failures[uid] - 1), _LONGEST_PATIENCE)

    async def _terminate(self, uid: str, state: PodState) -> float | None:
        """End a pod and then confirm its end to the API; the deletion event brings the rest."""
        await self._worker.stop(state)
        if self._api is None or spec.is_static(state.pod):
            return None
        await self._statuses.flush(uid)
        self._volumes.remove(uid)
        with contextlib.suppress(errors.NotFound, errors.Conflict):
            await self._api.delete(
                resources.PODS, spec.name(state.pod), spec.namespace(state.pod), uid=uid, grace_seconds=0
            )
        return self._node.config.resync_seconds

    async def _remove_orphan(self, uid: str) -> None:
        """Remove a pod that no source knows, found in the runtime or on disk."""
        record = await self._observer.pod(uid)
        _log.info("removing what nobody knows", extra={"object": f"{record.namespace}/{record.name} {uid}"})
        for container in record.running:
            await self._runtime.stop_container(container.id, 30)
        await self._clean(uid, None)

    async def _clean(self, uid: str, state: PodState | None) -> None:
        """Remove every trace of a pod of which nothing runs any more."""
        record = await self._observer.pod(uid)
        for container in record.containers:
            await self._runtime.remove_container(container.id)
        for item in record.sandboxes:
            await self._runtime.stop_sandbox(item.id)
            await self._runtime.remove_sandbox(item.id)
        self._volumes.remove(uid)
        cgroups.remove(uid)
        if state is not None:
            shutil.rmtree(sandbox.log_directory(self._node.config.pod_logs_dir, state.pod), ignore_errors=True)
            self._worker.forget(state)
        else:
            for folder in self._node.config.pod_logs_dir.glob(f"*_{uid}"):
                shutil.rmtree(folder, ignore_errors=True)
        self._objects.forget(uid)
        self._failures.pop(uid, None)
        self.states.pop(uid, None)
        if state is not None and state.successor is not None:
            self.put(state.successor)

    async def _tidy(self, uid: str, state: PodState) -> None:
        """Remove containers and sandboxes that later ones have replaced."""
        record = await self._observer.pod(uid)
        for container in surplus(record):
            await self._runtime.remove_container(container.id)
            self._worker.discard(state, container)
        kept = {container.sandbox for container in record.containers}
        for item in record.sandboxes[1:]:
            if not item.ready and item.id not in kept:
                await self._runtime.remove_sandbox(item.id)
