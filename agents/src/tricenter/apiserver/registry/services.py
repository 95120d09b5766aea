"""Services: an update that does not name addresses and node ports keeps those there are (pkg/registry/core/service).

What the type of a Service gave it goes when it becomes a Service of another type (dropTypeDependentFields).
"""

from __future__ import annotations

from collections.abc import Callable

from tricenter.apiserver.registry import addresses, nodeports
from tricenter.apiserver.registry.strategy import Object, Strategy

_Uses = Callable[[Object], bool]


def _balanced(spec: Object) -> bool:
    return spec.get("type") == "LoadBalancer"


def _addressed(spec: Object) -> bool:
    return spec.get("type") != "ExternalName"


def _reached_from_outside(spec: Object) -> bool:
    """Whether the way in from outside can be chosen (ExternallyAccessible)."""
    return spec.get("type") in {"NodePort", "LoadBalancer"} or (
        spec.get("type") == "ClusterIP" and bool(spec.get("externalIPs"))
    )


_USERS: dict[str, _Uses] = {
    "allocateLoadBalancerNodePorts": _balanced,
    "loadBalancerClass": _balanced,
    "externalTrafficPolicy": _reached_from_outside,
    "ipFamilies": _addressed,
    "ipFamilyPolicy": _addressed,
}
"""Fields that are of use to some Services only."""


class ServiceStrategy(Strategy):
    """What is allocated stays allocated."""

    returns_deleted = True

    def prepare_update(self, old: Object, new: Object) -> None:
        super().prepare_update(old, new)
        addresses.keep(old, new)
        nodeports.keep(old, new)
        _drop(old.get("spec") or {}, new.get("spec") or {})


def _drop(before: Object, after: Object) -> None:
    """Drop what a Service of the new type has no use for, unless the update says something else of it."""
    for key, uses in _USERS.items():
        if key in after and uses(before) and not uses(after) and after[key] == before.get(key):
            del after[key]
