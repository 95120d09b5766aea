"""Namespace deletion: everything inside goes first, then the finalizer `kubernetes`, then the namespace."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from tricenter.client import Resource, errors
from tricenter.client.resources import NAMESPACES, PODS
from tricenter.controllers import conditions
from tricenter.controllers.context import Context, Controller

Object = dict[str, Any]

FINALIZER = "kubernetes"
_AGAIN_SECONDS = 1.0


def progress(known: list[Object], left: dict[str, list[Object]], failed: frozenset[str]) -> list[Object]:
    """Conditions of a namespace that waits: for what is left, by resource, and for groups that did not answer."""
    if left:
        listed = ", ".join(f"{name} has {len(items)} resource instances" for name, items in sorted(left.items()))
        text = f"Some resources are remaining: {listed}"
        known = conditions.updated(known, "NamespaceContentRemaining", "True", "SomeResourcesRemain", text)
    holding = Counter(name for items in left.values() for item in items for name in _finalizers(item))
    if holding:
        listed = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(holding.items()))
        text = f"Some content in the namespace has finalizers remaining: {listed}"
        known = conditions.updated(known, "NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain", text)
    if failed:
        text = f"Discovery failed for some groups, {len(failed)} failing: {', '.join(sorted(failed))}"
        known = conditions.updated(known, "NamespaceDeletionDiscoveryFailure", "True", "DiscoveryFailed", text)
    return known


def _finalizers(item: Object) -> list[str]:
    return item["metadata"].get("finalizers") or []


class Namespaces(Controller):
    """Reconciles namespaces that are being deleted."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._namespaces = self.informer(NAMESPACES)
        self.enqueue_on(self._namespaces)

    async def reconcile(self, key: str) -> float | None:
        namespace = self._namespaces.store.get(key)
        if namespace is None or "deletionTimestamp" not in namespace["metadata"]:
            return None
        finalizers = (namespace.get("spec") or {}).get("finalizers") or []
        if FINALIZER not in finalizers:
            return None
        found = await self.api.discover()
        resources = [res for res in found.resources if res.namespaced and {"list", "delete"} <= res.verbs]
        left = await self._empty(key, resources)
        if left or found.failed:
            await self._report(namespace, left, found.failed)
            return _AGAIN_SECONDS
        rest = [item for item in finalizers if item != FINALIZER]
        try:
            await self.api.update_subresource(NAMESPACES, namespace | {"spec": {"finalizers": rest}}, "finalize")
        except errors.NotFound:
            return None
        return None

    async def _empty(self, namespace: str, resources: list[Resource]) -> dict[str, list[Object]]:
        """Delete all content; what is still there, by resource."""
        # Pods last: while they stop they may still read what they were given.
        others = [res for res in resources if res != PODS]
        found = await asyncio.gather(*(self._empty_one(namespace, res) for res in others))
        left = {str(res): items for res, items in zip(others, found, strict=True) if items}
        pods = await self._empty_one(namespace, PODS)
        return left | ({str(PODS): pods} if pods else {})

    async def _empty_one(self, namespace: str, res: Resource) -> list[Object]:
        items = (await self.api.list(res, namespace)).items
        for item in items:
            metadata = item["metadata"]
            if "deletionTimestamp" in metadata:
                continue
            try:
                await self.api.delete(res, metadata["name"], namespace, uid=metadata["uid"], propagation="Background")
            except (errors.NotFound, errors.Conflict):
                continue
        return (await self.api.list(res, namespace)).items if items else []

    async def _report(self, namespace: Object, left: dict[str, list[Object]], failed: frozenset[str]) -> None:
        before = (namespace.get("status") or {}).get("conditions") or []
        known = progress(before, left, failed)
        if known == before:
            return
        patch = {"status": {"conditions": known}}
        try:
            await self.api.patch(NAMESPACES, namespace["metadata"]["name"], patch, subresource="status")
        except errors.NotFound:
            return
