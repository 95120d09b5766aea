"""The fields of each resource that a field selector may name.

`metadata.name` and `metadata.namespace` are selectable for every resource; the others are upstream's lists
(`SelectableFields`/`ToSelectableFields` of each registry).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tricenter.apimachinery.records import Kind

Extract = Callable[[dict[str, Any]], Mapping[str, str]]

_INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")

FIELDS: Mapping[tuple[str, str], Mapping[str, tuple[str, ...]]] = {
    ("", "pods"): {
        "spec.nodeName": ("spec", "nodeName"),
        "spec.restartPolicy": ("spec", "restartPolicy"),
        "spec.schedulerName": ("spec", "schedulerName"),
        "spec.serviceAccountName": ("spec", "serviceAccountName"),
        "spec.hostNetwork": ("spec", "hostNetwork"),
        "status.phase": ("status", "phase"),
        "status.podIP": ("status", "podIP"),
        "status.nominatedNodeName": ("status", "nominatedNodeName"),
    },
    ("", "nodes"): {"spec.unschedulable": ("spec", "unschedulable")},
    ("", "namespaces"): {"status.phase": ("status", "phase")},
    ("", "secrets"): {"type": ("type",)},
    ("", "services"): {"spec.clusterIP": ("spec", "clusterIP"), "spec.type": ("spec", "type")},
    ("", "replicationcontrollers"): {"status.replicas": ("status", "replicas")},
    ("", "events"): {
        **{f"involvedObject.{name}": ("involvedObject", name) for name in _INVOLVED},
        "reason": ("reason",),
        "reportingComponent": ("reportingComponent",),
        "source": ("source", "component"),
        "type": ("type",),
    },
    ("events.k8s.io", "events"): {
        **{f"regarding.{name}": ("involvedObject", name) for name in _INVOLVED},
        "reason": ("reason",),
        "reportingController": ("reportingComponent",),
        "type": ("type",),
    },
    ("apps", "replicasets"): {"status.replicas": ("status", "replicas")},
    ("batch", "jobs"): {"status.successful": ("status", "succeeded")},
    ("certificates.k8s.io", "certificatesigningrequests"): {"spec.signerName": ("spec", "signerName")},
    ("certificates.k8s.io", "clustertrustbundles"): {"spec.signerName": ("spec", "signerName")},
}
"""(group, resource) → selectable field → path in the object."""

_ZERO = {"spec.hostNetwork": "false", "spec.unschedulable": "false", "status.replicas": "0", "status.successful": "0"}
"""What a missing value of a field that is not a string reads as."""

COMMON = ("metadata.name", "metadata.namespace")


def names(group: str, resource: str) -> tuple[str, ...]:
    """All selectable fields of a resource."""
    return (*COMMON, *FIELDS.get((group, resource), {}))


def unknown(kind: Kind, field: str) -> str:
    """Why a field cannot be selected by, as the conversion function of the kind words it."""
    if (kind.group, kind.plural) == ("batch", "jobs"):
        return f'field label "{field}" not supported for batchv1.Job'
    if (kind.group, kind.plural) in FIELDS or not kind.definition:
        return f"field label not supported: {field}"
    return f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"'


def extractor(group: str, resource: str) -> Extract:
    """A function from an object of the resource to its selectable values."""
    paths = FIELDS.get((group, resource), {})
    if group == "" and resource == "events":
        paths = {**FIELDS["events.k8s.io", "events"], **paths}
    return of_paths(paths)


def of_paths(paths: Mapping[str, tuple[str, ...]]) -> Extract:
    """A function from an object to the values at the paths, by field."""
    items = tuple(paths.items())

    def extract(obj: dict[str, Any]) -> Mapping[str, str]:
        metadata = obj.get("metadata") or {}
        values = {"metadata.name": metadata.get("name", ""), "metadata.namespace": metadata.get("namespace", "")}
        for field, path in items:
            values[field] = _text(_at(obj, path), _ZERO.get(field, ""))
        if not values.get("source", "-"):
            values["source"] = obj.get("reportingComponent") or ""
        return values

    return extract


def _at(obj: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        if not isinstance(obj, dict):
            return None
        obj = obj.get(part)
    return obj


def _text(value: Any, missing: str) -> str:
    if value is None:
        return missing
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
