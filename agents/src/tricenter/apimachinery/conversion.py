"""Between the versions of a kind that share storage: core and events.k8s.io Event, autoscaling v1 and v2.

An object is stored in the version named by `storage_version` and converted on its way in and out, both ways without
loss: what autoscaling/v1 cannot say travels in the annotations upstream uses for it.
"""

import json
from collections.abc import Callable
from typing import Any

Object = dict[str, Any]
_STORAGE = {
    ("events.k8s.io", "Event"): "v1",
    ("autoscaling", "HorizontalPodAutoscaler"): "autoscaling/v2",
}
_METRICS = "autoscaling.alpha.kubernetes.io/metrics"
_CURRENT = "autoscaling.alpha.kubernetes.io/current-metrics"
_CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
_BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"


def storage_version(group: str, version: str, kind: str) -> str:
    """The apiVersion under which a kind is stored."""
    own = f"{group}/{version}" if group else version
    return _STORAGE.get((group, kind), own)


def convert(obj: Object, api_version: str) -> Object:
    """The same object in another version; itself when it is of that version already. Raises ValueError."""
    if obj.get("apiVersion") == api_version:
        return obj
    rule = _RULES.get((str(obj.get("kind")), str(obj.get("apiVersion")), api_version))
    if rule is None:
        raise ValueError(f"cannot convert {obj.get('apiVersion')} {obj.get('kind')} to {api_version}")
    made = rule(dict(obj))
    made["apiVersion"] = api_version
    return made


_CORE_TO_EVENTS = {
    "involvedObject": "regarding", "message": "note", "source": "deprecatedSource", "count": "deprecatedCount",
    "firstTimestamp": "deprecatedFirstTimestamp", "lastTimestamp": "deprecatedLastTimestamp",
    "reportingComponent": "reportingController",
}  # fmt: skip
_EVENTS_TO_CORE = {new: old for old, new in _CORE_TO_EVENTS.items()}


def _event_to_new(obj: Object) -> Object:
    return {_CORE_TO_EVENTS.get(key, key): value for key, value in obj.items()}


def _event_to_core(obj: Object) -> Object:
    made = {_EVENTS_TO_CORE.get(key, key): value for key, value in obj.items()}
    made.setdefault("involvedObject", {})
    return made


def _with_annotations(obj: Object) -> tuple[Object, Object]:
    metadata = dict(obj.get("metadata") or {})
    annotations = dict(metadata.get("annotations") or {})
    return metadata, annotations


def _finish(obj: Object, metadata: Object, annotations: Object, spec: Object, status: Object) -> Object:
    metadata.pop("annotations", None)
    if annotations:
        metadata["annotations"] = annotations
    made = {**obj, "metadata": metadata, "spec": spec}
    if status or "status" in obj:
        made["status"] = status
    return made


def _is_cpu_utilization(metric: Object) -> bool:
    resource = metric.get("resource") or {}
    field = resource.get("target") or resource.get("current") or {}
    return metric.get("type") == "Resource" and resource.get("name") == "cpu" and "averageUtilization" in field


def _autoscaler_to_v1(obj: Object) -> Object:
    metadata, annotations = _with_annotations(obj)
    spec, status = dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    metrics, current = spec.pop("metrics", None) or [], status.pop("currentMetrics", None) or []
    cpu = next((metric for metric in metrics if _is_cpu_utilization(metric)), None)
    if cpu:
        spec["targetCPUUtilizationPercentage"] = cpu["resource"]["target"]["averageUtilization"]
    if others := [metric for metric in metrics if metric is not cpu]:
        annotations[_METRICS] = json.dumps(others)
    used = next((metric for metric in current if _is_cpu_utilization(metric)), None)
    if used:
        status["currentCPUUtilizationPercentage"] = used["resource"]["current"]["averageUtilization"]
    if current:
        annotations[_CURRENT] = json.dumps(current)
    if conditions := status.pop("conditions", None):
        annotations[_CONDITIONS] = json.dumps(conditions)
    if behavior := spec.pop("behavior", None):
        annotations[_BEHAVIOR] = json.dumps(behavior)
    if "status" in obj:
        status.setdefault("currentReplicas", 0)  # which v2 may leave out
    return _finish(obj, metadata, annotations, spec, status)


def _autoscaler_to_v2(obj: Object) -> Object:
    metadata, annotations = _with_annotations(obj)
    spec, status = dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    metrics = _loaded(annotations, _METRICS) or []
    utilization = spec.pop("targetCPUUtilizationPercentage", None)
    if utilization is not None:
        target = {"type": "Utilization", "averageUtilization": utilization}
        metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}, *metrics]
    if metrics:
        spec["metrics"] = metrics
    used = status.pop("currentCPUUtilizationPercentage", None)
    current = _loaded(annotations, _CURRENT) or []
    if used is not None and not any(map(_is_cpu_utilization, current)):
        current = [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": used}}}, *current]
    if current:
        status["currentMetrics"] = current
    if conditions := _loaded(annotations, _CONDITIONS):
        status["conditions"] = conditions
    if behavior := _loaded(annotations, _BEHAVIOR):
        spec["behavior"] = behavior
    return _finish(obj, metadata, annotations, spec, status)


def _loaded(annotations: Object, key: str) -> Any:
    text = annotations.pop(key, None)
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


_RULES: dict[tuple[str, str, str], Callable[[Object], Object]] = {
    ("Event", "v1", "events.k8s.io/v1"): _event_to_new,
    ("Event", "events.k8s.io/v1", "v1"): _event_to_core,
    ("HorizontalPodAutoscaler", "autoscaling/v2", "autoscaling/v1"): _autoscaler_to_v1,
    ("HorizontalPodAutoscaler", "autoscaling/v1", "autoscaling/v2"): _autoscaler_to_v2,
}
