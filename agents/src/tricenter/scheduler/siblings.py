"""Which pods belong together when a pod does not say so: those of its Services and of its owner.

Upstream's DefaultSelector: the selectors of all Services that select the pod and of the controller that owns it must
hold together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from tricenter.apimachinery import selectors
from tricenter.apimachinery.selectors import LabelSelector, Requirement
from tricenter.scheduler.pods import PodInfo


class Services(Protocol):
    """An informer with the index `namespace`."""

    def by_index(self, name: str, key: str) -> list[dict[str, Any]]:
        """Objects of a namespace."""


def selector_of(pod: PodInfo, services: Iterable[dict[str, Any]], owner: dict[str, Any] | None) -> LabelSelector:
    """The combined selector; it matches nothing for a pod that belongs to nothing."""
    requirements: list[Requirement] = []
    for service in services:
        selector = selectors.from_map((service.get("spec") or {}).get("selector"))
        if selector.matches(pod.labels):
            requirements += selector.requirements
    if owner is not None:
        requirements += selectors.from_object(owner["spec"].get("selector")).requirements
    return LabelSelector(tuple(dict.fromkeys(requirements))) if requirements else selectors.NOTHING


class Finder:
    """Looks Services and owners up in informers: `owners` maps a kind to the store of its informer."""

    def __init__(self, services: Services, owners: Mapping[str, Mapping[str, dict[str, Any]]]) -> None:
        self._services = services
        self._owners = owners

    def __call__(self, pod: PodInfo) -> LabelSelector:
        return selector_of(pod, self._services.by_index("namespace", pod.namespace), self._owner(pod))

    def _owner(self, pod: PodInfo) -> dict[str, Any] | None:
        for reference in pod.obj["metadata"].get("ownerReferences") or ():
            if reference.get("controller"):
                store = self._owners.get(reference["kind"])
                return store.get(f"{pod.namespace}/{reference['name']}") if store is not None else None
        return None
