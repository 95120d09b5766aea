"""DaemonSet: one pod on every node that it is meant for (decisions in `daemon`)."""

from __future__ import annotations

from typing import Any

from tricenter.apimachinery import selectors, times
from tricenter.client import errors
from tricenter.client.backoff import delay_after
from tricenter.client.events import WARNING
from tricenter.client.informer import key_of
from tricenter.client.resources import CONTROLLERREVISIONS, DAEMONSETS, NODES, PODS
from tricenter.controllers import daemon, ownership, podcontrol, podstate
from tricenter.controllers.context import Context, Controller
from tricenter.controllers.history import POD_LABEL, Collision, History

Object = dict[str, Any]

BURST = 250
"""Most pods made or removed for one DaemonSet before looking again."""
_FIRST_DELAY, _LONGEST_DELAY = 1.0, 900.0
"""Seconds between two pods that fail on one node."""


class DaemonSets(Controller):
    """Reconciles DaemonSets."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._sets = self.informer(DAEMONSETS)
        self._pods = self.informer(PODS)
        self._nodes = self.informer(NODES)
        ownership.index_by_controller(self._pods)
        self._history = History(context.api, self.informer(CONTROLLERREVISIONS), DAEMONSETS, POD_LABEL)
        self._control = podcontrol.PodControl(context.api, context.recorder, DAEMONSETS)
        owner_key = podcontrol.owner_key("DaemonSet")
        self._control.observe(self._pods, owner_key)
        self._failures: dict[str, dict[str, tuple[int, float]]] = {}
        self.enqueue_on(self._sets)
        self.enqueue_on(self._pods, podcontrol.keys_of_pod(self._sets, owner_key))
        self._nodes.add_handler(self._node_changed)

    async def reconcile(self, key: str) -> float | None:
        daemon_set = self._sets.store.get(key)
        if daemon_set is None:
            self._control.expectations.forget(key)
            self._failures.pop(key, None)
            return None
        if "deletionTimestamp" in daemon_set["metadata"]:
            return None
        selector = selectors.from_object(daemon_set["spec"].get("selector"))
        known = await self._history.known(daemon_set, selector)
        try:
            present = await self._history.present(daemon_set, known)
        except Collision:
            await self._count_collision(daemon_set)
            return None
        hashed = present["metadata"]["labels"][POD_LABEL]
        settled = self._control.expectations.met(key)
        pods = await ownership.claimed(self.api, daemon_set, DAEMONSETS, selector, self._pods)
        by_node, nodes = daemon.group_by_node(pods), list(self._nodes.store.values())
        failure: errors.ClientError | None = None
        wait = None
        if settled:
            try:
                wait = await self._act(key, daemon_set, nodes, by_node, hashed)
                await self._forget(daemon_set, known, present, pods)
            except errors.ClientError as error:
                failure = error
        made, again = daemon.status(daemon_set, nodes, by_node, hashed, times.now())
        await self.put_status(DAEMONSETS, daemon_set, made)
        if failure is not None:
            raise failure
        return min((seconds for seconds in (wait, again) if seconds is not None), default=None)

    async def _act(
        self, key: str, daemon_set: Object, nodes: list[Object], pods: dict[str, list[Object]], hashed: str
    ) -> float | None:
        """Take the next step; seconds until a node where pods fail gets another one."""
        now = times.now()
        actions = daemon.manage(daemon_set, nodes, pods, hashed, now)
        wait = self._let_fail(key, daemon_set, actions)
        if not actions and daemon.rolls(daemon_set):
            actions = daemon.roll(daemon_set, nodes, pods, hashed, now)
        create, delete = actions.create[:BURST], [*actions.delete, *actions.failed][:BURST]
        if delete:
            await self._control.delete(key, daemon_set, delete)
        if create:
            await self._control.create(
                key, daemon_set, len(create), lambda number: daemon.pod_for(daemon_set, create[number], hashed)
            )
        return wait

    def _let_fail(self, key: str, daemon_set: Object, actions: daemon.Actions) -> float | None:
        """Leave failed pods until their node's delay is over."""
        now, waits, due = times.now().timestamp(), [], []
        nodes = self._failures.setdefault(key, {})
        for pod in actions.failed:
            node = daemon.node_of(pod)
            count, until = nodes.get(node, (0, 0.0))
            if until > now:
                waits.append(until - now)
                continue
            nodes[node] = (count + 1, now + delay_after(count, first=_FIRST_DELAY, limit=_LONGEST_DELAY))
            due.append(pod)
            what = "Failed" if podstate.phase(pod) == "Failed" else "Succeeded"
            text = f"Found {what.lower()} daemon pod {key_of(pod)} on node {node}, will try to "
            text += "kill it" if what == "Failed" else "delete it"
            self.context.recorder.event(daemon_set, WARNING, f"{what}DaemonPod", text)
        actions.failed = due
        return min(waits, default=None)

    async def _forget(self, daemon_set: Object, known: list[Object], present: Object, pods: list[Object]) -> None:
        used = {(pod["metadata"].get("labels") or {}).get(POD_LABEL) for pod in pods}
        live = {item["metadata"]["name"] for item in known if item["metadata"]["labels"].get(POD_LABEL) in used}
        await self._history.forget(daemon_set, known, live | {present["metadata"]["name"]})

    async def _count_collision(self, daemon_set: Object) -> None:
        status = daemon_set.get("status") or {}
        await self.put_status(
            DAEMONSETS, daemon_set, status | {"collisionCount": (status.get("collisionCount") or 0) + 1}
        )

    def _node_changed(self, event: str, old: Object | None, new: Object) -> None:
        """Heartbeats do not matter; labels, taints, and that nodes come and go do."""
        if event == "MODIFIED" and old is not None and _relevant(old) == _relevant(new):
            return
        for key in self._sets.store:
            self.queue.add(key)


def _relevant(node: Object) -> tuple[Any, ...]:
    return node["metadata"].get("labels"), (node.get("spec") or {}).get("taints")
