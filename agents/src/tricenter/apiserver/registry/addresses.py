"""Cluster addresses of a Service: which it wants, which it holds, and the IPAddress objects that say so."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from tricenter.apimachinery import times

Object = dict[str, Any]

_PREFIX = "/registry/ipaddresses/"
_HEADLESS = "None"
_SETTLED = dt.timedelta(minutes=1)
"""How old a claim is before its Service must be there: until then a server may be writing the Service."""


def wanted(obj: Object) -> bool:
    """Whether a Service has a cluster address at all."""
    spec = obj.get("spec") or {}
    return spec.get("type") != "ExternalName" and spec.get("clusterIP") != _HEADLESS


def held(obj: Object) -> list[str]:
    """The addresses that a Service has or names."""
    spec = obj.get("spec") or {}
    if not wanted(obj):
        return []
    given = spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
    return [address for address in given if address and address != _HEADLESS]


def assign(obj: Object, address: str) -> None:
    """Write the allocated address."""
    spec = obj["spec"]
    spec["clusterIP"] = address
    spec["clusterIPs"] = [address]


def complete(obj: Object) -> None:
    """The plural form of the address, and the families, as upstream fills them in (KEP-563)."""
    spec = obj.get("spec") or {}
    if spec.get("type") == "ExternalName" or not spec.get("clusterIP"):
        return
    spec["clusterIPs"] = spec.get("clusterIPs") or [spec["clusterIP"]]
    if not spec.get("ipFamilies"):
        spec["ipFamilies"] = ["IPv6" if ":" in spec["clusterIP"] else "IPv4"]
    if not spec.get("ipFamilyPolicy"):
        spec["ipFamilyPolicy"] = "SingleStack"


def keep(old: Object, new: Object) -> None:
    """An update that names no address keeps the one there is (patchAllocatedValues)."""
    before, after = old.get("spec") or {}, new.setdefault("spec", {})
    if after.get("type") == "ExternalName":
        if before.get("type") != "ExternalName" and after.get("clusterIP") == before.get("clusterIP"):
            after.pop("clusterIP", None)
            after.pop("clusterIPs", None)
    elif before.get("type") != "ExternalName" and not after.get("clusterIP") and before.get("clusterIP"):
        after["clusterIP"] = before["clusterIP"]
        after["clusterIPs"] = before.get("clusterIPs") or [before["clusterIP"]]
    elif after.get("clusterIP") != before.get("clusterIP") and after.get("clusterIPs") == before.get("clusterIPs"):
        # A client that knows the singular form only means both (NormalizeClusterIPs).
        after["clusterIPs"] = [after["clusterIP"]] if after.get("clusterIP") else []


def key(address: str) -> str:
    """Where the claim of an address is kept."""
    return f"{_PREFIX}{address}"


def claim(address: str, obj: Object) -> Object:
    """The IPAddress object of an address."""
    family = "IPv6" if ":" in address else "IPv4"
    return {
        "kind": "IPAddress",
        "apiVersion": "networking.k8s.io/v1",
        "metadata": {
            "name": address,
            "uid": str(uuid.uuid4()),
            "creationTimestamp": times.now_rfc3339(),
            "labels": {
                "ipaddress.kubernetes.io/ip-family": family,
                "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
            },
        },
        "spec": {"parentRef": parent(obj)},
    }


def parent(obj: Object) -> Object:
    """A reference to the Service."""
    metadata = obj["metadata"]
    return {"resource": "services", "namespace": metadata["namespace"], "name": metadata["name"]}


def old_enough(obj: Object) -> bool:
    """Whether a claim was made so long ago that its Service must have been written or refused."""
    age = times.since((obj.get("metadata") or {}).get("creationTimestamp"), times.now())
    return age is None or age > _SETTLED
