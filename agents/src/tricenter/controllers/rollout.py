"""The decisions of a Deployment: how many replicas each of its ReplicaSets gets next.

Upstream's rules (pkg/controller/deployment): never more than `replicas + maxSurge` pods, never fewer than
`replicas - maxUnavailable` available ones by our own doing. Pure functions over objects; the sizes they return are
written by `deployments`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

Object = dict[str, Any]
Sizes = dict[str, int]
"""ReplicaSet name to the replicas it is to have; only those that change."""

REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a rolling update may do."""

    replicas: int
    surge: int
    unavailable: int

    @property
    def most(self) -> int:
        """Pods that may exist at the same time."""
        return self.replicas + self.surge

    @property
    def fewest(self) -> int:
        """Available pods that must remain."""
        return max(0, self.replicas - self.unavailable)


def limits(deployment: Object) -> Limits:
    """The limits of a Deployment; percentages round surge up and unavailability down, and never both to zero."""
    spec = deployment["spec"]
    replicas = spec.get("replicas", 1)
    if recreates(deployment):
        return Limits(replicas, 0, replicas)
    rolling = (spec.get("strategy") or {}).get("rollingUpdate") or {}
    surge = absolute(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = absolute(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Limits(replicas, surge, min(unavailable, replicas))


def absolute(value: int | str, total: int, *, up: bool) -> int:
    """An IntOrString as a number."""
    if isinstance(value, int):
        return value
    percent = int(value.removesuffix("%"))
    return -(-total * percent // 100) if up else total * percent // 100


def recreates(deployment: Object) -> bool:
    """Whether all old pods go before a new one comes."""
    return (deployment["spec"].get("strategy") or {}).get("type") == "Recreate"


def size(replica_set: Object) -> int:
    """The replicas it asks for."""
    return int(replica_set["spec"].get("replicas", 1))


def actual(replica_sets: list[Object], field: str = "replicas") -> int:
    """The sum of a status field."""
    return sum(int((item.get("status") or {}).get(field) or 0) for item in replica_sets)


def scaling_event(deployment: Object, replica_sets: list[Object]) -> bool:
    """Whether `spec.replicas` changed since the ReplicaSets were sized."""
    wanted = str(deployment["spec"].get("replicas", 1))
    active = [item for item in replica_sets if size(item)]
    annotations = [item["metadata"].get("annotations") or {} for item in active]
    return any(DESIRED in item and item[DESIRED] != wanted for item in annotations)


def scale(deployment: Object, new: Object | None, old: list[Object]) -> Sizes:
    """Sizes after a change of `spec.replicas` or while paused: proportional while a rollout is under way."""
    everything = [*old, *([new] if new else [])]
    active = [item for item in everything if size(item)]
    if len(active) <= 1:
        only = active[0] if active else new or newest(old)
        return _changed({} if only is None else {_name(only): deployment["spec"].get("replicas", 1)}, everything)
    if new is not None and saturated(deployment, new):
        return _changed({_name(item): 0 for item in old}, everything)
    if recreates(deployment):
        return {}
    return _changed(_proportional(deployment, active), everything)


def _proportional(deployment: Object, active: list[Object]) -> Sizes:
    bound = limits(deployment)
    allowed = bound.most if bound.replicas else 0
    total = sum(size(item) for item in active)
    change = allowed - total
    # Larger ones first; of equal ones the newer first when growing, the older first when shrinking.
    ordered = sorted(active, key=_age, reverse=change > 0)
    ordered.sort(key=size, reverse=True)
    sizes: Sizes = {}
    left = change
    for item in ordered:
        share = _share(item, deployment, bound, change) if change else 0
        share = max(-size(item), min(share, left) if change > 0 else max(share, left))
        sizes[_name(item)] = size(item) + share
        left -= share
    for item in ordered:  # what rounding left over goes to the largest, as far as it has that many
        share = max(-sizes[_name(item)], left)
        sizes[_name(item)] += share
        left -= share
    return sizes


def _share(item: Object, deployment: Object, bound: Limits, change: int) -> int:
    """The part of `change` that is due to `item` by its size."""
    annotations = item["metadata"].get("annotations") or {}
    before = int(annotations.get(MAXIMUM) or (deployment.get("status") or {}).get("replicas") or 0)
    if not before:
        return change
    return _rounded(size(item) * bound.most / before) - size(item)


def _rounded(value: float) -> int:
    return int(value + 0.5)


def saturated(deployment: Object, new: Object) -> bool:
    """Whether the new ReplicaSet has all that is wanted, available and asked for when this many were wanted."""
    wanted = deployment["spec"].get("replicas", 1)
    noted = (new["metadata"].get("annotations") or {}).get(DESIRED)
    return size(new) == wanted and noted == str(wanted) and actual([new], "availableReplicas") == wanted


def grow_new(deployment: Object, new: Object, old: list[Object]) -> int:
    """The next size of the new ReplicaSet in a rolling update."""
    bound = limits(deployment)
    if size(new) >= bound.replicas:
        return bound.replicas
    room = bound.most - size(new) - sum(size(item) for item in old)
    return size(new) + max(0, min(room, bound.replicas - size(new)))


def shrink_old(deployment: Object, new: Object, old: list[Object]) -> Sizes:
    """The next sizes of the old ReplicaSets: unhealthy pods first, then as many as stay replaceable."""
    bound = limits(deployment)
    total = sum(size(item) for item in [*old, new])
    missing_new = size(new) - actual([new], "availableReplicas")
    removable = total - bound.fewest - missing_new
    if removable <= 0 or not any(size(item) for item in old):
        return {}
    sizes = {_name(item): size(item) for item in old}
    for item in sorted(old, key=_age):
        unhealthy = max(0, size(item) - actual([item], "availableReplicas"))
        drop = min(unhealthy, removable)
        sizes[_name(item)] -= drop
        removable -= drop
    spare = actual([*old, new], "availableReplicas") - bound.fewest
    for item in sorted(old, key=_age):
        drop = max(0, min(sizes[_name(item)], spare))
        # An unhealthy pod that was already dropped is not counted as available, so healthy ones are what is left.
        sizes[_name(item)] -= drop
        spare -= drop
    return _changed(sizes, old)


def complete(deployment: Object, new_status: Object) -> bool:
    """Whether all replicas are updated and available and no old one is left."""
    wanted = deployment["spec"].get("replicas", 1)
    counts = [new_status.get(field) or 0 for field in ("updatedReplicas", "replicas", "availableReplicas")]
    observed = new_status.get("observedGeneration") or 0
    return counts == [wanted] * 3 and observed >= (deployment["metadata"].get("generation") or 0)


def progressing(old_status: Object, new_status: Object) -> bool:
    """Whether the rollout moved between the two statuses."""

    def outdated(status: Object) -> int:
        return (status.get("replicas") or 0) - (status.get("updatedReplicas") or 0)

    fields = ("updatedReplicas", "readyReplicas", "availableReplicas")
    more = any((new_status.get(field) or 0) > (old_status.get(field) or 0) for field in fields)
    return more or outdated(new_status) < outdated(old_status)


def surplus_history(deployment: Object, old: list[Object]) -> list[Object]:
    """Old ReplicaSets beyond `revisionHistoryLimit` that nothing needs any more."""
    limit = deployment["spec"].get("revisionHistoryLimit", 10)
    idle = [
        item
        for item in old
        if "deletionTimestamp" not in item["metadata"]
        and size(item) == 0
        and actual([item]) == 0
        and ((item.get("status") or {}).get("observedGeneration") or 0) >= (item["metadata"].get("generation") or 0)
    ]
    idle.sort(key=revision)
    return idle[: max(0, len([item for item in old if "deletionTimestamp" not in item["metadata"]]) - limit)]


def revision(obj: Object) -> int:
    """The revision in the annotations, 0 if there is none."""
    text = (obj["metadata"].get("annotations") or {}).get(REVISION, "")
    return int(text) if text.isdigit() else 0


def newest(replica_sets: list[Object]) -> Object | None:
    """The one created last."""
    return max(replica_sets, key=_age, default=None)


def _age(replica_set: Object) -> tuple[str, str]:
    return replica_set["metadata"].get("creationTimestamp") or "", _name(replica_set)


def _name(obj: Object) -> str:
    return str(obj["metadata"]["name"])


def _changed(sizes: Sizes, replica_sets: list[Object]) -> Sizes:
    before = {_name(item): size(item) for item in replica_sets}
    return {name: number for name, number in sizes.items() if number != before.get(name)}
