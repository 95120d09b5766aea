"""What all controllers share: the client, the informers, the event recorder, and the shape of a controller."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from tricenter.client import Client, Informer, Resource, errors
from tricenter.client.events import Recorder
from tricenter.client.informer import key_of
from tricenter.client.queueing import WorkQueue, run_workers
from tricenter.controllers.config import Config

Object = dict[str, Any]

_log = logging.getLogger(__name__)


class Informers:
    """One informer per resource, started when it is first asked for."""

    def __init__(self, api: Client) -> None:
        self._api = api
        self._informers: dict[Resource, Informer] = {}
        self._tasks: dict[Resource, asyncio.Task[Any]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._running = False
        """Whether those that controllers cannot do without have their first lists."""

    def get(self, res: Resource) -> Informer:
        """The shared informer of `res`."""
        informer = self._informers.get(res)
        if informer is None:
            informer = self._informers[res] = Informer(self._api, res)
            self._start(res, informer)
        return informer

    def known(self) -> Iterable[Informer]:
        """All informers there are."""
        return list(self._informers.values())

    def drop(self, res: Resource) -> None:
        """Stop following a resource that is served no more."""
        self._informers.pop(res, None)
        task = self._tasks.pop(res, None)
        if task is not None:
            task.cancel()

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Start all informers as tasks of `group` and wait until each has its first list."""
        self._group = group
        for res, informer in list(self._informers.items()):
            self._start(res, informer)
        for informer in self.known():
            await informer.wait_synced()
        self._running = True

    def _start(self, res: Resource, informer: Informer) -> None:
        if self._group is not None and res not in self._tasks:
            run = self._try(res, informer) if self._running else informer.run()
            self._tasks[res] = self._group.create_task(run, name=f"informer {res}")

    async def _try(self, res: Resource, informer: Informer) -> None:
        """Follow what was found while running: an extension server that answers oddly ends nothing but its informer."""
        try:
            await informer.run()
        except Exception:  # noqa: BLE001 - what others serve may be anything
            _log.exception("cannot follow %s", res)
            if self._informers.get(res) is informer:
                self._informers.pop(res)
                self._tasks.pop(res)


@dataclasses.dataclass(frozen=True)
class Context:
    """Handed to every controller."""

    api: Client
    informers: Informers
    recorder: Recorder
    config: Config


class Controller:
    """A controller with a queue of `namespace/name` keys."""

    workers: ClassVar[int] = 4

    def __init__(self, context: Context) -> None:
        self.context = context
        self.api = context.api
        self.queue: WorkQueue[str] = WorkQueue()

    async def reconcile(self, key: str) -> float | None:
        """Bring the object `key` closer to what it asks for; seconds after which to look again, if any."""
        raise NotImplementedError

    async def run(self) -> None:
        """Work until cancelled; informers are synced by then."""
        await run_workers(self.queue, self.reconcile, self.workers)

    def informer(self, res: Resource) -> Informer:
        """The shared informer of `res`."""
        return self.context.informers.get(res)

    async def put_status(self, res: Resource, obj: Object, status: Object) -> None:
        """Write a status that is another one; it is no matter if the object has gone."""
        if status == (obj.get("status") or {}):
            return
        try:
            await self.api.update_status(res, obj | {"status": status})
        except errors.NotFound:
            return

    def enqueue_on(self, informer: Informer, keys: Callable[[Object], Iterable[str]] | None = None) -> None:
        """Queue what `keys` gives for each changed object, before and after; without `keys`, the object itself."""
        of = keys or (lambda obj: (key_of(obj),))

        def changed(_event: str, old: Object | None, new: Object) -> None:
            for obj in (old, new) if old is not None else (new,):
                for key in of(obj):
                    self.queue.add(key)

        informer.add_handler(changed)


def split(key: str) -> tuple[str, str]:
    """Namespace ("" for none) and name of a key."""
    namespace, _, name = key.rpartition("/")
    return namespace, name
