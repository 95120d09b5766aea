"""The one executable: `tricenter-agent NAME --config FILE` runs the agent NAME until SIGTERM.

An agent is the package `tricenter.NAME` with `config.Config` and `main.run(config, *, stop)`; it is imported only when
asked for, so that no agent pays for the imports of another.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import logging
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from tricenter.runtime import config as configuration
from tricenter.runtime import logs, notify, tasks

AGENTS = ("etcd", "apiserver", "controllers", "scheduler", "kubelet", "proxy", "dns", "ingress", "balancer")

EXIT_FAILURE = 1
EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h: restarting does not help
_DRAIN_SECONDS = 20.0

_log = logging.getLogger(__name__)

Run = Callable[..., Coroutine[Any, Any, None]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    options = _parse(arguments)
    logs.setup(options.agent, level=logging.DEBUG if options.debug else logging.INFO)
    try:
        config: Any = configuration.load(options.config, _import(options.agent, "config").Config)
    except configuration.ConfigError as error:
        print(error, file=sys.stderr)
        return EXIT_CONFIG
    if options.check_config:
        print(f"{options.config}: valid")
        return 0
    try:
        _loop_runner()(serve(_import(options.agent, "main").run, config))
    except Exception as error:  # noqa: BLE001 - the last line of defence: logged, and systemd restarts
        _explain(options.agent, error)
        return EXIT_FAILURE
    return 0


async def serve(run: Run, config: Any) -> None:
    """Run an agent: set its stop event on SIGTERM or SIGINT, and bound the time it takes to drain."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    agent = asyncio.create_task(run(config, stop=stop), name="agent")
    stopped = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait({agent, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            notify.stopping()
            await asyncio.wait({agent}, timeout=_DRAIN_SECONDS)
        if not agent.done():
            _log.warning("did not drain within %s s", _DRAIN_SECONDS)
            agent.cancel()
            await asyncio.wait({agent})
            return
        agent.result()
        if not stop.is_set():
            raise RuntimeError("the agent returned without being asked to stop")
    finally:
        stopped.cancel()


def _explain(agent: str, error: Exception) -> None:
    foreseen: Exception | None = ExceptionGroup("", [error]).subgroup(tasks.EndAgentError)
    while isinstance(foreseen, ExceptionGroup):
        foreseen = foreseen.exceptions[0]
    if foreseen is not None:
        _log.error("agent %s ends: %s", agent, foreseen)
    else:
        _log.error("agent %s failed", agent, exc_info=error)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tricenter-agent", description="Run one of the platform's agents.")
    parser.add_argument("agent", choices=AGENTS, metavar="NAME", help=f"one of {', '.join(AGENTS)}")
    parser.add_argument("--config", required=True, type=Path, help="the agent's YAML configuration file")
    parser.add_argument("--check-config", action="store_true", help="say whether the file can be used, and exit")
    parser.add_argument("--debug", action="store_true", help="log what is only of interest when hunting a fault")
    return parser.parse_args(arguments)


def _import(agent: str, module: str) -> Any:
    return importlib.import_module(f"tricenter.{agent}.{module}")


def _loop_runner() -> Callable[[Coroutine[Any, Any, None]], None]:
    """uvloop where it is installed (twice as fast on sockets), asyncio where it is not."""
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return asyncio.run
    runner: Callable[[Coroutine[Any, Any, None]], None] = uvloop.run
    return runner


if __name__ == "__main__":
    sys.exit(main())
