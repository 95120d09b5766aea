"""/stats/summary: what containers use (the fields that metrics servers read)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from cri_api.v1 import api_pb2 as cri

from tricenter.apimachinery import times
from tricenter.kubelet.cri import labels

Object = dict[str, Any]


def summary(node: str, found: Sequence[cri.ContainerStats], now: datetime) -> Object:
    """Usage by pod and container."""
    pods: dict[str, Object] = {}
    for item in found:
        names = item.attributes.labels
        reference = {
            "name": names[labels.POD_NAME],
            "namespace": names[labels.POD_NAMESPACE],
            "uid": names[labels.POD_UID],
        }
        pod = pods.setdefault(reference["uid"], {"podRef": reference, "containers": []})
        pod["containers"].append(_container(item))
    return {"node": {"nodeName": node, "startTime": times.rfc3339(now)}, "pods": list(pods.values())}


def _container(item: cri.ContainerStats) -> Object:
    return {
        "name": item.attributes.labels.get(labels.CONTAINER_NAME, item.attributes.metadata.name),
        "cpu": {
            "time": _time(item.cpu.timestamp),
            "usageCoreNanoSeconds": item.cpu.usage_core_nano_seconds.value,
            "usageNanoCores": item.cpu.usage_nano_cores.value,
        },
        "memory": {
            "time": _time(item.memory.timestamp),
            "workingSetBytes": item.memory.working_set_bytes.value,
            "usageBytes": item.memory.usage_bytes.value,
        },
        "rootfs": {"time": _time(item.writable_layer.timestamp), "usedBytes": item.writable_layer.used_bytes.value},
    }


def _time(nanoseconds: int) -> str:
    return times.rfc3339(datetime.fromtimestamp(nanoseconds / 1e9, UTC))
