"""PodDisruptionBudget: how many of its pods may go right now (upstream's pkg/controller/disruption).

The eviction API takes from `status.disruptionsAllowed` and notes the pod in `disruptedPods`; here both are worked out
anew whenever pods change.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable
from typing import Any

from tricenter.apimachinery import selectors, times
from tricenter.client import errors
from tricenter.client.events import NORMAL, WARNING
from tricenter.client.informer import key_of
from tricenter.client.resources import DEPLOYMENTS, PODDISRUPTIONBUDGETS, PODS, REPLICASETS, STATEFULSETS
from tricenter.controllers import conditions, ownership, podstate, rollout
from tricenter.controllers.context import Context, Controller
from tricenter.controllers.scales import NoScale, Scales

Object = dict[str, Any]

DELETION_SECONDS = 120
"""A pod that was evicted and is still not being deleted after that time counts again."""
_NAMESPACE = "namespace"
_UNMANAGED = (
    "Pods selected by this PodDisruptionBudget (selector: {}) were found to be unmanaged. As a result, the status of "
    "the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please "
    'set ".spec.minAvailable" field of the PDB to an integer value.'
)

_log = logging.getLogger(__name__)


def needs_scale(budget: Object) -> bool:
    """Whether the budget is relative to how many pods its workloads ask for, and not to how many there are."""
    spec = budget["spec"]
    return spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str)


def desired_healthy(budget: Object, expected: int) -> int:
    """How many of `expected` pods must stay healthy; percentages round up."""
    spec = budget["spec"]
    if spec.get("maxUnavailable") is not None:
        return max(0, expected - rollout.absolute(spec["maxUnavailable"], expected, up=True))
    if spec.get("minAvailable") is not None:
        return rollout.absolute(spec["minAvailable"], expected, up=True)
    return 0


def status(budget: Object, pods: list[Object], expected: int, now: dt.datetime) -> tuple[Object, float | None]:
    """The status of a budget over its pods, and seconds until an evicted pod counts again."""
    disrupted, again = _still_disrupted(budget, pods, now)
    healthy = sum(
        podstate.ready(pod) and not podstate.terminating(pod) and pod["metadata"]["name"] not in disrupted
        for pod in pods
    )
    desired = desired_healthy(budget, expected)
    allowed = max(0, healthy - desired) if expected > 0 else 0
    made: Object = {
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
        "disruptionsAllowed": allowed,
        "observedGeneration": budget["metadata"].get("generation", 0),
        "conditions": _conditions(
            budget, "SufficientPods" if allowed else "InsufficientPods", "", allowed=bool(allowed)
        ),
    }
    return made | ({"disruptedPods": disrupted} if disrupted else {}), again


def failed(budget: Object, why: str) -> Object:
    """The status when the numbers cannot be worked out: nothing may go."""
    known = budget.get("status") or {}
    zeros = dict.fromkeys(("currentHealthy", "desiredHealthy", "expectedPods"), 0)
    return (
        zeros | known | {"disruptionsAllowed": 0, "conditions": _conditions(budget, "SyncFailed", why, allowed=False)}
    )


def _conditions(budget: Object, reason: str, message: str, *, allowed: bool) -> list[Object]:
    known = (budget.get("status") or {}).get("conditions") or []
    made = conditions.updated(known, "DisruptionAllowed", "True" if allowed else "False", reason, message)
    generation = budget["metadata"].get("generation", 0)
    return [item | {"observedGeneration": generation} if item["type"] == "DisruptionAllowed" else item for item in made]


def _still_disrupted(budget: Object, pods: list[Object], now: dt.datetime) -> tuple[dict[str, str], float | None]:
    """Pods that were evicted a moment ago and are not being deleted yet."""
    known = (budget.get("status") or {}).get("disruptedPods") or {}
    found: dict[str, str] = {}
    waits = []
    for pod in pods:
        since = times.since(known.get(pod["metadata"]["name"]), now)
        if since is None or podstate.terminating(pod) or since.total_seconds() > DELETION_SECONDS:
            continue
        found[pod["metadata"]["name"]] = known[pod["metadata"]["name"]]
        waits.append(DELETION_SECONDS - since.total_seconds() + 1)
    return found, min(waits, default=None)


class Disruptions(Controller):
    """Reconciles PodDisruptionBudgets."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._budgets = self.informer(PODDISRUPTIONBUDGETS)
        self._pods = self.informer(PODS)
        self._scaled = {res.kind: self.informer(res) for res in (REPLICASETS, DEPLOYMENTS, STATEFULSETS)}
        self._scales = Scales(context.api)
        for informer in (self._budgets, self._pods):
            informer.add_index(_NAMESPACE, lambda obj: (obj["metadata"]["namespace"],))
        self.enqueue_on(self._budgets)
        self.enqueue_on(self._pods, self._of_pod)

    async def reconcile(self, key: str) -> float | None:
        budget = self._budgets.store.get(key)
        if budget is None or "deletionTimestamp" in budget["metadata"]:
            return None
        selector = selectors.from_object(budget["spec"].get("selector"))
        everywhere = self._pods.by_index(_NAMESPACE, budget["metadata"]["namespace"])
        pods = [pod for pod in everywhere if selector.matches(pod["metadata"].get("labels"))]
        if not pods:
            self.context.recorder.event(budget, NORMAL, "NoPods", "No matching pods found")
        try:
            expected = await self._expected(budget, pods)
        except (NoScale, errors.ApiError) as error:
            text = f"Failed to calculate the number of expected pods: {error}"
            self.context.recorder.event(budget, WARNING, "CalculateExpectedPodCountFailed", text)
            await self.put_status(PODDISRUPTIONBUDGETS, budget, failed(budget, str(error)))
            if isinstance(error, errors.ApiError):
                raise  # not an answer yet, and no pod need change for there to be one
            return None
        made, again = status(budget, pods, expected, times.now())
        await self.put_status(PODDISRUPTIONBUDGETS, budget, made)
        return again

    # --- how many pods there should be ---

    async def _expected(self, budget: Object, pods: list[Object]) -> int:
        """The pods there are, or the sizes of the workloads they belong to. Raises NoScale."""
        if not needs_scale(budget):
            return len(pods)
        owners = {owner["uid"]: owner for pod in pods if (owner := ownership.controller_of(pod)) is not None}
        if any(ownership.controller_of(pod) is None for pod in pods):
            text = _UNMANAGED.format(budget["spec"].get("selector"))
            self.context.recorder.event(budget, WARNING, "UnmanagedPods", text)
        namespace = budget["metadata"]["namespace"]
        sizes: dict[str, int] = {}
        for owner in owners.values():
            uid, size = await self._size(owner, namespace)
            sizes[uid] = size
        return sum(sizes.values())

    async def _size(self, owner: Object, namespace: str) -> tuple[str, int]:
        """The workload that an owner stands for (a Deployment for its ReplicaSet) and its size."""
        informer = self._scaled.get(owner["kind"]) if owner["apiVersion"].startswith("apps/") else None
        if informer is None:
            scale = await self._scales.get(owner, namespace)
            return owner["uid"], int((scale.get("spec") or {}).get("replicas") or 0)
        obj = informer.store.get(f"{namespace}/{owner['name']}")
        if obj is None or obj["metadata"]["uid"] != owner["uid"]:
            raise NoScale(f'found no controllers for pod "{owner["name"]}"')
        above = ownership.controller_of(obj)
        if owner["kind"] == "ReplicaSet" and above is not None and above["kind"] == "Deployment":
            return await self._size(above, namespace)
        return owner["uid"], int(obj["spec"].get("replicas", 1))

    def _of_pod(self, pod: Object) -> Iterable[str]:
        """Budgets that a pod belongs to."""
        for budget in self._budgets.by_index(_NAMESPACE, pod["metadata"]["namespace"]):
            if selectors.from_object(budget["spec"].get("selector")).matches(pod["metadata"].get("labels")):
                yield key_of(budget)
