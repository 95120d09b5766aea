"""How long a peer is waited for.

A deadline that passes while this process does not run is no silence of the peer: the answer may lie in the socket, and
on a machine that stood still the peer did not run either. Such a deadline is moved by as much as it came late, once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_STALL_SECONDS = 0.02
"""Lateness of a timer that an idle loop does not have."""
_SILENCE_SECONDS = 2.5
"""How long a peer may keep silent that was asked for a sign of life."""
_APART_SECONDS = 6.0
"""Seconds between two questions: a member of etcd closes a connection that asks more often than every five."""


class Patience:
    """Calls `over` when the time is up."""

    __slots__ = ("_due", "_loop", "_over", "_timer")

    def __init__(self, seconds: float, over: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = over
        self._timer = self._loop.call_later(seconds, self._up)
        # After the timer is set, which makes uvloop look at the clock: its time is that of the loop's last turn.
        self._due = self._loop.time() + seconds

    def cancel(self) -> None:
        """Wait no longer."""
        self._timer.cancel()

    def _up(self) -> None:
        late = self._loop.time() - self._due
        if late < _STALL_SECONDS:
            self._over()
        else:
            self._timer = self._loop.call_later(late, self._over)


class Pulse:
    """Whether the peer of a connection lives: it was heard, or it answers when it is asked."""

    def __init__(self, ask: Callable[[], None], gone: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ask = ask
        self._gone = gone
        self._waiting: Patience | None = None
        self._not_before = 0.0
        self.heard = self._loop.time()
        """When the last bytes came."""

    def doubt(self, since: float) -> None:
        """Ask, if nothing was heard since then."""
        now = self._loop.time()
        if self.heard > since or self._waiting is not None or now < self._not_before:
            return
        self._not_before = now + _APART_SECONDS
        heard = self.heard
        self._waiting = Patience(_SILENCE_SECONDS, lambda: self._judge(heard))
        self._ask()

    def _judge(self, heard: float) -> None:
        """A peer that has been silent for so long is gone, whatever the kernel believes."""
        self._waiting = None
        if self.heard == heard:
            self._gone()

    def stop(self) -> None:
        """The connection is over."""
        if self._waiting is not None:
            self._waiting.cancel()
