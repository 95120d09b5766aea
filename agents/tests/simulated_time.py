"""Tests of what depends on time without any passing: a loop that jumps to its next timer when nothing else is left.

What takes an hour takes no time, always the same steps in the same order, on a machine that stands still for ten
seconds in between as on any other. For code that does no input and output but in memory.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import selectors
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar
from unittest import mock

P = ParamSpec("P")
T = TypeVar("T")


class _Selector(selectors.DefaultSelector):  # type: ignore[valid-type,misc]  # which one depends on the system
    """Never waits, but lets the time pass that it was to wait."""

    def __init__(self, clock: _Clock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0)
        if not found:
            assert timeout is not None, "everybody waits for something that will never happen"
            self._clock.now += timeout
        return found


class _Clock:
    """Seconds since nothing in particular."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Time passes while the loop is busy."""
        self.now += seconds


def run(work: Coroutine[Any, Any, T]) -> T:
    """The outcome of `work`, in simulated time."""
    clock = _Clock()
    loop = asyncio.SelectorEventLoop(_Selector(clock))
    loop.time = clock  # type: ignore[method-assign]
    changed = mock.patch.multiple(time, monotonic=clock, sleep=clock.sleep)
    with changed, asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(work)


def simulated(test: Callable[P, Awaitable[T]]) -> Callable[P, T]:
    """A test, or any other coroutine function, as a function that runs it in simulated time."""

    @functools.wraps(test)
    def in_no_time(*args: P.args, **kwargs: P.kwargs) -> T:
        async def whole() -> T:
            return await test(*args, **kwargs)

        return run(whole())

    del in_no_time.__wrapped__  # type: ignore[attr-defined]  # pytest would take it for a coroutine function
    in_no_time.__signature__ = inspect.signature(test)  # type: ignore[attr-defined]
    return in_no_time
