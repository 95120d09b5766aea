"""One look at one pod: read what runs, decide, act, tell. Called for a pod by one worker at a time."""

import asyncio
import logging
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from tricenter.apimachinery import times
from tricenter.client.events import WARNING
from tricenter.kubelet.cri.observer import Observer
from tricenter.kubelet.cri.records import ContainerRecord, PodRecord
from tricenter.kubelet.pods import actions, spec, status
from tricenter.kubelet.pods.backoff import Backoff
from tricenter.kubelet.pods.node import PodNode
from tricenter.kubelet.pods.starter import Starter, StartError, failed_at
from tricenter.kubelet.pods.state import PodState
from tricenter.kubelet.pods.statuses import Statuses
from tricenter.kubelet.pods.stopper import Stopper
from tricenter.kubelet.probes.prober import Prober
from tricenter.kubelet.recording import Record

Object = dict[str, Any]

# Enough for sandbox, init containers and main containers in one go; an event brings the pod back anyway.
_STEPS = 16
_NETWORK_PATIENCE = 0.5

_log = logging.getLogger(__name__)


class Worker:
    """Brings pods to what their objects ask for."""

    def __init__(
        self,
        *,
        observer: Observer,
        starter: Starter,
        stopper: Stopper,
        prober: Prober,
        statuses: Statuses,
        node: PodNode,
        record: Record,
    ) -> None:
        self._observer = observer
        self._starter = starter
        self._stopper = stopper
        self._prober = prober
        self._statuses = statuses
        self._node = node
        self._record = record
        self._backoff = Backoff()

    async def run(self, state: PodState) -> float | None:
        """One look at a pod that is to run; returns seconds after which to look again. Raises CriError."""
        retry = None
        for _ in range(_STEPS):
            record = await self._observe(state)
            self._check_deadline(state, record)
            if state.failure:
                await self._stopper.stop_pod(state, record)
                break
            step = actions.compute(state.pod, record, self._prober)
            if step.finished:
                if step.stop_pod:
                    self._publish(state, record)
                    await self._stopper.stop_pod(state, record)
                break
            moved, retry = await self._step(state, record, step)
            if not moved or state.hurry.is_set():
                break
        self._publish(state, await self._observe(state))
        waits = [wait for wait in (retry, self._deadline(state)) if wait is not None]
        return min(waits, default=None)

    async def stop(self, state: PodState) -> PodRecord:
        """End everything of a pod that is deleted; returns what is left: nothing that runs. Raises CriError."""
        self._prober.stop_liveness(spec.uid(state.pod))
        record = await self._observe(state)
        self._publish(state, record)
        if record.running or any(sandbox.ready for sandbox in record.sandboxes):
            await self._stopper.stop_pod(state, record)
            record = await self._observe(state)
        state.terminated = True
        self._prober.forget(spec.uid(state.pod))
        self._publish(state, record)
        return record

    def discard(self, state: PodState, container: ContainerRecord) -> None:
        """A container was removed from the runtime: its files go, too."""
        self._starter.discard(state.pod, container)

    def forget(self, state: PodState) -> None:
        """The pod is gone."""
        uid = spec.uid(state.pod)
        self._prober.forget(uid)
        self._statuses.forget(uid)
        for container in spec.all_containers(state.pod):
            self._backoff.forget((uid, container["name"]))

    async def _observe(self, state: PodState) -> PodRecord:
        record = await self._observer.pod(spec.uid(state.pod))
        known, state.messages = state.messages, {}
        for container in record.containers:
            if container.exited:
                words = known.get(container.id)
                state.messages[container.id] = (
                    self._starter.last_words(state.pod, container) if words is None else words
                )
            elif container.running:
                state.waiting.pop(container.name, None)
        self._prober.update(state.pod, record)
        return record

    async def _step(self, state: PodState, record: PodRecord, step: actions.Actions) -> tuple[bool, float | None]:
        """Do what was decided; returns whether to decide again at once, and when to look again otherwise."""
        if step.create_sandbox:
            return await self._new_sandbox(state, record, step)
        for kill in step.kill:
            await self._stopper.stop(state, record, kill.record, kill.reason)
        if not step.start:
            return bool(step.kill), None
        try:
            volumes = await self._starter.volumes(state.pod, record.addresses)
        except StartError as error:
            return False, error.retry_after
        self._publish(state, record)
        results = [await self._start(state, container, record, volumes) for container in step.start]
        waits = [wait for wait in results if wait is not None]
        return bool(step.kill) or len(waits) < len(results), min(waits, default=None)

    async def _new_sandbox(
        self, state: PodState, record: PodRecord, step: actions.Actions
    ) -> tuple[bool, float | None]:
        if not spec.host_network(state.pod) and not self._node.network_ready():
            if not state.told_network:
                state.told_network = True
                self._record(state.pod, WARNING, "NetworkNotReady", "network is not ready: the node has no pod CIDR")
            return False, _NETWORK_PATIENCE
        # a pod of the API sees all Services; one of the machine does not wait for the API
        if self._node.services() is None and not spec.is_static(state.pod):
            return False, _NETWORK_PATIENCE
        if step.stop_pod:
            await self._stopper.stop_pod(state, record)
        self._publish(state, record)
        # volumes need nothing of the sandbox; what is missing is reported when a container wants them
        volumes = asyncio.create_task(self._starter.volumes(state.pod, ()))
        try:
            await self._starter.sandbox(state.pod, step.attempt)
        finally:
            await asyncio.wait({volumes})
            volumes.exception()
        return True, None

    async def _start(
        self, state: PodState, container: Object, record: PodRecord, volumes: dict[str, Path]
    ) -> float | None:
        """Start a container, unless it has to wait; returns how long."""
        name, key = container["name"], (spec.uid(state.pod), container["name"])
        last = record.latest(name)
        since = max(last.finished / 1e9 if last and last.exited else 0.0, state.failures.get(name, 0.0))
        if since:
            wait = self._backoff.remaining(key, since=since, now=time.time())
            if wait > 0:
                self._back_off(state, container, key)
                return wait
            self._backoff.advance(key, since=since)
        try:
            await self._unless_hurried(state, self._starter.container(state, container, record, volumes))
        except StartError as error:
            state.waiting[name] = (error.reason, str(error))
            if not error.retry_after:
                failed_at(state, name)
            return error.retry_after or self._backoff.delay(key) or 1.0
        state.waiting.pop(name, None)
        return None

    def _back_off(self, state: PodState, container: Object, key: tuple[str, str]) -> None:
        name = container["name"]
        pod = f"{spec.name(state.pod)}_{spec.namespace(state.pod)}"
        message = f"back-off {self._backoff.delay(key):.0f}s restarting failed container={name} pod={pod}"
        state.waiting[name] = ("CrashLoopBackOff", message)
        self._record(state.pod, WARNING, "BackOff", f"Back-off restarting failed container {name}")

    async def _unless_hurried(self, state: PodState, work: Coroutine[Any, Any, str]) -> None:
        """Do something long, but give it up when the pod is to stop."""
        task, hurry = asyncio.ensure_future(work), asyncio.ensure_future(state.hurry.wait())
        try:
            await asyncio.wait({task, hurry}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                task.cancel()
                raise StartError("ContainerCreating", "the pod is to stop", retry_after=0.1)
            await task
        finally:
            hurry.cancel()

    def _deadline(self, state: PodState) -> float | None:
        """Seconds until the pod has to end; None for a pod that has no deadline or is past it."""
        seconds = state.pod["spec"].get("activeDeadlineSeconds")
        if seconds is None or state.failure:
            return None
        return max(0.0, float(seconds) - (times.now() - state.started).total_seconds())

    def _check_deadline(self, state: PodState, record: PodRecord) -> None:
        if self._deadline(state) == 0 and not actions.is_finished(state.pod, record):
            state.failure = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
            self._record(state.pod, WARNING, *state.failure)

    def _publish(self, state: PodState, record: PodRecord) -> None:
        view = status.View(
            record=record,
            verdicts=self._prober,
            waiting=state.waiting,
            messages=state.messages,
            host_addresses=self._node.addresses,
            started=state.started,
            now=times.now(),
            failure=state.failure,
            terminated=state.terminated,
        )
        self._statuses.set(state.pod, status.generate(state.pod, view))


def surplus(record: PodRecord) -> list[ContainerRecord]:
    """Ended containers that are neither the newest of their name nor the one before it."""
    seen: dict[str, int] = {}
    found = []
    for container in record.containers:
        seen[container.name] = seen.get(container.name, 0) + 1
        if seen[container.name] > 2 and not container.running:
            found.append(container)
    return found
