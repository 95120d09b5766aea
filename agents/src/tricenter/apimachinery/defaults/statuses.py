"""What every status shows: the members that upstream's Go types always write, zeros while nobody has set them.

A member without `omitempty` (k8s.io/api, types.go of each group) is there from the moment an object is created, and
comes back when an update leaves it out; so is the status itself, which is no pointer in any kind.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from tricenter.apimachinery.records import Kind

Object = dict[str, Any]

_NODE_INFO = (
    "architecture", "bootID", "containerRuntimeVersion", "kernelVersion", "kubeProxyVersion", "kubeletVersion",
    "machineID", "operatingSystem", "osImage", "systemUUID",
)  # fmt: skip

_ALWAYS: dict[tuple[str, str], Mapping[str, Any]] = {
    ("v1", "Node"): {
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
        "nodeInfo": dict.fromkeys(_NODE_INFO, ""),
    },
    ("v1", "ReplicationController"): {"replicas": 0},
    ("v1", "Service"): {"loadBalancer": {}},
    ("apps/v1", "DaemonSet"): {
        "currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0,
    },
    ("apps/v1", "ReplicaSet"): {"replicas": 0},
    ("apps/v1", "StatefulSet"): {"availableReplicas": 0, "replicas": 0},
    ("autoscaling/v1", "HorizontalPodAutoscaler"): {"currentReplicas": 0, "desiredReplicas": 0},
    ("autoscaling/v2", "HorizontalPodAutoscaler"): {"currentMetrics": None, "desiredReplicas": 0},
    ("networking.k8s.io/v1", "Ingress"): {"loadBalancer": {}},
    ("policy/v1", "PodDisruptionBudget"): {
        "currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0,
    },
    ("storage.k8s.io/v1", "VolumeAttachment"): {"attached": False},
}  # fmt: skip


def fill(kind: Kind, obj: Object) -> None:
    """Add what is missing in the status of a built-in kind, in place."""
    always = _of(kind)
    if always is not None:
        _fill(obj.setdefault("status", {}), always)


@lru_cache(maxsize=1024)
def _of(kind: Kind) -> Mapping[str, Any] | None:
    """The members that a kind's status always has; None for kinds without a status."""
    if kind.subresource("status") is None:
        return None
    return _ALWAYS.get((kind.api_version, kind.kind), {})


def _fill(value: Any, always: Mapping[str, Any]) -> None:
    if not isinstance(value, dict):
        return
    for key, zero in always.items():
        if isinstance(zero, dict):
            _fill(value.setdefault(key, {}), zero)
        else:
            value.setdefault(key, zero)
