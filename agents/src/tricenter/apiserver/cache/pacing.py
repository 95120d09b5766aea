"""When watches are woken: at once while there is time, together for all that happened lately when there is not.

What a delivery costs is hardly the event but the record of TLS, the system call and the turn of a task, so that two
events in one delivery cost half. A process that is busy delivering lets events gather for as long as its last round of
deliveries took; one that is not wakes its watches with the event.
"""

from __future__ import annotations

import asyncio
import time

_LONGEST = 0.01
"""Seconds that an event waits at most for others to go with it."""


class Pace:
    """Wakes the tasks of watches, all that wait in one round."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []
        self._free = 0.0
        self._next: asyncio.Handle | None = None

    def wake(self, sleeper: asyncio.Future[None]) -> None:
        """Have the task that awaits `sleeper` go on with the next round."""
        self._waiting.append(sleeper)
        if self._next is None:
            self._plan()

    def _plan(self) -> None:
        # The clock of uvloop stands still within a turn, in which a whole round may have gone by.
        loop, pause = asyncio.get_running_loop(), self._free - time.monotonic()
        self._next = loop.call_later(pause, self._round) if pause > 0 else loop.call_soon(self._round)

    def _round(self) -> None:
        sleepers, self._waiting = self._waiting, []
        for sleeper in sleepers:
            if not sleeper.done():
                sleeper.set_result(None)
        # Behind the tasks that have just been woken: what lies between is their work.
        self._next = asyncio.get_running_loop().call_soon(self._over, time.monotonic())

    def _over(self, began: float) -> None:
        now = time.monotonic()
        self._free = now + min(now - began, _LONGEST)
        self._next = None
        if self._waiting:
            self._plan()
