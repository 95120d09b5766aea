"""Work queues: one object, one key, one worker at a time; level-triggered (client-go's workqueue).

A key added while it waits is not added again; a key added while a worker has it is handed out once more when that
worker is done.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, NoReturn, TypeVar

from tricenter.client import errors
from tricenter.client.backoff import delay_after

K = TypeVar("K", bound=Hashable)

_log = logging.getLogger(__name__)


class WorkQueue(Generic[K]):
    """A queue of keys."""

    def __init__(self, *, first_delay: float = 0.1, longest_delay: float = 60.0) -> None:
        self._first, self._longest = first_delay, longest_delay
        self._ready: deque[K] = deque()
        self._dirty: set[K] = set()
        self._busy: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._wanted = asyncio.Event()

    def __len__(self) -> int:
        return len(self._ready)

    def add(self, key: K) -> None:
        """Have `key` handled soon."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._busy:
            self._push(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Have `key` handled in `seconds` at the latest."""
        loop = asyncio.get_running_loop()
        known = self._timers.get(key)
        if known is not None:
            if known.when() <= loop.time() + seconds:
                return
            known.cancel()
        self._timers[key] = loop.call_later(max(0.0, seconds), self.add, key)

    async def get(self) -> K:
        """The next key; the caller owes `done(key)`."""
        while not self._ready:
            self._wanted.clear()
            await self._wanted.wait()
        key = self._ready.popleft()
        self._dirty.discard(key)
        self._busy.add(key)
        return key

    def done(self, key: K) -> None:
        """The worker has finished with `key`."""
        self._busy.discard(key)
        if key in self._dirty:
            self._push(key)

    def retry(self, key: K) -> None:
        """Have `key` handled again after a delay that grows with each retry in a row."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.add_after(key, delay_after(failures, first=self._first, limit=self._longest))

    def forget(self, key: K) -> None:
        """It worked: the next retry starts with the shortest delay."""
        self._failures.pop(key, None)

    def close(self) -> None:
        """Cancel what waits for its time."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _push(self, key: K) -> None:
        self._ready.append(key)
        self._wanted.set()


async def run_workers(queue: WorkQueue[K], reconcile: Callable[[K], Awaitable[float | None]], workers: int) -> None:
    """Call `reconcile` for each key, with at most `workers` at a time, until cancelled.

    `reconcile` may return seconds after which it wants to see the key again; an exception means a retry.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(_worker(queue, reconcile))
    finally:
        queue.close()


async def _worker(queue: WorkQueue[K], reconcile: Callable[[K], Awaitable[float | None]]) -> NoReturn:
    while True:
        key = await queue.get()
        try:
            again = await reconcile(key)
            queue.forget(key)
            if again is not None:
                queue.add_after(key, again)
        except errors.Conflict as error:  # everyday: somebody else wrote first, our copy is about to be renewed
            _log.debug("will try again: %s", error, extra={"object": str(key)})
            queue.retry(key)
        except errors.ClientError as error:
            _log.warning("will try again: %s", error, extra={"object": str(key)})
            queue.retry(key)
        except Exception:  # noqa: BLE001 - a fault in one object's handling must not stop the others'
            _log.exception("reconcile failed", extra={"object": str(key)})
            queue.retry(key)
        finally:
            queue.done(key)
