"""Kinds that share one place in etcd: from the stored version to the served one and back.

Only Events (core/v1 and events.k8s.io/v1) and HorizontalPodAutoscalers (autoscaling v2 and v1) are served in more than
one version at level 1.33. The mappings are upstream's pkg/apis/{events,autoscaling}/v1/conversion.go.
"""

from __future__ import annotations

from typing import Any

from tricenter.apiserver.resources import Resource

_EVENT_TO_NEW = {
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
}
_EVENT_TO_CORE = {new: old for old, new in _EVENT_TO_NEW.items()}


def to_served(resource: Resource, obj: dict[str, Any]) -> dict[str, Any]:
    """A stored object in the version that the request asks for."""
    return _convert(resource, obj, resource.kind.api_version, resource.storage.api_version)


def to_stored(resource: Resource, obj: dict[str, Any]) -> dict[str, Any]:
    """An object of the request in the version that is stored."""
    return _convert(resource, obj, resource.storage.api_version, resource.kind.api_version)


def _convert(resource: Resource, obj: dict[str, Any], wanted: str, have: str) -> dict[str, Any]:
    if wanted == have or not resource.converted:
        return obj
    if resource.kind.plural == "events":
        names = _EVENT_TO_NEW if wanted == "events.k8s.io/v1" else _EVENT_TO_CORE
        obj = {names.get(key, key): value for key, value in obj.items()}
    elif resource.kind.plural == "horizontalpodautoscalers":
        obj = _hpa_to_v1(obj) if wanted == "autoscaling/v1" else _hpa_to_v2(obj)
    return {**obj, "apiVersion": wanted}


def _hpa_to_v1(obj: dict[str, Any]) -> dict[str, Any]:
    spec, status = dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    target = _cpu(spec.pop("metrics", None) or [], "target")
    current = _cpu(status.pop("currentMetrics", None) or [], "current")
    spec.pop("behavior", None)
    status.pop("conditions", None)
    if target is not None:
        spec["targetCPUUtilizationPercentage"] = target
    if current is not None:
        status["currentCPUUtilizationPercentage"] = current
    return {**obj, "spec": spec, "status": status}


def _cpu(metrics: list[dict[str, Any]], member: str) -> int | None:
    for metric in metrics:
        resource = metric.get("resource") or {}
        if metric.get("type") == "Resource" and resource.get("name") == "cpu":
            value: int | None = (resource.get(member) or {}).get("averageUtilization")
            return value
    return None


def _hpa_to_v2(obj: dict[str, Any]) -> dict[str, Any]:
    spec, status = dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    target = spec.pop("targetCPUUtilizationPercentage", None)
    if target is not None:
        cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": target}}
        spec["metrics"] = [{"type": "Resource", "resource": cpu}]
    status.pop("currentCPUUtilizationPercentage", None)
    return {**obj, "spec": spec, "status": status}
