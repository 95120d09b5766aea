"""StatefulSet: replicas with names and storage of their own (decisions in `stateful`)."""

from __future__ import annotations

from typing import Any

from tricenter.apimachinery import selectors, times
from tricenter.client import errors
from tricenter.client.events import NORMAL, WARNING
from tricenter.client.informer import key_of
from tricenter.client.resources import CONTROLLERREVISIONS, PERSISTENTVOLUMECLAIMS, PODS, STATEFULSETS
from tricenter.controllers import ownership, podcontrol, stateful
from tricenter.controllers.context import Context, Controller
from tricenter.controllers.history import Collision, History

Object = dict[str, Any]

_REVISION_LABEL = "controller.kubernetes.io/hash"
_CLAIM_SECONDS = 1.0
_PHRASES = podcontrol.Phrases(
    created="create Pod {pod} in StatefulSet {owner} successful",
    not_created="create Pod {pod} in StatefulSet {owner} failed error: {error}",
    deleted="delete Pod {pod} in StatefulSet {owner} successful",
    not_deleted="delete Pod {pod} in StatefulSet {owner} failed error: {error}",
)


class StatefulSets(Controller):
    """Reconciles StatefulSets."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._sets = self.informer(STATEFULSETS)
        self._pods = self.informer(PODS)
        self._claims = self.informer(PERSISTENTVOLUMECLAIMS)
        ownership.index_by_controller(self._pods)
        self._history = History(context.api, self.informer(CONTROLLERREVISIONS), STATEFULSETS, _REVISION_LABEL)
        self._control = podcontrol.PodControl(context.api, context.recorder, STATEFULSETS, _PHRASES)
        owner_key = podcontrol.owner_key("StatefulSet")
        self._control.observe(self._pods, owner_key)
        self.enqueue_on(self._sets)
        self.enqueue_on(self._pods, podcontrol.keys_of_pod(self._sets, owner_key))

    async def reconcile(self, key: str) -> float | None:
        stateful_set = self._sets.store.get(key)
        if stateful_set is None:
            self._control.expectations.forget(key)
            return None
        selector = selectors.from_object(stateful_set["spec"].get("selector"))
        known = await self._history.known(stateful_set, selector)
        try:
            revisions = await self._revisions(stateful_set, known)
        except Collision:
            await self._count_collision(stateful_set)
            return None
        settled = self._control.expectations.met(key)
        claimed = await ownership.claimed(self.api, stateful_set, STATEFULSETS, selector, self._pods)
        pods = [pod for pod in claimed if stateful.ordinal(stateful_set, pod) is not None]
        failure: errors.ClientError | None = None
        wait = None
        if settled and "deletionTimestamp" not in stateful_set["metadata"]:
            try:
                wait = await self._act(key, stateful_set, revisions, pods)
                await self._forget(stateful_set, known, revisions, pods)
            except errors.ClientError as error:
                failure = error
        made, again = stateful.status(stateful_set, revisions, pods, times.now())
        await self.put_status(STATEFULSETS, stateful_set, made)
        if failure is not None:
            raise failure
        return min((seconds for seconds in (wait, again) if seconds is not None), default=None)

    async def _revisions(self, stateful_set: Object, known: list[Object]) -> stateful.Revisions:
        update = await self._history.present(stateful_set, known)
        name = (stateful_set.get("status") or {}).get("currentRevision")
        current = next((item for item in known if item["metadata"]["name"] == name), update)
        return stateful.Revisions(current, update)

    async def _forget(
        self, stateful_set: Object, known: list[Object], revisions: stateful.Revisions, pods: list[Object]
    ) -> None:
        live = {revisions.current_name, revisions.update_name, *(stateful.revision_of(pod) for pod in pods)}
        await self._history.forget(stateful_set, known, live)

    async def _act(
        self, key: str, stateful_set: Object, revisions: stateful.Revisions, pods: list[Object]
    ) -> float | None:
        """Take the next step; seconds until claims that are in the way may have gone."""
        todo = stateful.plan(stateful_set, revisions, pods, times.now())
        for pod in todo.pending:
            await self._make_claims(stateful_set, pod)
        await self._keep_claims(stateful_set, pods, todo.condemned)
        ready = [pod for pod in todo.create if await self._make_claims(stateful_set, pod)]
        if ready:
            await self._control.create(key, stateful_set, len(ready), lambda number: ready[number])
        if todo.delete:
            await self._control.delete(key, stateful_set, todo.delete)
        return _CLAIM_SECONDS if len(ready) < len(todo.create) else None

    # --- claims ---

    async def _make_claims(self, stateful_set: Object, pod: Object) -> bool:
        """Make the claims of a pod that are missing; False if one is about to go with an earlier pod."""
        number = stateful.ordinal(stateful_set, pod)
        for claim in stateful.claims_for(stateful_set, number or 0):
            known = self._claims.store.get(key_of(claim))
            if known is None:
                await self._make_claim(stateful_set, claim, pod)
            elif "deletionTimestamp" in known["metadata"] or _goes_with_pod(known):
                return False
        return True

    async def _make_claim(self, stateful_set: Object, claim: Object, pod: Object) -> None:
        owners = stateful.claim_owners(stateful_set, None, claim, condemned=False)
        if owners:
            claim["metadata"]["ownerReferences"] = owners
        name, subject = claim["metadata"]["name"], f"Pod {pod['metadata']['name']} in StatefulSet"
        what = f"{name} {subject} {stateful_set['metadata']['name']}"
        try:
            await self.api.create(PERSISTENTVOLUMECLAIMS, claim)
        except errors.AlreadyExists:
            return
        except errors.ClientError as error:
            text = f"create Claim {what} failed error: {error}"
            self.context.recorder.event(stateful_set, WARNING, "FailedCreate", text)
            raise
        self.context.recorder.event(stateful_set, NORMAL, "SuccessfulCreate", f"create Claim {what} success")

    async def _keep_claims(self, stateful_set: Object, pods: list[Object], condemned: list[Object]) -> None:
        """Let claims go with the set or with a pod that is beyond the wanted number, as the policy says."""
        for pod in pods:
            number = stateful.ordinal(stateful_set, pod)
            for template in stateful.claim_templates(stateful_set):
                name = stateful.claim_name(stateful_set, template, number or 0)
                claim = self._claims.store.get(f"{stateful_set['metadata']['namespace']}/{name}")
                if claim is None:
                    continue
                owners = stateful.claim_owners(stateful_set, pod, claim, condemned=pod in condemned)
                if owners != (claim["metadata"].get("ownerReferences") or []):
                    await self._own(claim, owners)

    async def _own(self, claim: Object, owners: list[Object]) -> None:
        metadata = claim["metadata"]
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "ownerReferences": owners or None}}
        try:
            await self.api.patch(PERSISTENTVOLUMECLAIMS, metadata["name"], patch, metadata["namespace"])
        except errors.NotFound:
            return

    # --- status ---

    async def _count_collision(self, stateful_set: Object) -> None:
        status = stateful_set.get("status") or {}
        counted = {"replicas": 0, **status, "collisionCount": (status.get("collisionCount") or 0) + 1}
        await self.put_status(STATEFULSETS, stateful_set, counted)


def _goes_with_pod(claim: Object) -> bool:
    """Whether a claim belongs to a pod that was removed: it will be deleted with it."""
    return any(item["kind"] == "Pod" for item in claim["metadata"].get("ownerReferences") or ())
