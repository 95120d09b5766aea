"""From informers to the scheduler's State and Backlog."""

from __future__ import annotations

import logging
from typing import Any

from tricenter.apimachinery.quantity import QuantityError
from tricenter.apimachinery.selectors import SelectorError
from tricenter.scheduler import pods
from tricenter.scheduler.backlog import Backlog
from tricenter.scheduler.state import State

Object = dict[str, Any]

_log = logging.getLogger(__name__)


class Watching:
    """Handlers for the informers of pods, nodes and namespaces."""

    def __init__(self, state: State, backlog: Backlog, scheduler_name: str) -> None:
        self._state = state
        self._backlog = backlog
        self._scheduler_name = scheduler_name

    def pod(self, event: str, old: Object | None, new: Object) -> None:
        """A pod was created, changed, finished or deleted."""
        uid = new["metadata"]["uid"]
        if event == "DELETED" or finished(new):
            self._backlog.remove(uid)
            if self._state.remove(uid) is not None:
                self._backlog.site_changed()
        elif new["spec"].get("nodeName"):
            self._placed(new, old)
        elif self._ours(new):
            self._waiting(new, old)
        else:
            self._backlog.remove(uid)

    def node(self, event: str, _old: Object | None, new: Object) -> None:
        """A node came, changed or went."""
        if event == "DELETED":
            self._state.remove_node(new["metadata"]["name"])
        elif self._state.set_node(new):
            self._backlog.site_changed()

    def namespace(self, event: str, _old: Object | None, new: Object) -> None:
        """A namespace came or changed its labels, which affinity terms may select."""
        if event != "DELETED" and self._state.set_namespace(
            new["metadata"]["name"], new["metadata"].get("labels") or {}
        ):
            self._backlog.site_changed()

    def _placed(self, new: Object, old: Object | None) -> None:
        uid, node = new["metadata"]["uid"], new["spec"]["nodeName"]
        self._backlog.remove(uid)
        known = self._state.node_of(uid)
        if known == node and old is not None and not _matters(old, new):
            return
        info = _read(new)
        if info is not None:
            self._state.place(info, node)
            if known != node:  # pods may wait to be near this one
                self._backlog.site_changed()

    def _waiting(self, new: Object, old: Object | None) -> None:
        uid = new["metadata"]["uid"]
        if self._state.node_of(uid) is not None:
            return  # we have placed it, and this is news from before the binding
        info = _read(new)
        if info is None:
            return
        if old is not None and uid in self._backlog and not _matters(old, new):
            self._backlog.refresh(info)  # for example our own condition
        else:
            self._backlog.add(info)

    def _ours(self, pod: Object) -> bool:
        spec = pod["spec"]
        if (spec.get("schedulerName") or self._scheduler_name) != self._scheduler_name:
            return False
        gated = bool(spec.get("schedulingGates"))
        return not gated and "deletionTimestamp" not in pod["metadata"]


def finished(pod: Object) -> bool:
    """Whether the pod has ended and uses nothing."""
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}


def _matters(old: Object, new: Object) -> bool:
    """Whether anything changed that the scheduler looks at."""
    before, after = old["metadata"], new["metadata"]
    return bool(old["spec"] != new["spec"]) or any(
        before.get(field) != after.get(field) for field in ("labels", "deletionTimestamp")
    )


def _read(pod: Object) -> pods.PodInfo | None:
    try:
        return pods.read(pod)
    except (SelectorError, QuantityError) as error:
        _log.error("not a valid pod: %s", error, extra={"object": pod["metadata"]["name"]})
        return None
