"""The loop: take the next pod, decide, assume, bind in the background.

Decisions are made one after the other, each seeing the ones before; bindings are written concurrently. A binding that
fails takes the assumption back.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, NoReturn

from tricenter.apimachinery import times
from tricenter.apimachinery.selectors import LabelSelector
from tricenter.client import Client, errors
from tricenter.client.events import NORMAL, WARNING, Recorder
from tricenter.client.resources import PODS
from tricenter.runtime import metrics
from tricenter.scheduler.backlog import Backlog, Waiting
from tricenter.scheduler.decide import Decider, Refusal
from tricenter.scheduler.pods import PodInfo
from tricenter.scheduler.state import State

_BREATHE_SECONDS = 0.005
"""How long decisions may keep the event loop from its sockets."""

_ATTEMPTS = metrics.Counter("scheduler_schedule_attempts_total", "Attempts to place a pod", ["result"])
_DECIDING = metrics.Histogram("scheduler_scheduling_algorithm_duration_seconds", "Time of a decision")

_log = logging.getLogger(__name__)


class Cycle:
    """Applies decisions until cancelled."""

    def __init__(
        self,
        api: Client,
        state: State,
        backlog: Backlog,
        recorder: Recorder,
        siblings: Callable[[PodInfo], LabelSelector],
    ) -> None:
        self._api = api
        self._state = state
        self._backlog = backlog
        self._recorder = recorder
        self._siblings = siblings
        self._decider = Decider(state)

    async def run(self) -> NoReturn:
        """Place pods for ever."""
        async with asyncio.TaskGroup() as group:
            breathed = time.perf_counter()
            while True:
                waiting = await self._backlog.pop()
                moves = self._backlog.moves
                with _DECIDING.time():
                    outcome = self._decider.decide(waiting.pod, self._siblings(waiting.pod))
                if isinstance(outcome, Refusal):
                    _ATTEMPTS.labels("unschedulable").inc()
                    self._backlog.park(waiting, moves)
                    group.create_task(self._refuse(waiting.pod, outcome.message))
                else:
                    self._state.place(waiting.pod, outcome)
                    group.create_task(self._bind(waiting, outcome))
                if time.perf_counter() - breathed > _BREATHE_SECONDS:
                    await asyncio.sleep(0)
                    breathed = time.perf_counter()

    async def _bind(self, waiting: Waiting, node: str) -> None:
        pod = waiting.pod
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        try:
            await self._api.create_subresource(PODS, pod.name, pod.namespace, "binding", binding)
        except errors.ClientError as error:
            _ATTEMPTS.labels("error").inc()
            _log.warning("binding to %s failed: %s", node, error, extra={"object": pod.key})
            await self._reconsider(waiting, node, error)
            return
        self._backlog.remove(pod.uid)
        _ATTEMPTS.labels("scheduled").inc()
        self._recorder.event(pod.obj, NORMAL, "Scheduled", f"Successfully assigned {pod.key} to {node}")

    async def _reconsider(self, waiting: Waiting, node: str, error: errors.ClientError) -> None:
        """A failed binding: whatever the API says of the pod holds, because the write may have arrived."""
        pod = waiting.pod
        try:
            current = await self._api.get(PODS, pod.name, pod.namespace)
            bound = current["spec"].get("nodeName") if current["metadata"]["uid"] == pod.uid else ""
        except errors.NotFound:
            bound = ""
        except errors.ClientError:
            bound = None
        if bound == node:
            self._backlog.remove(pod.uid)
            return
        if self._state.node_of(pod.uid) == node:
            self._state.remove(pod.uid)
        self._backlog.site_changed()
        if bound is None:
            self._recorder.event(pod.obj, WARNING, "FailedScheduling", str(error))
            self._backlog.retry(waiting)
        else:  # gone, or placed by somebody else, of which the informer tells
            self._backlog.remove(pod.uid)

    async def _refuse(self, pod: PodInfo, message: str) -> None:
        """Tell the user why: an event and the condition PodScheduled=False."""
        self._recorder.event(pod.obj, WARNING, "FailedScheduling", message)
        conditions = (pod.obj.get("status") or {}).get("conditions") or ()
        known: dict[str, Any] = next((item for item in conditions if item["type"] == "PodScheduled"), {})
        if known.get("status") == "False" and known.get("message") == message:
            return
        moment = times.now_rfc3339()
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastProbeTime": None,
            "lastTransitionTime": known.get("lastTransitionTime") or moment,
        }
        patch = {"metadata": {"uid": pod.uid}, "status": {"conditions": [condition]}}
        try:
            await self._api.patch(
                PODS, pod.name, patch, pod.namespace, subresource="status", content_type=Client.STRATEGIC_PATCH
            )
        except errors.NotFound:
            pass
        except errors.ClientError as error:
            _log.info("condition not written: %s", error, extra={"object": pod.key})
