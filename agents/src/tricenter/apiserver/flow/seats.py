"""The seats of a priority level: requests that run at once, and fair queues for those that wait.

Each flow has a queue of its own, and the flows are served in turn, one request each: a flow that floods its queue
delays itself. (Upstream shuffles flows over a fixed number of queues, because it cannot tell how many there are; we
keep a queue exactly for each flow that waits.)
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from tricenter.apiserver.deadline import Overdue

Flow = tuple[str, str]
"""Schema and distinguisher."""


class Rejected(Exception):  # noqa: N818  # the request is not wrong, there is no room for it
    """No room; the reason as upstream's metrics name it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(eq=False)
class _Waiter:
    width: int
    granted: asyncio.Future[None]


class Level:
    """One priority level."""

    def __init__(self, name: str, overdue: Overdue) -> None:
        self.name = name
        self.uid = ""
        self._overdue = overdue
        self.seats = 1
        self.exempt = False
        self.queue_length = 0
        """Waiting requests of a flow; 0 where nobody waits."""
        self.in_use = 0
        self.executing = 0
        self.waiting = 0
        self._flows: dict[Flow, deque[_Waiter]] = {}

    def configure(self, uid: str, *, seats: int, exempt: bool, queue_length: int) -> None:
        """Take over new limits; what runs, runs on."""
        self.uid, self.seats, self.exempt, self.queue_length = uid, max(1, seats), exempt, queue_length
        self._dispatch()

    async def acquire(self, flow: Flow, width: int, seconds: float) -> Seat:
        """A seat, at once or after some waiting. Raises Rejected."""
        if self.exempt:
            self.executing += 1
            return Seat(self, 0)
        width = min(width, self.seats)
        if not self._flows and self.in_use + width <= self.seats:
            return self._seated(width)
        queue = self._flows.get(flow)
        if not self.queue_length:
            raise Rejected("concurrency-limit")
        if queue is not None and len(queue) >= self.queue_length:
            raise Rejected("queue-full")
        return await self._wait(flow, _Waiter(width, asyncio.get_running_loop().create_future()), seconds)

    async def _wait(self, flow: Flow, waiter: _Waiter, seconds: float) -> Seat:
        self._flows.setdefault(flow, deque()).append(waiter)
        self.waiting += 1
        try:
            await self._overdue.within(seconds, waiter.granted)
        except BaseException as error:
            if waiter.granted.done() and not waiter.granted.cancelled():
                Seat(self, waiter.width).release()
            else:
                self._leave(flow, waiter)
            if isinstance(error, TimeoutError):
                raise Rejected("time-out") from error
            raise
        return Seat(self, waiter.width)

    def _seated(self, width: int) -> Seat:
        self.in_use += width
        self.executing += 1
        return Seat(self, width)

    def _leave(self, flow: Flow, waiter: _Waiter) -> None:
        queue = self._flows.get(flow)
        if queue is not None and waiter in queue:
            queue.remove(waiter)
            self.waiting -= 1
            if not queue:
                del self._flows[flow]
        self._dispatch()

    def release(self, width: int) -> None:
        """Seats are free again."""
        self.in_use -= width
        self.executing -= 1
        self._dispatch()

    def _dispatch(self) -> None:
        """Grant seats to the flows in turn; a wide request that is next holds the others up, or it would starve."""
        while self._flows:
            flow = next(iter(self._flows))
            queue = self._flows[flow]
            # Who was cancelled but has not run since still stands in the queue, and needs no seat.
            gone = queue[0].granted.done()
            width = min(queue[0].width, self.seats)
            if not gone and self.in_use + width > self.seats:
                return
            waiter = queue.popleft()
            waiter.width = width
            del self._flows[flow]
            if queue:
                self._flows[flow] = queue
            self.waiting -= 1
            if gone:
                continue
            self.in_use += width
            self.executing += 1
            waiter.granted.set_result(None)


class Seat:
    """What a running request holds."""

    __slots__ = ("_level", "_width")

    def __init__(self, level: Level, width: int) -> None:
        self._level: Level | None = level
        self._width = width

    def release(self) -> None:
        """Give it back; a second time does nothing."""
        if self._level is not None:
            level, self._level = self._level, None
            level.release(self._width)
