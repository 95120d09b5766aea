"""What a Service of type LoadBalancer asks for (core/v1 ServiceSpec)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Object = Mapping[str, Any]

REQUEST_ANNOTATION = "tricenter.io/load-balancer-ip"
"""Asks for an address, as `spec.loadBalancerIP` does, which upstream deprecated in favour of such annotations."""


def key_of(service: Object) -> str:
    """`namespace/name`."""
    metadata = service["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}"


def age_order(services: Iterable[Object]) -> list[Object]:
    """Oldest first: who was there first keeps an address that two claim."""
    return sorted(services, key=lambda one: (one["metadata"].get("creationTimestamp") or "", key_of(one)))


def is_ours(service: Object, load_balancer_class: str) -> bool:
    """Whether this agent is to give the Service an address."""
    spec = service.get("spec") or {}
    if spec.get("type") != "LoadBalancer" or service["metadata"].get("deletionTimestamp"):
        return False
    return spec.get("loadBalancerClass") in (None, "", load_balancer_class)


def addresses(service: Object) -> tuple[str, ...]:
    """The addresses that its status names."""
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return tuple(entry["ip"] for entry in ingress if entry.get("ip"))


def requested(service: Object) -> str:
    """The address that it asks for, or nothing."""
    annotations = service["metadata"].get("annotations") or {}
    return str(annotations.get(REQUEST_ANNOTATION) or (service.get("spec") or {}).get("loadBalancerIP") or "")


def ports(service: Object) -> list[tuple[int, str]]:
    """Its ports and protocols."""
    return [(entry["port"], entry.get("protocol") or "TCP") for entry in (service.get("spec") or {}).get("ports") or ()]


def local_health_port(service: Object) -> int:
    """The port that says whether a node has an endpoint of its own; 0 where every node will do."""
    spec = service.get("spec") or {}
    return int(spec.get("healthCheckNodePort") or 0) if spec.get("externalTrafficPolicy") == "Local" else 0
