"""Keeps records of pods from the runtime: asked for one pod at a time, woken by the runtime's events (KEP-3386)."""

import asyncio
import logging
from collections.abc import Callable, Iterable

from cri_api.v1 import api_pb2 as cri

from tricenter.kubelet.cri import labels
from tricenter.kubelet.cri.client import CriError, Runtime
from tricenter.kubelet.cri.records import ContainerRecord, PodRecord, container_record, sandbox_record

_log = logging.getLogger(__name__)

# The pause before events are asked for again, and between lists while there are none.
_RETRY_SECONDS = 1.0


class Observer:
    """Answers what the runtime knows of a pod and calls `changed` with the uid of a pod that something happened to."""

    def __init__(self, runtime: Runtime, changed: Callable[[str], None], *, relist_seconds: float) -> None:
        self._runtime = runtime
        self._changed = changed
        self._relist_seconds = relist_seconds
        self._seen: dict[str, dict[str, int]] = {}
        # an exited container does not change any more
        self._exited: dict[str, ContainerRecord] = {}

    async def pod(self, uid: str) -> PodRecord:
        """Everything the runtime knows of a pod now. Raises CriError."""
        selector = {labels.POD_UID: uid}
        sandboxes, containers = await asyncio.gather(
            self._runtime.sandboxes(selector), self._runtime.containers(selector)
        )
        return await self._record(uid, sandboxes, containers)

    async def known(self) -> dict[str, tuple[str, str]]:
        """Namespace and name of all pods in the runtime, by uid."""
        sandboxes, containers = await asyncio.gather(self._runtime.sandboxes(), self._runtime.containers())
        items: Iterable[cri.PodSandbox | cri.Container] = [*sandboxes, *containers]
        found = [item.labels for item in items if labels.POD_UID in item.labels]
        return {item[labels.POD_UID]: (item[labels.POD_NAMESPACE], item[labels.POD_NAME]) for item in found}

    async def follow_events(self) -> None:
        """Pass on the runtime's events for ever; while it has none to offer, lists take their place."""
        while True:
            try:
                async for event in self._runtime.events():
                    uid = event.pod_sandbox_status.metadata.uid
                    if uid:
                        self._changed(uid)
            except CriError as error:
                _log.warning("no events from the runtime: %s", error)
            await asyncio.sleep(_RETRY_SECONDS)
            await self._relist()

    async def relist(self) -> None:
        """List everything every now and then, in case an event was lost."""
        while True:
            await self._relist()
            await asyncio.sleep(self._relist_seconds)

    async def _relist(self) -> None:
        try:
            sandboxes, containers = await asyncio.gather(self._runtime.sandboxes(), self._runtime.containers())
        except CriError as error:
            _log.warning("cannot list containers: %s", error)
            return
        seen: dict[str, dict[str, int]] = {}
        items: Iterable[cri.PodSandbox | cri.Container] = [*sandboxes, *containers]
        for item in items:
            if uid := item.labels.get(labels.POD_UID):
                seen.setdefault(uid, {})[item.id] = item.state
        for uid in {*seen, *self._seen}:
            if seen.get(uid) != self._seen.get(uid):
                self._changed(uid)
        self._seen = seen
        present = {item.id for item in containers}
        self._exited = {key: value for key, value in self._exited.items() if key in present}

    async def _record(self, uid: str, sandboxes: list[cri.PodSandbox], containers: list[cri.Container]) -> PodRecord:
        details = await asyncio.gather(
            *(self._runtime.sandbox_status(item.id) for item in sandboxes), return_exceptions=True
        )
        records = await asyncio.gather(*(self._container(item) for item in containers))
        found = [sandbox_record(item) for item in _present(details)]
        meta = sandboxes[0].metadata if sandboxes else None
        return PodRecord(
            uid=uid,
            name=meta.name if meta else "",
            namespace=meta.namespace if meta else "",
            sandboxes=tuple(sorted(found, key=lambda item: item.created, reverse=True)),
            containers=tuple(sorted((item for item in records if item), key=lambda item: item.created, reverse=True)),
        )

    async def _container(self, item: cri.Container) -> ContainerRecord | None:
        if item.id in self._exited:
            return self._exited[item.id]
        try:
            record = container_record(await self._runtime.container_status(item.id), item.pod_sandbox_id)
        except CriError as error:
            if error.not_found:
                return None
            raise
        if record.state == "exited":
            self._exited[item.id] = record
        return record


def _present(answers: list[cri.PodSandboxStatus | BaseException]) -> list[cri.PodSandboxStatus]:
    """The answers; what vanished between the list and the question is left out, any other failure raised."""
    found = []
    for answer in answers:
        if isinstance(answer, cri.PodSandboxStatus):
            found.append(answer)
        elif not (isinstance(answer, CriError) and answer.not_found):
            raise answer
    return found
