"""Definitions of metrics.k8s.io/v1beta1, which is no part of kube-apiserver's OpenAPI (k8s.io/metrics types.go)."""

from typing import Any

Object = dict[str, Any]

_ROOT = "io.k8s.metrics.pkg.apis.metrics.v1beta1"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"


def _ref(name: str, description: str) -> Object:
    return {"$ref": f"#/$defs/{name}", "description": description}


def _list_of(name: str, description: str) -> Object:
    return {"type": "array", "items": {"$ref": f"#/$defs/{name}"}, "description": description}


def _kind(kind: str, description: str, required: list[str], properties: Object) -> Object:
    own = {
        "apiVersion": {"type": ["string", "null"], "description": "APIVersion of this representation of an object."},
        "kind": {"type": ["string", "null"], "description": "Kind of REST resource that this object represents."},
    }
    return {
        "description": description,
        "type": ["object", "null"],
        "properties": {**own, **properties},
        "required": required,
        "x-kubernetes-group-version-kind": [{"group": "metrics.k8s.io", "version": "v1beta1", "kind": kind}],
    }


def _list_kind(kind: str) -> Object:
    properties = {
        "metadata": _ref(f"{_META}.ListMeta", "Standard list metadata."),
        "items": _list_of(f"{_ROOT}.{kind}", "What was measured."),
    }
    return _kind(f"{kind}List", f"{kind}List is a list of {kind}.", ["items"], properties)


_USAGE = {
    "type": "object",
    "additionalProperties": {"$ref": f"#/$defs/{_QUANTITY}"},
    "description": "The memory usage is the memory working set.",
}
_MEASURED = {
    "metadata": _ref(f"{_META}.ObjectMeta", "Standard object's metadata."),
    "timestamp": _ref(f"{_META}.Time", "The end of the interval in which the metrics were collected."),
    "window": {"type": "string", "description": "The length of the interval in which the metrics were collected."},
}

DEFINITIONS: dict[str, Object] = {
    f"{_ROOT}.NodeMetrics": _kind(
        "NodeMetrics",
        "NodeMetrics sets resource usage metrics of a node.",
        ["timestamp", "window", "usage"],
        {**_MEASURED, "usage": _USAGE},
    ),
    f"{_ROOT}.PodMetrics": _kind(
        "PodMetrics",
        "PodMetrics sets resource usage metrics of a pod.",
        ["timestamp", "window", "containers"],
        {**_MEASURED, "containers": _list_of(f"{_ROOT}.ContainerMetrics", "Metrics for all containers of the pod.")},
    ),
    f"{_ROOT}.ContainerMetrics": {
        "description": "ContainerMetrics sets resource usage metrics of a container.",
        "type": ["object", "null"],
        "properties": {"name": {"type": "string", "description": "The container's name."}, "usage": _USAGE},
        "required": ["name", "usage"],
    },
    f"{_ROOT}.NodeMetricsList": _list_kind("NodeMetrics"),
    f"{_ROOT}.PodMetricsList": _list_kind("PodMetrics"),
}
"""By name, in the form of the shipped definitions."""
