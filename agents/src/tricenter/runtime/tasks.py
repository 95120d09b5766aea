"""Long-lived tasks of an agent.

A task that ought to run for ever and ends, with or without an exception, leaves the agent half alive. `guard` turns
the end into an error; inside the agent's `asyncio.TaskGroup` that ends the agent, and systemd starts a whole one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, NoReturn

_log = logging.getLogger(__name__)


class TaskEndedError(RuntimeError):
    """A task that had to run until it is cancelled returned."""


class EndAgentError(Exception):
    """A foreseen reason to end the agent, so that a new one starts from scratch: logged in one line."""


async def guard(coro: Coroutine[Any, Any, Any], name: str) -> NoReturn:
    """Run `coro` until it is cancelled; if it returns raise TaskEndedError, if it raises log that and pass it on."""
    try:
        await coro
    except (asyncio.CancelledError, EndAgentError):
        raise
    except BaseException:
        _log.exception("task %s failed", name)
        raise
    raise TaskEndedError(f"task {name} ended")


async def until(stop: asyncio.Event, *tasks: Coroutine[Any, Any, Any]) -> None:
    """Run guarded `tasks` together until `stop` is set, then cancel them and wait for their end.

    Raises an ExceptionGroup with the first failure if one of them fails or ends before.
    """
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(guard(task, _name(task)), name=_name(task)) for task in tasks]
        await stop.wait()
        for task in running:
            task.cancel()


def _name(task: Coroutine[Any, Any, Any]) -> str:
    return str(getattr(task, "__qualname__", task))
