"""ReplicaSet: as many pods as `spec.replicas` says (upstream's pkg/controller/replicaset)."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any, ClassVar

from tricenter.apimachinery import selectors, times
from tricenter.client import errors
from tricenter.client.resources import PODS, REPLICASETS, REPLICATIONCONTROLLERS, Resource
from tricenter.controllers import conditions, ownership, podcontrol, podstate
from tricenter.controllers.context import Context, Controller

Object = dict[str, Any]

BURST = 500
"""Most pods made or removed for one ReplicaSet before looking again."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to do: make `create` pods, or remove those of `delete`."""

    create: int = 0
    delete: tuple[Object, ...] = ()


def plan(wanted: int, pods: list[Object], related: list[Object], now: dt.datetime) -> Plan:
    """Compare `wanted` with the active ones of `pods`; `related` are all pods of the same Deployment."""
    alive = [pod for pod in pods if podstate.active(pod)]
    missing = wanted - len(alive)
    if missing >= 0:
        return Plan(create=min(missing, BURST))
    on_node: dict[str, int] = {}
    for pod in related:
        if podstate.active(pod) and pod["spec"].get("nodeName"):
            on_node[pod["spec"]["nodeName"]] = on_node.get(pod["spec"]["nodeName"], 0) + 1
    return Plan(delete=tuple(podstate.deletion_order(alive, on_node, now)[: min(-missing, BURST)]))


def status(
    replica_set: Object, pods: list[Object], failure: str | None, now: dt.datetime
) -> tuple[Object, float | None]:
    """The status that `pods` amount to, and seconds until another pod becomes available."""
    spec = replica_set["spec"]
    labels = selectors.from_map((spec["template"].get("metadata") or {}).get("labels"))
    alive = [pod for pod in pods if podstate.active(pod)]
    waits = [podstate.available_in(pod, spec.get("minReadySeconds") or 0, now) for pod in alive]
    new: Object = {
        "replicas": len(alive),
        "fullyLabeledReplicas": sum(labels.matches(pod["metadata"].get("labels")) for pod in alive),
        "readyReplicas": sum(wait is not None for wait in waits),
        "availableReplicas": sum(wait == 0.0 for wait in waits),
        "observedGeneration": replica_set["metadata"].get("generation", 0),
    }
    known = (replica_set.get("status") or {}).get("conditions") or []
    if failure is None:
        known = conditions.removed(known, "ReplicaFailure")
    elif conditions.get(known, "ReplicaFailure") is None:
        # Only the first failure is told: the name of the pod in question is another one each time, and each change of
        # the status has us look again at once.
        known = conditions.updated(known, "ReplicaFailure", "True", "FailedCreate", failure)
    if known:
        new["conditions"] = known
    optional = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")
    new = {key: value for key, value in new.items() if value or key not in optional}
    return new, min((wait for wait in waits if wait), default=None)


class ReplicaSets(Controller):
    """Reconciles ReplicaSets."""

    resource: ClassVar[Resource] = REPLICASETS

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._sets = self.informer(self.resource)
        self._pods = self.informer(PODS)
        ownership.index_by_controller(self._pods)
        ownership.index_by_controller(self._sets)
        self._control = podcontrol.PodControl(context.api, context.recorder, self.resource)
        owner_key = podcontrol.owner_key(self.resource.kind)
        self._control.observe(self._pods, owner_key)
        self.enqueue_on(self._sets)
        self.enqueue_on(self._pods, podcontrol.keys_of_pod(self._sets, owner_key))

    async def reconcile(self, key: str) -> float | None:
        replica_set = self._sets.store.get(key)
        if replica_set is None:
            self._control.expectations.forget(key)
            return None
        selector = podcontrol.selector_of(replica_set)
        settled = self._control.expectations.met(key)
        pods = await ownership.claimed(self.api, replica_set, self.resource, selector, self._pods)
        failure: errors.ClientError | None = None
        if settled and "deletionTimestamp" not in replica_set["metadata"]:
            try:
                await self._act(key, replica_set, pods)
            except errors.ClientError as error:
                failure = error
        again = await self._write_status(replica_set, pods, failure)
        if failure is not None:
            raise failure
        return again

    async def _act(self, key: str, replica_set: Object, pods: list[Object]) -> None:
        wanted = replica_set["spec"].get("replicas", 1)
        todo = plan(wanted, pods, self._related(replica_set, pods), times.now())
        if todo.create:
            template = replica_set["spec"]["template"]
            await self._control.create(
                key,
                replica_set,
                todo.create,
                lambda _number: podcontrol.from_template(replica_set, self.resource, template),
            )
        elif todo.delete:
            await self._control.delete(key, replica_set, list(todo.delete))

    def _related(self, replica_set: Object, pods: list[Object]) -> list[Object]:
        owner = ownership.controller_of(replica_set)
        if owner is None:
            return pods
        siblings = self._sets.by_index(ownership.OWNER_INDEX, owner["uid"])
        return [
            pod
            for sibling in siblings
            for pod in self._pods.by_index(ownership.OWNER_INDEX, sibling["metadata"]["uid"])
        ]

    async def _write_status(
        self, replica_set: Object, pods: list[Object], failure: errors.ClientError | None
    ) -> float | None:
        new, again = status(replica_set, pods, None if failure is None else str(failure), times.now())
        await self.put_status(self.resource, replica_set, new)
        return again


class ReplicationControllers(ReplicaSets):
    """Reconciles ReplicationControllers, the ReplicaSets of old (upstream's pkg/controller/replication is as thin)."""

    resource = REPLICATIONCONTROLLERS
