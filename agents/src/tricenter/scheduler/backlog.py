"""The pods that wait: by priority, then by age; a pod that found no node waits for something to change.

Three places, as upstream: `ready` (a heap), `resting` (failed recently, comes back after a growing delay) and `parked`
(no node fits; comes back when the site changes, or after five minutes whatever happens).
"""

from __future__ import annotations

import asyncio
import dataclasses
import heapq
import time
from collections.abc import Callable

from tricenter.scheduler.pods import PodInfo

FIRST_DELAY = 1.0
LONGEST_DELAY = 10.0
PARKED_AT_MOST = 300.0


@dataclasses.dataclass(slots=True, eq=False)
class Waiting:
    """A pod and how often it was tried."""

    pod: PodInfo
    since: float
    attempts: int = 0
    tried_at: float = 0.0

    def __lt__(self, other: Waiting) -> bool:
        return (-self.pod.priority, self.since) < (-other.pod.priority, other.since)

    def rested_at(self) -> float:
        """When it may be tried again."""
        if not self.attempts:
            return 0.0
        return self.tried_at + min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(16, self.attempts - 1))


class Backlog:
    """All pods without a node; a pod is in one place at a time, or in the hands of whoever popped it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._all: dict[str, Waiting] = {}
        self._ready: list[Waiting] = []
        self._resting: list[tuple[float, int, Waiting]] = []
        self._parked: dict[str, Waiting] = {}
        self._held: set[str] = set()
        self._moves = 0
        self._order = 0
        self._wanted = asyncio.Event()

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, uid: str) -> bool:
        return uid in self._all

    @property
    def moves(self) -> int:
        """How often the site changed; a decision made before a change is no reason to park."""
        return self._moves

    def add(self, pod: PodInfo) -> None:
        """A pod to place, or a newer version of one that waits: it is tried at once."""
        known = self._all.get(pod.uid)
        if known is not None:
            known.pod = pod
            if self._parked.pop(pod.uid, None) is not None:
                self._rest_or_ready(known)
            return
        waiting = Waiting(pod, since=self._clock())
        self._all[pod.uid] = waiting
        self._push(waiting)

    def refresh(self, pod: PodInfo) -> None:
        """A newer version of a pod that waits, without a change that could matter for its placement."""
        known = self._all.get(pod.uid)
        if known is not None:
            known.pod = pod

    def remove(self, uid: str) -> None:
        """The pod has a node, or is gone."""
        self._all.pop(uid, None)
        self._parked.pop(uid, None)
        self._held.discard(uid)

    def site_changed(self) -> None:
        """Something changed that may let parked pods fit."""
        self._moves += 1
        parked, self._parked = self._parked, {}
        for waiting in parked.values():
            self._rest_or_ready(waiting)

    async def pop(self) -> Waiting:
        """The pod to place next; the caller gives it back by `park`, `retry` or `remove`."""
        while True:
            delay = self._wake()
            while self._ready:
                waiting = heapq.heappop(self._ready)
                if self._all.get(waiting.pod.uid) is waiting and waiting.pod.uid not in self._held:
                    waiting.attempts += 1
                    waiting.tried_at = self._clock()
                    self._held.add(waiting.pod.uid)
                    return waiting
            self._wanted.clear()
            try:
                async with asyncio.timeout(delay):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    def park(self, waiting: Waiting, moves: int) -> None:
        """No node fits; `moves` is the value of the property when the decision began."""
        if not self._release(waiting):
            return
        if moves == self._moves:
            self._parked[waiting.pod.uid] = waiting
        else:
            self._rest_or_ready(waiting)

    def retry(self, waiting: Waiting) -> None:
        """Placing it failed for another reason: try again after a delay."""
        if self._release(waiting):
            self._rest_or_ready(waiting)

    def _release(self, waiting: Waiting) -> bool:
        self._held.discard(waiting.pod.uid)
        return self._all.get(waiting.pod.uid) is waiting

    def _wake(self) -> float:
        """Move what has rested or was parked for long; seconds until the next such moment."""
        now = self._clock()
        while (ends := self._first_parked_until()) is not None and ends <= now:
            self._push(self._parked.pop(next(iter(self._parked))))
        while self._resting and self._resting[0][0] <= now:
            self._push(heapq.heappop(self._resting)[2])
        following = [self._resting[0][0]] if self._resting else []
        following += [ends] if ends is not None else []
        return max(0.001, min(following, default=now + PARKED_AT_MOST) - now)

    def _first_parked_until(self) -> float | None:
        """When the pod that was parked first has been so for long; of thousands, each pop looks at this one only."""
        first = next(iter(self._parked.values()), None)
        return None if first is None else first.tried_at + PARKED_AT_MOST

    def _rest_or_ready(self, waiting: Waiting) -> None:
        until = waiting.rested_at()
        if until <= self._clock():
            self._push(waiting)
            return
        self._order += 1
        heapq.heappush(self._resting, (until, self._order, waiting))
        self._wanted.set()

    def _push(self, waiting: Waiting) -> None:
        heapq.heappush(self._ready, waiting)
        self._wanted.set()
