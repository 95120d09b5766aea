"""Stops containers and pods: preStop hook, stop signal, grace, SIGKILL; main containers before sidecars."""

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from typing import Any

from tricenter.client.events import NORMAL, WARNING
from tricenter.kubelet.cri.client import Runtime
from tricenter.kubelet.cri.records import ContainerRecord, PodRecord
from tricenter.kubelet.pods import spec
from tricenter.kubelet.pods.hooks import HookError, Hooks
from tricenter.kubelet.pods.state import PodState
from tricenter.kubelet.recording import Record

Object = dict[str, Any]

# Even a forced end gives the process a moment (upstream's minimumGracePeriodInSeconds).
MINIMUM_GRACE = 2

_log = logging.getLogger(__name__)


class Stopper:
    """Ends what runs of pods."""

    def __init__(self, runtime: Runtime, hooks: Hooks, record: Record) -> None:
        self._runtime = runtime
        self._hooks = hooks
        self._record = record

    async def stop_pod(self, state: PodState, record: PodRecord) -> None:
        """End all containers, then the sandboxes; a deletion with less patience meanwhile is obeyed."""
        sidecars = [item["name"] for item in spec.sidecars(state.pod)]
        main = [item for item in record.running if item.name not in sidecars]
        await self._stop_all(state, record, main)
        # sidecars end in the reverse order of their start
        for name in reversed(sidecars):
            await self._stop_all(state, record, [item for item in record.running if item.name == name])
        for sandbox in record.sandboxes:
            await self._runtime.stop_sandbox(sandbox.id)

    async def stop(self, state: PodState, record: PodRecord, container: ContainerRecord, reason: str) -> None:
        """End one container that is to be restarted."""
        await self._stop_one(state, record, container, spec.grace_seconds(state.pod), reason)

    async def _stop_all(self, state: PodState, record: PodRecord, containers: Sequence[ContainerRecord]) -> None:
        if not containers:
            return
        state.hurry.clear()
        grace = spec.grace_seconds(state.pod)
        calls = self._calls(state, record, containers, grace)
        hurry = asyncio.create_task(state.hurry.wait())
        try:
            waited: set[asyncio.Future[Any]] = {hurry, calls}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if not calls.done():
                grace = min(grace, spec.grace_seconds(state.pod))
                patience = max(MINIMUM_GRACE, grace)
                await asyncio.gather(*(self._runtime.stop_container(item.id, patience) for item in containers))
            await calls
        finally:
            hurry.cancel()
            calls.cancel()

    def _calls(
        self, state: PodState, record: PodRecord, containers: Iterable[ContainerRecord], grace: int
    ) -> "asyncio.Future[list[None]]":
        return asyncio.gather(
            *(self._stop_one(state, record, item, grace, f"Stopping container {item.name}") for item in containers)
        )

    async def _stop_one(
        self, state: PodState, record: PodRecord, container: ContainerRecord, grace: int, reason: str
    ) -> None:
        self._record(state.pod, NORMAL, "Killing", reason)
        begun = time.monotonic()
        definition = next((item for item in spec.all_containers(state.pod) if item["name"] == container.name), None)
        hook = ((definition or {}).get("lifecycle") or {}).get("preStop")
        if definition and hook and grace > 0:
            await self._pre_stop(state, record, container, definition, grace)
        left = max(MINIMUM_GRACE, round(grace - (time.monotonic() - begun)))
        await self._runtime.stop_container(container.id, left)

    async def _pre_stop(
        self, state: PodState, record: PodRecord, container: ContainerRecord, definition: Object, grace: int
    ) -> None:
        address = next(iter(record.addresses), "127.0.0.1")
        try:
            async with asyncio.timeout(grace):
                await self._hooks.run(definition["lifecycle"]["preStop"], definition, container.id, address)
        except (HookError, TimeoutError) as error:
            message = f"PreStopHook failed: {error or 'grace period is over'}"
            self._record(state.pod, WARNING, "FailedPreStopHook", message)
