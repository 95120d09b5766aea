"""How long a request may take (endpoints/filters/request_deadline.go)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

from tricenter.apiserver import errors
from tricenter.apiserver.requestinfo import RequestInfo

T = TypeVar("T")

_LOOK_SECONDS = 1.0
_STREAMS = frozenset(("log", "exec", "attach", "portforward", "proxy"))
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


def seconds(info: RequestInfo, query: Mapping[str, str], longest: float) -> float | None:
    """The seconds a request has: what `timeout` asks for, at most `longest`; None for what goes on for long.

    Raises BadRequest.
    """
    if info.verb == "watch" or info.subresource in _STREAMS:
        return None
    text = query.get("timeout", "")
    if not text:
        return longest
    wanted = duration(text)
    if wanted is None or wanted < 0:
        raise errors.BadRequest(f'invalid timeout specified in the request URL: time: invalid duration "{text}"')
    return min(wanted, longest) or longest


def duration(text: str) -> float | None:
    """A duration as Go writes it (`1m30s`, `0`), in seconds; None for anything else."""
    sign = -1.0 if text.startswith("-") else 1.0
    bare = text.lstrip("+-") if text[:1] in "+-" else text
    if bare == "0":
        return 0.0
    total, end = 0.0, 0
    for part in _PART.finditer(bare):
        if part.start() != end:
            return None
        total, end = total + float(part[1]) * _UNITS[part[2]], part.end()
    return sign * total if bare and end == len(bare) else None


class Overdue:
    """Ends requests that take too long, at a look a second: a timer for each would cost more than many requests do."""

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._running: dict[asyncio.Task[Any], float] = {}
        self._ended: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def within(self, seconds: float | None, work: Awaitable[T]) -> T:
        """The outcome of `work`. Raises TimeoutError; `seconds` of its own have their own timer, None has none."""
        if seconds is None:
            return await work
        if seconds != self._longest:
            async with asyncio.timeout(seconds):
                return await work
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a coroutine runs in a task
        loop = asyncio.get_running_loop()
        self._running[task] = loop.time() + seconds
        if self._timer is None:
            self._timer = loop.call_later(_LOOK_SECONDS, self._look)
        try:
            return await work
        except asyncio.CancelledError as error:
            if task in self._ended and task.uncancel() == 0:
                raise TimeoutError from error
            raise
        finally:
            self._running.pop(task, None)
            self._ended.discard(task)

    def _look(self) -> None:
        """The oldest come first, because all have the same time."""
        loop = asyncio.get_running_loop()
        for task, ends in list(self._running.items()):
            if ends > loop.time():
                break
            del self._running[task]
            self._ended.add(task)
            task.cancel()
        self._timer = loop.call_later(_LOOK_SECONDS, self._look) if self._running else None
