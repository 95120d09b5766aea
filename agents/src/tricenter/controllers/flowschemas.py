"""Says of each FlowSchema whether its priority level exists (apiserver/pkg/util/flowcontrol/apf_controller.go).

Upstream's API servers do this themselves; here it is the leader's, so that five servers do not write the same.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from tricenter.apimachinery import times
from tricenter.client import errors
from tricenter.client.informer import key_of
from tricenter.client.resources import FLOWSCHEMAS, PRIORITYLEVELCONFIGURATIONS
from tricenter.controllers.context import Context, Controller

Object = dict[str, Any]

_TYPE = "Dangling"


class FlowSchemas(Controller):
    """Reconciles flow schemas."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._schemas = self.informer(FLOWSCHEMAS)
        self._levels = self.informer(PRIORITYLEVELCONFIGURATIONS)
        self.enqueue_on(self._schemas)
        self.enqueue_on(self._levels, self._of_level)

    def _of_level(self, level: Object) -> list[str]:
        name = level["metadata"]["name"]
        return [key_of(schema) for schema in self._schemas.store.values() if level_of(schema) == name]

    async def reconcile(self, key: str) -> float | None:
        schema = self._schemas.store.get(key)
        if schema is None:
            return None
        conditions = (schema.get("status") or {}).get("conditions") or []
        present: Object = next((item for item in conditions if item.get("type") == _TYPE), {})
        wanted = dangling(schema, self._levels.store)
        if all(present.get(part) == text for part, text in wanted.items()):
            return None
        changed = present.get("status") != wanted["status"]
        since = times.now_rfc3339() if changed else present.get("lastTransitionTime")
        others = [item for item in conditions if item.get("type") != _TYPE]
        status = {"conditions": [*others, {**wanted, "lastTransitionTime": since}]}
        try:
            await self.api.update_status(FLOWSCHEMAS, {**schema, "status": status})
        except errors.NotFound:
            return None
        return None


def level_of(schema: Object) -> str:
    """The level that a schema refers to."""
    return str(schema["spec"]["priorityLevelConfiguration"]["name"])


def dangling(schema: Object, levels: Container[str]) -> dict[str, str]:
    """The condition of a schema, but for its time."""
    name = level_of(schema)
    exists = name in levels
    text = f'This FlowSchema references the PriorityLevelConfiguration object named "{name}" '
    return {
        "type": _TYPE,
        "status": "False" if exists else "True",
        "reason": "Found" if exists else "NotFound",
        "message": text + ("and it exists" if exists else "but there is no such object"),
    }
