"""The Scale of a workload: autoscaling/v1 Scale made from it, and put back into it."""

from __future__ import annotations

from typing import Any

from tricenter.apimachinery import fielderrors, selectors
from tricenter.apiserver import errors

Object = dict[str, Any]


def of(obj: Object) -> Object:
    """The Scale of a Deployment, ReplicaSet, StatefulSet or ReplicationController."""
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    scale: Object = {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in kept if key in metadata},
        "spec": {"replicas": spec["replicas"]} if spec.get("replicas") else {},
        "status": {"replicas": status.get("replicas") or 0},
    }
    selector = _selector(obj.get("kind", ""), spec.get("selector"))
    if selector:
        scale["status"]["selector"] = selector
    return scale


def _selector(kind: str, selector: Any) -> str:
    if not isinstance(selector, dict):
        return ""
    if kind == "ReplicationController":
        return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    return str(selectors.from_object(selector))


def scaled(obj: Object, scale: Object, target: errors.Target) -> Object:
    """The workload with the replicas of a Scale. Raises Conflict, Invalid."""
    metadata, wanted = obj["metadata"], scale.get("metadata") or {}
    version = wanted.get("resourceVersion")
    if version and version != metadata["resourceVersion"]:
        raise errors.modified(target)
    if wanted.get("uid") and wanted["uid"] != metadata.get("uid"):
        why = f"Precondition failed: UID in precondition: {wanted['uid']}, UID in object meta: {metadata.get('uid')}"
        raise errors.conflict(target, why)
    replicas = (scale.get("spec") or {}).get("replicas") or 0
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
        detail = "must be greater than or equal to 0"
        problem = fielderrors.invalid("spec.replicas", replicas, detail)
        raise errors.invalid(errors.Target(group="autoscaling", kind="Scale", name=target.name), [problem])
    obj["spec"]["replicas"] = replicas
    return obj
