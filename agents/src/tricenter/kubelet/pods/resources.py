"""Requests and limits as the kernel's numbers: shares, quota, OOM score, and the pod's place among control groups."""

import math
from typing import Any

from cri_api.v1 import api_pb2 as cri

from tricenter.apimachinery import podresources, quantity
from tricenter.kubelet.pods import spec

Object = dict[str, Any]

PERIOD_MICROSECONDS = 100_000
MIN_SHARES, MAX_SHARES, SHARES_PER_CPU = 2, 262_144, 1024
MIN_QUOTA_MICROSECONDS = 1000


def qos_class(pod: Object) -> str:
    """The pod's class of service."""
    return podresources.qos_class(pod["spec"])


def shares(cpu_request: str | None) -> int:
    """cpu.shares of a request; upstream's MilliCPUToShares."""
    value = quantity.milli(cpu_request) * SHARES_PER_CPU // 1000 if cpu_request else 0
    return min(max(value, MIN_SHARES), MAX_SHARES)


def quota(cpu_limit: str | None) -> int:
    """CPU time a period of 100 ms may take, in microseconds; 0 for no limit."""
    if not cpu_limit or not quantity.milli(cpu_limit):
        return 0
    return max(quantity.milli(cpu_limit) * PERIOD_MICROSECONDS // 1000, MIN_QUOTA_MICROSECONDS)


def oom_score(pod: Object, container: Object, machine_memory: int) -> int:
    """oom_score_adj: who asks for more memory is killed later (upstream's GetContainerOOMScoreAdjust)."""
    match qos_class(pod):
        case "Guaranteed":
            return -997
        case "BestEffort":
            return 1000
    request = quantity.to_int(((container.get("resources") or {}).get("requests") or {}).get("memory") or "0")
    score = 1000 - math.floor(1000 * request / machine_memory)
    return min(max(score, 3), 999)


def container_resources(pod: Object, container: Object, machine_memory: int) -> cri.LinuxContainerResources:
    """What the runtime enforces for one container."""
    resources = container.get("resources") or {}
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    return cri.LinuxContainerResources(
        cpu_period=PERIOD_MICROSECONDS,
        cpu_quota=quota(limits.get("cpu")),
        cpu_shares=shares(requests.get("cpu") or limits.get("cpu")),
        memory_limit_in_bytes=quantity.to_int(limits.get("memory") or "0"),
        oom_score_adj=oom_score(pod, container, machine_memory),
    )


def cgroup_parent(pod: Object, *, systemd: bool) -> str:
    """The control group of a pod in upstream's hierarchy: by QoS class, Guaranteed at the top."""
    qos = qos_class(pod).lower()
    middle = "" if qos == "guaranteed" else qos
    uid = spec.uid(pod)
    if systemd:
        stem = f"kubepods-{middle}" if middle else "kubepods"
        return f"{stem}-pod{uid.replace('-', '_')}.slice"
    return "/".join(part for part in ("/kubepods", middle, f"pod{uid}") if part)
