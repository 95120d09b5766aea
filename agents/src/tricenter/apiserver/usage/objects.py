"""NodeMetrics and PodMetrics from a kubelet's summary (k8s.io/metrics v1beta1; figures as metrics-server rounds)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]

API = "metrics.k8s.io/v1beta1"
WINDOW = "10s"
"""The time between two samples of a kubelet (kubelet/server/usage.py)."""


def node(name: str, labels: Mapping[str, str], summary: Object) -> Object | None:
    """The metrics of a node; None before its kubelet has seen it twice."""
    found = summary.get("node") or {}
    used = _usage(found)
    return None if used is None else {**_head("NodeMetrics", name, "", labels, found), "usage": used}


def pod(namespace: str, name: str, uid: str, labels: Mapping[str, str], summary: Object) -> Object | None:
    """The metrics of a pod; None before its kubelet has seen every running container of it twice."""
    found = next((item for item in summary.get("pods") or () if item["podRef"].get("uid") == uid), None)
    if found is None or not found["containers"]:
        return None
    containers = [{"name": item["name"], "usage": _usage(item)} for item in found["containers"]]
    if not all(item["usage"] for item in containers):
        return None
    head = _head("PodMetrics", name, namespace, labels, found["containers"][0])
    return {**head, "containers": sorted(containers, key=lambda item: str(item["name"]))}


def _usage(found: Object) -> Object | None:
    cpu, memory = found.get("cpu") or {}, found.get("memory") or {}
    if "usageNanoCores" not in cpu or "workingSetBytes" not in memory:
        return None
    spent = int(cpu["usageNanoCores"])
    return {"cpu": f"{spent}n" if spent else "0", "memory": f"{int(memory['workingSetBytes']) // 1024}Ki"}


def _head(kind: str, name: str, namespace: str, labels: Mapping[str, str], found: Object) -> Object:
    at = found["cpu"]["time"]
    metadata: Object = {"name": name, "creationTimestamp": at}
    if namespace:
        metadata["namespace"] = namespace
    if labels:
        metadata["labels"] = dict(labels)
    return {"kind": kind, "apiVersion": API, "metadata": metadata, "timestamp": at, "window": WINDOW}
