"""Node ports of a Service: which it wants, which it holds, and the keys that say so."""

from __future__ import annotations

import uuid
from typing import Any

from tricenter.apimachinery import times
from tricenter.apiserver.registry import addresses

Object = dict[str, Any]

_PREFIX = "/registry/tricenter/nodeports/"
_TYPES = ("NodePort", "LoadBalancer")


def wanting(obj: Object) -> list[Object]:
    """The ports that must have a node port, or name one."""
    spec = obj.get("spec") or {}
    ports: list[Object] = spec.get("ports") or []
    if spec.get("type") not in _TYPES:
        return []
    if spec["type"] == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False:
        return [port for port in ports if port.get("nodePort")]
    return ports


def wants_health_check(obj: Object) -> bool:
    """Whether nodes must answer health checks for this Service on a port of their own."""
    spec = obj.get("spec") or {}
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def held(obj: Object) -> list[int]:
    """The node ports that a Service has or names."""
    numbers = [port["nodePort"] for port in wanting(obj) if port.get("nodePort")]
    health = (obj.get("spec") or {}).get("healthCheckNodePort")
    return [*dict.fromkeys(numbers), *([health] if health and wants_health_check(obj) else [])]


def keep(old: Object, new: Object) -> None:
    """Ports that stay keep their node ports; those of a Service that wants none any more are dropped."""
    spec = new.get("spec") or {}
    if spec.get("type") not in _TYPES:
        before = {(port.get("port"), port.get("nodePort")) for port in (old.get("spec") or {}).get("ports") or ()}
        for port in spec.get("ports") or ():
            if (port.get("port"), port.get("nodePort")) in before:
                port.pop("nodePort", None)
        spec.pop("healthCheckNodePort", None)
        return
    numbers = {_identity(port): port.get("nodePort") for port in (old.get("spec") or {}).get("ports") or ()}
    for port in wanting(new):
        number = numbers.get(_identity(port))
        if number and not port.get("nodePort"):
            port["nodePort"] = number
    health = (old.get("spec") or {}).get("healthCheckNodePort")
    if health and wants_health_check(new) and not spec.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = health


def _identity(port: Object) -> tuple[Any, Any]:
    return (port.get("port"), port.get("protocol", "TCP"))


def key(number: int) -> str:
    """Where the claim of a port is kept."""
    return f"{_PREFIX}{number}"


def claim(number: int, obj: Object) -> Object:
    """The record of a taken port."""
    return {
        "kind": "NodePort",
        "apiVersion": "tricenter.io/v1",
        "metadata": {"name": str(number), "uid": str(uuid.uuid4()), "creationTimestamp": times.now_rfc3339()},
        "spec": {"parentRef": addresses.parent(obj)},
    }
