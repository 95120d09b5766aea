"""Events: what an agent tells people about an object (core/v1 Event, shown by `kubectl describe`).

Repeated events are counted in one object instead of filling the store (client-go's event correlator): the same event
again raises its `count`. Each object may cause a burst of 25 and then one every five minutes, as upstream.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections import OrderedDict
from typing import Any

from tricenter.apimachinery import times
from tricenter.client import errors
from tricenter.client.api import Client
from tricenter.client.resources import EVENTS

NORMAL = "Normal"
WARNING = "Warning"

_BURST = 25.0
_REFILL_PER_SECOND = 1 / 300
_REMEMBERED = 4096
_PENDING = 1000
_MESSAGE_LIMIT = 1024

_log = logging.getLogger(__name__)

_Key = tuple[str, str, str, str]


@dataclasses.dataclass
class _Known:
    name: str
    namespace: str
    count: int


class Recorder:
    """Sends events in the background; never blocks and never fails its caller."""

    def __init__(self, api: Client, component: str, host: str) -> None:
        self._api = api
        self._source = {"component": component, "host": host}
        self._known: OrderedDict[_Key, _Known] = OrderedDict()
        self._tokens: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._pending: asyncio.Queue[tuple[_Key, dict[str, Any]]] = asyncio.Queue(_PENDING)
        self._task: asyncio.Task[None] | None = None

    def event(self, obj: dict[str, Any], type: str, reason: str, message: str) -> None:  # noqa: A002 - API's name
        """Record that `reason` (CamelCase) happened to `obj`; `type` is Normal or Warning."""
        reference = reference_to(obj)
        uid = reference.get("uid") or f"{reference.get('namespace')}/{reference['name']}"
        if not self._allowed(uid, time.monotonic()):
            return
        message = message[:_MESSAGE_LIMIT]
        body = self._body(reference, type, reason, message)
        try:
            self._pending.put_nowait(((uid, type, reason, message), body))
        except asyncio.QueueFull:
            _log.debug("too many events wait: dropped %s", reason, extra={"object": reference["name"]})
            return
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._send_all(), name="events")

    async def close(self, *, patience: float = 2.0) -> None:
        """Send what waits, for at most `patience` seconds."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=patience)
            self._task.cancel()

    async def _send_all(self) -> None:
        while not self._pending.empty():
            key, body = self._pending.get_nowait()
            try:
                await self._send(key, body)
            except errors.ClientError as error:
                _log.info("event not recorded: %s", error, extra={"object": body["involvedObject"]["name"]})

    async def _send(self, key: _Key, body: dict[str, Any]) -> None:
        known = self._known.get(key)
        if known is not None:
            patch = {"count": known.count + 1, "lastTimestamp": body["lastTimestamp"]}
            try:
                await self._api.patch(EVENTS, known.name, patch, known.namespace)
            except errors.NotFound:  # expired; the same event starts a new count
                pass
            else:
                known.count += 1
                self._known.move_to_end(key)
                return
        metadata = body["metadata"]
        await self._api.create(EVENTS, body)
        self._known[key] = _Known(metadata["name"], metadata["namespace"], 1)
        self._known.move_to_end(key)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def _body(self, reference: dict[str, Any], kind: str, reason: str, message: str) -> dict[str, Any]:
        now = times.now_rfc3339()
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{reference['name']}.{time.time_ns():x}",
                "namespace": reference.get("namespace") or "default",
            },
            "involvedObject": reference,
            "reason": reason,
            "message": message,
            "type": kind,
            "source": self._source,
            "reportingComponent": self._source["component"],
            "reportingInstance": self._source["host"],
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }

    def _allowed(self, uid: str, now: float) -> bool:
        tokens, then = self._tokens.get(uid, (_BURST, now))
        tokens = min(_BURST, tokens + (now - then) * _REFILL_PER_SECOND)
        allowed = tokens >= 1
        self._tokens[uid] = (tokens - 1 if allowed else tokens, now)
        self._tokens.move_to_end(uid)
        if len(self._tokens) > _REMEMBERED:
            self._tokens.popitem(last=False)
        return allowed


def reference_to(obj: dict[str, Any]) -> dict[str, Any]:
    """The ObjectReference of `obj`."""
    metadata = obj["metadata"]
    reference = {
        "apiVersion": obj.get("apiVersion"),
        "kind": obj.get("kind"),
        "namespace": metadata.get("namespace"),
        "name": metadata["name"],
        "uid": metadata.get("uid"),
        "resourceVersion": metadata.get("resourceVersion"),
    }
    return {key: value for key, value in reference.items() if value}
