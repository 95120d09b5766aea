"""Writes the status of pods to the API, the newest only, whatever the API's state."""

import logging
from typing import Any

from tricenter.client import Client, errors, resources
from tricenter.client.queueing import WorkQueue, run_workers
from tricenter.kubelet.pods import spec

Object = dict[str, Any]

_WRITERS = 8
_log = logging.getLogger(__name__)


class Statuses:
    """What each pod's status should be, and what the API was told."""

    def __init__(self, api: Client | None) -> None:
        self._api = api
        self._queue: WorkQueue[str] = WorkQueue()
        self._wanted: dict[str, tuple[Object, Object]] = {}
        self._written: dict[str, Object] = {}
        self._mirrors: dict[str, Object] = {}

    def set(self, pod: Object, status: Object) -> None:
        """Have this status written soon."""
        uid = spec.uid(pod)
        self._wanted[uid] = (pod, status)
        if self._api is not None and self._written.get(uid) != status:
            self._queue.add(uid)

    def get(self, uid: str) -> Object | None:
        """The newest status of a pod, written or not."""
        entry = self._wanted.get(uid)
        return entry[1] if entry else None

    def set_mirror(self, uid: str, mirror: Object) -> None:
        """Show the status of the static pod `uid` on this object of the API."""
        self._mirrors[uid] = mirror
        if uid in self._wanted:
            self._written.pop(uid, None)
            self._queue.add(uid)

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        for table in (self._wanted, self._written, self._mirrors):
            table.pop(uid, None)

    async def run(self) -> None:
        """Write for ever."""
        await run_workers(self._queue, self.flush, _WRITERS)

    async def flush(self, uid: str) -> None:
        """Write the status of one pod now unless the API has it. Raises errors.ClientError."""
        if self._api is None or uid not in self._wanted:
            return
        pod, status = self._wanted[uid]
        target = self._mirrors.get(uid) if spec.is_static(pod) else pod
        if target is None or self._written.get(uid) == status:
            return
        body = {"metadata": {"uid": spec.uid(target)}, "status": difference(target.get("status") or {}, status)}
        try:
            await self._api.patch(resources.PODS, spec.name(target), body, spec.namespace(target), subresource="status")
        except (errors.NotFound, errors.Conflict) as error:
            _log.info("status not written: %s", error, extra={"object": spec.key(pod)})
        self._written[uid] = status


def difference(old: Object, new: Object) -> Object:
    """A merge patch (RFC 7386) that makes a status out of another: what is gone is null."""
    return {**{name: None for name in old if name not in new}, **new}
