"""Deployment: rolls pods from one template to the next by sizing ReplicaSets (decisions in `rollout`)."""

from __future__ import annotations

from typing import Any

from tricenter.apimachinery import selectors, times
from tricenter.client import errors
from tricenter.client.events import NORMAL
from tricenter.client.resources import DEPLOYMENTS, PODS, REPLICASETS
from tricenter.controllers import conditions, deployment_status, ownership, podcontrol, podstate, revisions, rollout
from tricenter.controllers.context import Context, Controller

Object = dict[str, Any]


class Deployments(Controller):
    """Reconciles Deployments."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._deployments = self.informer(DEPLOYMENTS)
        self._sets = self.informer(REPLICASETS)
        self._pods = self.informer(PODS)
        ownership.index_by_controller(self._sets)
        ownership.index_by_controller(self._pods)
        owner_key = podcontrol.owner_key("Deployment")
        self.enqueue_on(self._deployments)
        self.enqueue_on(self._sets, lambda obj: [key] if (key := owner_key(obj)) else [])
        self._pods.add_handler(self._pod_gone)

    async def reconcile(self, key: str) -> float | None:
        deployment = self._deployments.store.get(key)
        if deployment is None:
            return None
        deployment = dict(deployment)  # the informer's own must stay as it is
        selector = selectors.from_object(deployment["spec"].get("selector"))
        replica_sets = await ownership.claimed(self.api, deployment, DEPLOYMENTS, selector, self._sets)
        new = revisions.find_new(deployment, replica_sets)
        old = [item for item in replica_sets if item is not new]
        if "deletionTimestamp" in deployment["metadata"]:
            await self._write_status(deployment, deployment_status.status(deployment, new, old))
            return None
        paused = deployment_status.paused_condition(deployment)
        if paused is not None:
            await self._write_status(deployment, (deployment.get("status") or {}) | {"conditions": paused})
            return None  # the change of the status comes back as an event
        if deployment["spec"].get("paused") or rollout.scaling_event(deployment, replica_sets):
            return await self._scale(deployment, new, old)
        return await self._roll(deployment, new, old)

    async def _roll(self, deployment: Object, new: Object | None, old: list[Object]) -> float | None:
        if rollout.recreates(deployment):
            if any(rollout.size(item) for item in old):
                await self._resize(deployment, old, {item["metadata"]["name"]: 0 for item in old})
                return await self._report(deployment, new, old)
            if self._old_pods(old):
                return await self._report(deployment, new, old)
        new = await self._ensure_new(deployment, new, old)
        if new is None:
            return None
        if rollout.recreates(deployment):
            sizes = {new["metadata"]["name"]: rollout.limits(deployment).replicas}
        else:
            sizes = {new["metadata"]["name"]: rollout.grow_new(deployment, new, old)}
        if not await self._resize(deployment, [new], sizes) and not rollout.recreates(deployment):
            await self._resize(deployment, old, rollout.shrink_old(deployment, new, old))
        if rollout.complete(deployment, deployment_status.status(deployment, new, old)):
            await self._forget_history(deployment, old)
        return await self._report(deployment, new, old)

    async def _scale(self, deployment: Object, new: Object | None, old: list[Object]) -> float | None:
        replica_sets = [*old, *([new] if new else [])]
        sizes = rollout.scale(deployment, new, old)
        # Those that keep their size must still note the Deployment's, or this would be a scaling event for ever.
        sizes = {item["metadata"]["name"]: rollout.size(item) for item in replica_sets if rollout.size(item)} | sizes
        await self._resize(deployment, replica_sets, sizes)
        return await self._report(deployment, new, old)

    async def _ensure_new(self, deployment: Object, new: Object | None, old: list[Object]) -> Object | None:
        """The new ReplicaSet with its annotations right; None if the name it should have is taken."""
        if new is None:
            return await self._create_new(deployment, old)
        wanted = revisions.noted(deployment, new, revisions.next_revision(old))
        ready_after = deployment["spec"].get("minReadySeconds") or 0
        if wanted != new["metadata"].get("annotations") or ready_after != (new["spec"].get("minReadySeconds") or 0):
            patch = {"metadata": {"annotations": wanted}, "spec": {"minReadySeconds": ready_after}}
            new = await self._patch_set(new, patch)
        await self._note_revision(deployment, rollout.revision(new))
        return new

    async def _create_new(self, deployment: Object, old: list[Object]) -> Object | None:
        made = revisions.make(deployment, old)
        try:
            new = await self.api.create(REPLICASETS, made)
        except errors.AlreadyExists:
            return await self._name_taken(deployment, made)
        size = rollout.size(new)
        if size:
            self._tell_scaled(deployment, new, 0, size)
        await self._note_revision(deployment, rollout.revision(new))
        known = (deployment.get("status") or {}).get("conditions") or []
        if deployment_status.deadline(deployment) is not None:
            message = f'Created new replica set "{new["metadata"]["name"]}"'
            known = conditions.updated(known, "Progressing", "True", "NewReplicaSetCreated", message, update_time=True)
            deployment["status"] = (deployment.get("status") or {}) | {"conditions": known}
        return new

    async def _name_taken(self, deployment: Object, made: Object) -> Object | None:
        """Ours, from a moment ago, or a collision of hashes: then count it, which gives another name."""
        live = await self.api.get(REPLICASETS, made["metadata"]["name"], made["metadata"]["namespace"])
        owner = ownership.controller_of(live)
        ours = owner is not None and owner["uid"] == deployment["metadata"]["uid"]
        if ours and revisions.find_new(deployment, [live]):
            return live
        status = deployment.get("status") or {}
        collided = status | {"collisionCount": (status.get("collisionCount") or 0) + 1}
        await self._write_status(deployment, collided)
        return None

    async def _note_revision(self, deployment: Object, revision: int) -> None:
        if revision and rollout.revision(deployment) != revision:
            patch = {"metadata": {"annotations": {rollout.REVISION: str(revision)}}}
            await self.api.patch(DEPLOYMENTS, *_names(deployment, patch))

    async def _resize(self, deployment: Object, replica_sets: list[Object], sizes: rollout.Sizes) -> bool:
        """Write new sizes with the annotations that go with them; True if a size changed."""
        changed = False
        notes = revisions.size_annotations(deployment)
        for item in replica_sets:
            size = sizes.get(item["metadata"]["name"])
            before = rollout.size(item)
            annotations = item["metadata"].get("annotations") or {}
            if size is None or (size == before and notes.items() <= annotations.items()):
                continue
            await self._patch_set(item, {"metadata": {"annotations": notes}, "spec": {"replicas": size}})
            if size != before:
                changed = True
                self._tell_scaled(deployment, item, before, size)
        return changed

    async def _patch_set(self, replica_set: Object, patch: Object) -> Object:
        metadata = replica_set["metadata"]
        patch["metadata"] |= {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        return await self.api.patch(REPLICASETS, *_names(replica_set, patch))

    def _tell_scaled(self, deployment: Object, replica_set: Object, before: int, after: int) -> None:
        direction = "up" if after > before else "down"
        message = f"Scaled {direction} replica set {replica_set['metadata']['name']} from {before} to {after}"
        self.context.recorder.event(deployment, NORMAL, "ScalingReplicaSet", message)

    async def _forget_history(self, deployment: Object, old: list[Object]) -> None:
        for item in rollout.surplus_history(deployment, old):
            metadata = item["metadata"]
            try:
                await self.api.delete(REPLICASETS, metadata["name"], metadata["namespace"], uid=metadata["uid"])
            except errors.NotFound:
                continue

    def _old_pods(self, old: list[Object]) -> bool:
        return any(
            not podstate.finished(pod)
            for item in old
            for pod in self._pods.by_index(ownership.OWNER_INDEX, item["metadata"]["uid"])
        )

    async def _report(self, deployment: Object, new: Object | None, old: list[Object]) -> float | None:
        now = times.now()
        made = deployment_status.status(deployment, new, old)
        made = deployment_status.with_progress(deployment, made, new, old, now)
        await self._write_status(deployment, made)
        current, limit = conditions.get(made["conditions"], "Progressing"), deployment_status.deadline(deployment)
        if current is None or limit is None or current.get("reason") in {"NewReplicaSetAvailable", "DeploymentPaused"}:
            return None
        since = times.since(current.get("lastUpdateTime"), now)
        if current["status"] == "False" or since is None:
            return None
        return max(1.0, limit - since.total_seconds() + 1)

    async def _write_status(self, deployment: Object, made: Object) -> None:
        stored = self._deployments.store.get(f"{deployment['metadata']['namespace']}/{deployment['metadata']['name']}")
        if made == ((stored or deployment).get("status") or {}):
            return
        patch = {"metadata": {"uid": deployment["metadata"]["uid"]}, "status": _replacing(deployment, made)}
        try:
            await self.api.patch(DEPLOYMENTS, *_names(deployment, patch), subresource="status")
        except errors.NotFound:
            return

    def _pod_gone(self, event: str, _old: Object | None, pod: Object) -> None:
        """Recreate waits for the last old pod, of which no ReplicaSet's status tells in time."""
        if event != "DELETED":
            return
        owner = podcontrol.owner_key("ReplicaSet")(pod)
        replica_set = self._sets.store.get(owner) if owner else None
        key = podcontrol.owner_key("Deployment")(replica_set) if replica_set else None
        deployment = self._deployments.store.get(key) if key else None
        if key is not None and deployment is not None and rollout.recreates(deployment):
            self.queue.add(key)


def _names(obj: Object, patch: Object) -> tuple[str, Object, str]:
    return obj["metadata"]["name"], patch, obj["metadata"]["namespace"]


def _replacing(deployment: Object, made: Object) -> Object:
    """A merge patch that makes the status equal to `made`: fields that are absent now are removed."""
    return dict.fromkeys(deployment.get("status") or {}) | made
