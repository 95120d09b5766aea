"""Pods: their first status, their quality of service class, and their graceful end (pkg/registry/core/pod)."""

from __future__ import annotations

from typing import Any

from tricenter.apimachinery import quantity
from tricenter.apiserver.registry.strategy import Object, Strategy

_DEFAULT_GRACE = 30
_ENDED = ("Succeeded", "Failed")
_COUNTED = ("cpu", "memory")


class PodStrategy(Strategy):
    """A pod's status begins as Pending; a pod on a node goes only when its kubelet says that nothing runs any more."""

    returns_deleted = True

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        obj["status"] = {"phase": "Pending", "qosClass": qos_class(obj.get("spec") or {})}

    def prepare_update(self, old: Object, new: Object) -> None:
        super().prepare_update(old, new)
        if "status" in new and old["status"].get("qosClass") is None:
            new["status"]["qosClass"] = qos_class(new.get("spec") or {})

    def grace(self, obj: Object, requested: int | None) -> int | None:
        """The requested time, else the pod's own; none for a pod that no kubelet has or that has ended."""
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        if not spec.get("nodeName") or status.get("phase") in _ENDED:
            return 0
        if requested is not None:
            return max(requested, 1) if requested < 0 else requested
        own = spec.get("terminationGracePeriodSeconds")
        return _DEFAULT_GRACE if own is None else max(int(own), 0)


def qos_class(spec: dict[str, Any]) -> str:
    """Guaranteed, Burstable or BestEffort, from the resources of all containers (pkg/apis/core/v1/helper/qos)."""
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    requests, limits, guaranteed = False, False, True
    for container in containers:
        resources = container.get("resources") or {}
        wanted = _positive(resources.get("requests"))
        bound = _positive(resources.get("limits"))
        requests, limits = requests or bool(wanted), limits or bool(bound)
        if set(bound) != set(_COUNTED) or any(wanted.get(name, bound[name]) != bound[name] for name in bound):
            guaranteed = False
    if not requests and not limits:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _positive(amounts: dict[str, Any] | None) -> dict[str, Any]:
    parsed = {name: quantity.parse(str(value)) for name, value in (amounts or {}).items() if name in _COUNTED}
    return {name: value for name, value in parsed.items() if value > 0}
