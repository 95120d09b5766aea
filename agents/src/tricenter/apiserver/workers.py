"""Further server processes that share the port (SO_REUSEPORT), each with its own watch cache.

The first process is a server too; it ends when one of the others does, and systemd starts them all again.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
from collections.abc import Callable, Coroutine
from dataclasses import replace
from multiprocessing.process import BaseProcess
from typing import Any

import uvloop

from tricenter.apiserver.config import Config
from tricenter.runtime import cli, logs

Run = Callable[..., Coroutine[Any, Any, None]]

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5


class Workers:
    """The other processes."""

    def __init__(self, config: Config, run: Run) -> None:
        context = multiprocessing.get_context("spawn")
        alone = replace(config, workers=1)
        self._processes: list[BaseProcess] = [
            context.Process(target=_serve, args=(run, alone), name=f"worker-{number}", daemon=True)
            for number in range(1, config.workers)
        ]

    async def run(self) -> None:
        """Start them and look after them; raises RuntimeError when one ends."""
        for process in self._processes:
            process.start()
        while True:
            for process in self._processes:
                if not process.is_alive():
                    raise RuntimeError(f"{process.name} ended with status {process.exitcode}")
            await asyncio.sleep(_LOOK_SECONDS)

    async def stop(self, seconds: float) -> None:
        """Ask them to drain, wait for that, end those that do not."""
        running = [process for process in self._processes if process.is_alive()]
        for process in running:
            process.terminate()
        for process in running:
            await asyncio.to_thread(process.join, seconds)
            if process.is_alive():
                log.warning("%s did not drain within %s s", process.name, seconds)
                process.kill()


def _serve(run: Run, config: Config) -> None:
    """A worker's life; it drains on SIGTERM as the first process does."""
    logs.setup("apiserver")
    uvloop.run(cli.serve(run, config))
