"""Pods: their first status, their quality of service class, and their graceful end (pkg/registry/core/pod)."""

from __future__ import annotations

from tricenter.apimachinery import placement, podresources, times
from tricenter.apiserver.registry.strategy import Object, Strategy, keep

_DEFAULT_GRACE = 30
_ENDED = ("Succeeded", "Failed")
_GATED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "SchedulingGated",
    "message": "Scheduling is blocked due to non-empty scheduling gates",
}


class PodStrategy(Strategy):
    """A pod's status begins as Pending; a pod on a node goes only when its kubelet says that nothing runs any more."""

    returns_deleted = True

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        obj["status"] = {"phase": "Pending"}

    def complete_create(self, obj: Object) -> None:
        """What follows from a spec that limit ranges and webhooks may have changed, and from the pod's own labels."""
        spec = obj.get("spec") or {}
        obj["status"]["qosClass"] = podresources.qos_class(spec)
        placement.select_by_own_labels(spec, obj["metadata"].get("labels") or {})
        if spec.get("schedulingGates"):
            obj["status"].setdefault("conditions", []).append({**_GATED, "lastTransitionTime": times.now_rfc3339()})

    def prepare_update(self, old: Object, new: Object) -> None:
        super().prepare_update(old, new)
        if "status" in new and old["status"].get("qosClass") is None:
            new["status"]["qosClass"] = podresources.qos_class(new.get("spec") or {})

    def prepare_change(self, subresource: str, old: Object, new: Object) -> None:
        """Who may debug or resize a pod does not change its labels or owners (strategy.go, dropPodUpdates)."""
        if subresource in ("ephemeralcontainers", "resize"):
            for key in ("labels", "annotations", "finalizers", "ownerReferences"):
                keep(old["metadata"], new["metadata"], key)
        super().prepare_change(subresource, old, new)

    def grace(self, obj: Object, requested: int | None) -> int | None:
        """The requested time, else the pod's own; none for a pod that no kubelet has or that has ended."""
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        if not spec.get("nodeName") or status.get("phase") in _ENDED:
            return 0
        if requested is not None:
            return max(requested, 1) if requested < 0 else requested
        own = spec.get("terminationGracePeriodSeconds")
        return _DEFAULT_GRACE if own is None else int(own) if own >= 0 else 1
