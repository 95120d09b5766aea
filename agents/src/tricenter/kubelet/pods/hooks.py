"""Lifecycle hooks of containers (core/v1 LifecycleHandler)."""

import asyncio
from typing import Any

import aiohttp

from tricenter.kubelet.cri.client import CriError, Runtime
from tricenter.kubelet.probes import targets

Object = dict[str, Any]

# A hook that runs in the container has no timeout of its own; the pod's grace period bounds it.
EXEC_SECONDS = 3600.0


class HookError(Exception):
    """A hook failed; the message says how."""


class Hooks:
    """Runs hooks."""

    def __init__(self, runtime: Runtime, http: aiohttp.ClientSession) -> None:
        self._runtime = runtime
        self._http = http

    async def run(self, handler: Object, container: Object, container_id: str, address: str) -> None:
        """Run one hook to its end. Raises HookError."""
        if "exec" in handler:
            await self._exec(container_id, handler["exec"].get("command") or [])
        elif "httpGet" in handler:
            await self._get(handler["httpGet"], container, address)
        elif "sleep" in handler:
            await asyncio.sleep(handler["sleep"]["seconds"])

    async def _exec(self, container_id: str, command: list[str]) -> None:
        try:
            answer = await self._runtime.exec_sync(container_id, command, EXEC_SECONDS)
        except CriError as error:
            raise HookError(str(error)) from error
        if answer.exit_code:
            output = (answer.stderr or answer.stdout).decode(errors="replace").strip()
            raise HookError(f"command {command} exited with {answer.exit_code}: {output}")

    async def _get(self, action: Object, container: Object, address: str) -> None:
        try:
            url = targets.url(action, container, address)
            async with self._http.get(url, headers=targets.headers(action)) as answer:
                answer.raise_for_status()
        # ValueError: a port that the container does not name, a header of several lines; the API lets both pass
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise HookError(f"httpGet {address}: {error}") from error
