"""Pods: their first status, their quality of service class, and their graceful end (pkg/registry/core/pod)."""

from __future__ import annotations

from tricenter.apimachinery import podresources
from tricenter.apiserver.registry.strategy import Object, Strategy

_DEFAULT_GRACE = 30
_ENDED = ("Succeeded", "Failed")


class PodStrategy(Strategy):
    """A pod's status begins as Pending; a pod on a node goes only when its kubelet says that nothing runs any more."""

    returns_deleted = True

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        obj["status"] = {"phase": "Pending"}

    def complete_create(self, obj: Object) -> None:
        """The class of service, which limit ranges and webhooks may have changed."""
        obj["status"]["qosClass"] = podresources.qos_class(obj.get("spec") or {})

    def prepare_update(self, old: Object, new: Object) -> None:
        super().prepare_update(old, new)
        if "status" in new and old["status"].get("qosClass") is None:
            new["status"]["qosClass"] = podresources.qos_class(new.get("spec") or {})

    def grace(self, obj: Object, requested: int | None) -> int | None:
        """The requested time, else the pod's own; none for a pod that no kubelet has or that has ended."""
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        if not spec.get("nodeName") or status.get("phase") in _ENDED:
            return 0
        if requested is not None:
            return max(requested, 1) if requested < 0 else requested
        own = spec.get("terminationGracePeriodSeconds")
        return _DEFAULT_GRACE if own is None else int(own) if own >= 0 else 1
