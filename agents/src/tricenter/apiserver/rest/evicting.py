"""pods/eviction: a delete that disruption budgets may refuse (pkg/registry/core/pod/storage/eviction.go)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tricenter.apimachinery import copies, selectors, times
from tricenter.apiserver import errors
from tricenter.apiserver.cache.freshness import Freshness
from tricenter.apiserver.requestinfo import RequestInfo
from tricenter.apiserver.resources import Resources
from tricenter.apiserver.rest.call import Call
from tricenter.apiserver.rest.deleting import DeleteOptions, Deleting, check_preconditions, options
from tricenter.apiserver.storage.store import Store

Object = dict[str, Any]

_RETRY_SECONDS = 10
_MOST_DISRUPTED = 2000
"""Evictions that the controller of budgets may not have noticed yet."""
_EVICTED = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "EvictionByEvictionAPI",
    "message": "Eviction API: evicting",
}


class Eviction:
    """Evicts pods."""

    def __init__(self, resources: Resources, store: Store, fresh: Freshness, deleting: Deleting) -> None:
        self._budgets = resources["policy", "poddisruptionbudgets"]
        self._pods = resources["", "pods"]
        self._store = store
        self._fresh = fresh
        self._deleting = deleting

    async def evict(self, call: Call, request: Object) -> None:
        """Delete the pod of the request if its budget allows. Raises StatusError."""
        if request["metadata"].get("name") != call.info.name:
            raise errors.BadRequest("name in URL does not match name in Eviction object")
        await self._fresh.wait()
        entry = self._pods.objects.get(call.info.namespace, call.info.name)
        if entry is None:
            raise errors.not_found(call.target)
        asked = options(request.get("deleteOptions") or {}, call)
        pod = entry.load()
        spared = "" if _goes_anyway(pod) else await self._take_from_budget(call, pod)
        if not spared or asked.version:
            await self._remove(call, entry.key, asked)
            return
        try:
            # It must not have become ready since it was found not to count.
            await self._remove(call, entry.key, replace(asked, version=pod["metadata"]["resourceVersion"]))
        except errors.Conflict as error:
            raise _behind(spared) from error

    async def _remove(self, call: Call, key: str, wanted: DeleteOptions) -> None:
        if not call.dry_run:
            wanted = await self._mark(call, key, wanted)
        await self._deleting.remove(replace(call, info=_of_pod(call.info)), wanted, admit=False)

    async def _mark(self, call: Call, key: str, wanted: DeleteOptions) -> DeleteOptions:
        """Say in the pod's status why it ends (KEP-3329); the options, for the pod as it is then."""

        async def step(pod: Object) -> Object:
            check_preconditions(call, pod, wanted)
            pod = copies.deep(pod)
            known = pod.setdefault("status", {}).get("conditions") or []
            pod["status"]["conditions"] = [item for item in known if item["type"] != _EVICTED["type"]]
            pod["status"]["conditions"].append(_EVICTED | {"lastTransitionTime": times.now_rfc3339()})
            return pod

        stored = await self._store.update(key, None, step)
        if stored is None:
            raise errors.not_found(call.target)
        return replace(wanted, version=str(stored.revision)) if wanted.version else wanted

    async def _take_from_budget(self, call: Call, pod: Object) -> str:
        """Count the disruption; the budget of a pod that is not ready and goes without counting, else nothing."""
        budgets = self._matching(pod)
        if len(budgets) > 1:
            raise errors.Internal(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
            )
        if not budgets:
            return ""
        (budget,) = budgets
        name: str = budget["metadata"]["name"]
        if _unready_goes(budget, pod):
            return name
        if call.dry_run:
            disrupted(budget, pod)
            return ""

        async def step(present: Object) -> Object:
            return disrupted(copies.deep(present), pod)

        await self._store.update(self._budgets.key(call.info.namespace, name), None, step)
        return ""

    def _matching(self, pod: Object) -> list[Object]:
        cache = self._budgets.objects
        found = []
        for key in cache.keys(pod["metadata"]["namespace"]):
            budget = cache.entries[key].load()
            selector = (budget.get("spec") or {}).get("selector")
            if selectors.from_object(selector).matches(pod["metadata"].get("labels")):
                found.append(budget)
        return found


def _of_pod(info: RequestInfo) -> RequestInfo:
    return replace(info, subresource="", verb="delete")


def _goes_anyway(pod: Object) -> bool:
    """Pods that have ended, are pending or are already being deleted cost no budget."""
    phase = (pod.get("status") or {}).get("phase")
    return phase in ("Succeeded", "Failed", "Pending") or bool(pod["metadata"].get("deletionTimestamp"))


def _unready_goes(budget: Object, pod: Object) -> bool:
    """Whether a pod that is not ready may go without counting (KEP-3017)."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    if any(item.get("type") == "Ready" and item.get("status") == "True" for item in conditions):
        return False
    if (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status") or {}
    healthy, desired = status.get("currentHealthy") or 0, status.get("desiredHealthy") or 0
    return desired > 0 and healthy >= desired


def disrupted(budget: Object, pod: Object) -> Object:
    """The budget with one disruption less (checkAndDecrement). Raises TooManyRequests, Forbidden."""
    name = budget["metadata"]["name"]
    status = budget.setdefault("status", {})
    if (status.get("observedGeneration") or 0) < (budget["metadata"].get("generation") or 0):
        raise _behind(name)
    allowed, going = status.get("disruptionsAllowed") or 0, status.setdefault("disruptedPods", {})
    target = errors.Target(group="policy", resource="poddisruptionbudget", name=name)
    if allowed < 0:
        raise errors.forbidden(target, "pdb disruptions allowed is negative")
    if len(going) > _MOST_DISRUPTED:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise errors.forbidden(target, why)
    if not allowed:
        needs, has = status.get("desiredHealthy") or 0, status.get("currentHealthy") or 0
        # Without a time, or clients that wait by themselves do so for it ten times before anybody hears of it.
        raise _refused(f"The disruption budget {name} needs {needs} healthy pods and has {has} currently")
    status["disruptionsAllowed"] = allowed - 1
    going[pod["metadata"]["name"]] = times.now_rfc3339()
    return budget


def _behind(name: str) -> errors.TooManyRequests:
    """The answer when the controller of budgets has something to do first."""
    return _refused(f"The disruption budget {name} is still being processed by the server.", after=_RETRY_SECONDS)


def _refused(message: str, *, after: int | None = None) -> errors.TooManyRequests:
    causes = [{"reason": "DisruptionBudget", "message": message}]
    return errors.TooManyRequests(
        "Cannot evict pod as it would violate the pod's disruption budget.", causes=causes, retry_after=after
    )
