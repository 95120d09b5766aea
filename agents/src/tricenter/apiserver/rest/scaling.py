"""The Scale of a workload: autoscaling/v1 Scale made from it, and put back into it.

Custom resources say where their values are (registry/customresource/etcd.go of upstream's apiextensions-apiserver).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tricenter.apimachinery import fielderrors, selectors
from tricenter.apimachinery.kinds import Kind
from tricenter.apimachinery.validation import custom
from tricenter.apiserver import errors
from tricenter.apiserver.registry.metadata import based_on, check_place

Object = dict[str, Any]


def of(kind: Kind, obj: Object) -> Object:
    """The Scale of an object."""
    metadata = obj["metadata"]
    wanted, present, selector = _custom(kind.scale, obj) if kind.scale is not None else _built_in(obj)
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    scale: Object = {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in kept if key in metadata},
        "spec": {"replicas": wanted} if wanted else {},
        "status": {"replicas": present or 0},
    }
    if selector:
        scale["status"]["selector"] = selector
    return scale


def _built_in(obj: Object) -> tuple[Any, Any, str]:
    """Replicas wanted and present and the selector of a Deployment, ReplicaSet and the like."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    return spec.get("replicas"), status.get("replicas"), _selector(obj.get("kind", ""), spec.get("selector"))


def _custom(paths: Mapping[str, str], obj: Object) -> tuple[Any, Any, str]:
    """The same of a custom resource."""
    selector = custom.at(obj, paths["labelSelectorPath"]) if paths.get("labelSelectorPath") else ""
    wanted, present = (custom.at(obj, paths[key]) for key in ("specReplicasPath", "statusReplicasPath"))
    return wanted, present, selector if isinstance(selector, str) else ""


def _selector(kind: str, selector: Any) -> str:
    if not isinstance(selector, dict):
        return ""
    if kind == "ReplicationController":
        return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    return str(selectors.from_object(selector))


def scaled(kind: Kind, obj: Object, scale: Object, target: errors.Target) -> Object:
    """The workload with the replicas of a Scale. Raises BadRequest, Conflict, Invalid."""
    metadata, wanted = obj["metadata"], scale.get("metadata") or {}
    check_place(metadata, wanted, target)
    version = based_on(wanted)
    if version and version != metadata["resourceVersion"]:
        raise errors.modified(target)
    if wanted.get("uid") and wanted["uid"] != metadata.get("uid"):
        why = f"Precondition failed: UID in precondition: {wanted['uid']}, UID in object meta: {metadata.get('uid')}"
        raise errors.conflict(replace(target, resource=f"{target.resource}/scale"), why)
    replicas = (scale.get("spec") or {}).get("replicas") or 0
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
        detail = "must be greater than or equal to 0"
        problem = fielderrors.invalid("spec.replicas", replicas, detail)
        raise errors.invalid(errors.Target(group="autoscaling", kind="Scale", name=target.name), [problem])
    *parents, last = replicas_path(kind)
    place = obj
    for part in parents:
        place = place.setdefault(part, {})
    place[last] = replicas
    return obj


def replicas_path(kind: Kind) -> list[str]:
    """Where in an object its wanted replicas are."""
    path = kind.scale["specReplicasPath"] if kind.scale is not None else ".spec.replicas"
    return path.removeprefix(".").split(".")
