"""The Node object: labels, addresses, capacity, conditions (pure)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cri_api.v1 import api_pb2 as cri

from tricenter.apimachinery import quantity, times
from tricenter.kubelet.config import Config
from tricenter.kubelet.node.machine import Machine

Object = dict[str, Any]

LEVEL = "v1.33.0"
_NO_PRESSURE = {
    "MemoryPressure": ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
}
_PRESSURE = {
    "MemoryPressure": ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    "DiskPressure": ("KubeletHasDiskPressure", "kubelet has disk pressure"),
    "PIDPressure": ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
}


def labels(config: Config, machine: Machine) -> dict[str, str]:
    """The labels a node registers with."""
    return {
        "kubernetes.io/hostname": config.node_name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": machine.architecture,
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": machine.architecture,
        **config.node_labels,
    }


def capacity(config: Config, machine: Machine) -> dict[str, str]:
    """What the machine has."""
    return {
        "cpu": str(machine.cpus),
        "memory": f"{machine.memory // 1024}Ki",
        "ephemeral-storage": f"{machine.disk // 1024}Ki",
        "hugepages-2Mi": "0",
        "hugepages-1Gi": "0",
        "pods": str(config.max_pods),
    }


def allocatable(config: Config, machine: Machine) -> dict[str, str]:
    """What pods may have of it."""
    reserved = config.reserved
    memory = max(0, machine.memory - quantity.to_int(reserved.memory))
    disk = max(0, machine.disk - quantity.to_int(reserved.ephemeral_storage))
    return {
        **capacity(config, machine),
        "cpu": f"{max(0, machine.cpus * 1000 - quantity.milli(reserved.cpu))}m",
        "memory": f"{memory // 1024}Ki",
        "ephemeral-storage": f"{disk // 1024}Ki",
    }


def node(config: Config, machine: Machine) -> Object:
    """The object to register."""
    found: Object = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": config.node_name, "labels": labels(config, machine)},
        "spec": {},
    }
    if config.node_taints:
        found["spec"]["taints"] = [dict(item) for item in config.node_taints]
    return found


def status(
    config: Config,
    machine: Machine,
    *,
    runtime: cri.VersionResponse | None,
    images: Sequence[cri.Image],
    found: Mapping[str, bool],
    not_ready: str,
    old: Sequence[Object],
    now: datetime,
) -> Object:
    """The node's status; `found` says for each pressure whether it is there, `not_ready` why pods cannot run."""
    return {
        "capacity": capacity(config, machine),
        "allocatable": allocatable(config, machine),
        "addresses": [
            {"type": "InternalIP", "address": config.node_address},
            {"type": "Hostname", "address": config.node_name},
        ],
        "conditions": conditions(found, not_ready, old, now),
        "daemonEndpoints": {"kubeletEndpoint": {"Port": config.server.port}},
        "nodeInfo": _info(machine, runtime),
        "images": [_image(item) for item in images if item.repo_tags or item.repo_digests][:50],
    }


def conditions(found: Mapping[str, bool], not_ready: str, old: Sequence[Object], now: datetime) -> list[Object]:
    """The four conditions with the times of their last change; those of others stay."""
    result = []
    for name, pressure in found.items():
        reason, message = (_PRESSURE if pressure else _NO_PRESSURE)[name]
        result.append(_condition(name, pressure, reason, message))
    if not_ready:
        result.append(_condition("Ready", False, "KubeletNotReady", not_ready))
    else:
        result.append(_condition("Ready", True, "KubeletReady", "kubelet is posting ready status"))
    before = {item["type"]: item for item in old}
    stamp = times.rfc3339(now)
    for item in result:
        last = before.get(item["type"])
        item["lastHeartbeatTime"] = stamp
        same = last is not None and last["status"] == item["status"]
        item["lastTransitionTime"] = last["lastTransitionTime"] if last and same else stamp
    names = {item["type"] for item in result}
    return [*result, *(item for item in old if item["type"] not in names)]


def without_heartbeat(found: Object) -> Object:
    """A status without what changes all the time, to tell whether it is worth writing."""
    bare = [
        {name: value for name, value in item.items() if name != "lastHeartbeatTime"} for item in found["conditions"]
    ]
    return {**found, "conditions": bare}


def _condition(kind: str, value: bool, reason: str, message: str) -> Object:
    return {"type": kind, "status": "True" if value else "False", "reason": reason, "message": message}


def _info(machine: Machine, runtime: cri.VersionResponse | None) -> Object:
    return {
        "machineID": machine.machine_id,
        "systemUUID": machine.system_uuid,
        "bootID": machine.boot_id,
        "kernelVersion": machine.kernel,
        "osImage": machine.os_image,
        "containerRuntimeVersion": f"{runtime.runtime_name}://{runtime.runtime_version}" if runtime else "",
        "kubeletVersion": LEVEL,
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": machine.architecture,
    }


def _image(image: cri.Image) -> Object:
    return {"names": [*image.repo_digests, *image.repo_tags], "sizeBytes": image.size}
