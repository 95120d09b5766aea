"""Namespace deletion: everything inside goes first, then the finalizer `kubernetes`, then the namespace.

After pkg/controller/namespace/deletion. Pods go before all else (KEP-5080): while one is left, it keeps the
NetworkPolicies that confine it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Iterable
from typing import Any

from tricenter.apimachinery import times
from tricenter.client import Resource, errors
from tricenter.client.informer import key_of
from tricenter.client.resources import NAMESPACES, PODS
from tricenter.controllers import conditions
from tricenter.controllers.context import Context, Controller

Object = dict[str, Any]

FINALIZER = "kubernetes"
_SHORTEST_SECONDS, _LONGEST_SECONDS = 1.0, 15.0
"""The longest is what upstream estimates for finalizers (finalizerEstimateSeconds)."""
_WELL = {
    "NamespaceDeletionDiscoveryFailure": ("ResourcesDiscovered", "All resources successfully discovered"),
    "NamespaceDeletionGroupVersionParsingFailure": (
        "ParsedGroupVersions", "All legacy kube types successfully parsed"
    ),
    "NamespaceDeletionContentFailure": (
        "ContentDeleted", "All content successfully deleted, may be waiting on finalization"
    ),
    "NamespaceContentRemaining": ("ContentRemoved", "All content successfully removed"),
    "NamespaceFinalizersRemaining": ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
}  # fmt: skip
"""The conditions of a namespace that goes, with the reason and the message of those that do not hold."""


@dataclasses.dataclass
class Content:
    """What a look into a namespace has found."""

    left: dict[str, list[Object]] = dataclasses.field(default_factory=dict)
    """What is still there, by `resource.group`."""
    failures: list[str] = dataclasses.field(default_factory=list)
    """What could not be listed or deleted, and why."""

    @property
    def gone(self) -> bool:
        """Whether nothing is left, for certain."""
        return not self.left and not self.failures

    def add(self, other: Content) -> None:
        """Take in what was found elsewhere in the namespace."""
        self.left |= other.left
        self.failures += other.failures


def progress(known: list[Object], content: Content, undiscovered: frozenset[str]) -> list[Object]:
    """All conditions of a namespace that goes; `undiscovered` are the groups that did not answer."""
    wrong = _wrong(content, undiscovered)
    for kind, well in _WELL.items():
        known = conditions.updated(known, kind, "True" if kind in wrong else "False", *wrong.get(kind, well))
    return known


def _wrong(content: Content, undiscovered: frozenset[str]) -> dict[str, tuple[str, str]]:
    found = {}
    if undiscovered:
        text = f"Discovery failed for some groups, {len(undiscovered)} failing: {', '.join(sorted(undiscovered))}"
        found["NamespaceDeletionDiscoveryFailure"] = ("DiscoveryFailed", text)
    if content.failures:
        listed = ", ".join(sorted(content.failures))
        text = f"Failed to delete all resource types, {len(content.failures)} remaining: {listed}"
        found["NamespaceDeletionContentFailure"] = ("ContentDeletionFailed", text)
    if content.left:
        listed = ", ".join(
            f"{name} has {len(items)} resource instances" for name, items in sorted(content.left.items())
        )
        text = f"Some resources are remaining: {listed}"
        found["NamespaceContentRemaining"] = ("SomeResourcesRemain", text)
    holding = Counter(name for items in content.left.values() for item in items for name in _finalizers(item))
    if holding:
        listed = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(holding.items()))
        text = f"Some content in the namespace has finalizers remaining: {listed}"
        found["NamespaceFinalizersRemaining"] = ("SomeFinalizersRemain", text)
    return found


def _finalizers(item: Object) -> list[str]:
    return item["metadata"].get("finalizers") or []


def again_in(namespace: Object, now: dt.datetime) -> float:
    """Seconds until the next look: the longer it takes already, the less a little more matters."""
    since = times.since(namespace["metadata"].get("deletionTimestamp"), now) or dt.timedelta()
    return min(_LONGEST_SECONDS, max(_SHORTEST_SECONDS, since.total_seconds() / 8))


class Namespaces(Controller):
    """Reconciles namespaces that are being deleted."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._namespaces = self.informer(NAMESPACES)
        self._namespaces.add_handler(self._changed)

    def _changed(self, event: str, old: Object | None, new: Object) -> None:
        """Our own writes of the status are no reason to look again before it is time."""
        if event != "DELETED" and _goes(new) and (old is None or not _goes(old)):
            self.queue.add(key_of(new))

    async def reconcile(self, key: str) -> float | None:
        namespace = self._namespaces.store.get(key)
        if namespace is None or not _goes(namespace):
            return None
        finalizers = (namespace.get("spec") or {}).get("finalizers") or []
        if FINALIZER not in finalizers:
            return None
        found = await self.api.discover()
        content = await self._empty(key, [res for res in found.resources if res.namespaced])
        try:
            namespace = await self._report(namespace, content, found.failed)
            if content.gone and not found.failed:
                rest = [item for item in finalizers if item != FINALIZER]
                await self.api.update_subresource(NAMESPACES, namespace | {"spec": {"finalizers": rest}}, "finalize")
                return None
        except errors.NotFound:
            return None
        return again_in(namespace, times.now())

    async def _empty(self, namespace: str, resources: Iterable[Resource]) -> Content:
        """Delete all content."""
        content = await self._empty_one(namespace, PODS)
        if not content.gone:
            return content
        others = [res for res in resources if res != PODS and {"list", "delete"} <= res.verbs]
        for found in await asyncio.gather(*(self._empty_one(namespace, res) for res in others)):
            content.add(found)
        return content

    async def _empty_one(self, namespace: str, res: Resource) -> Content:
        """Delete what there is of one resource; what cannot be deleted keeps nothing else."""
        content = Content()
        try:
            items = (await self.api.list(res, namespace)).items
            refused = [why for item in items if (why := await self._delete(namespace, res, item))]
            content.failures = refused[:1]
            items = (await self.api.list(res, namespace)).items if items else []
        except errors.NotFound:  # its definition has gone since it was discovered
            return content
        except errors.ClientError as error:
            content.failures = [str(error)]
            return content
        if items:
            content.left[f"{res.plural}.{res.group}"] = items
        return content

    async def _delete(self, namespace: str, res: Resource, item: Object) -> str:
        """Delete an object; what the server had against it."""
        metadata = item["metadata"]
        if _goes(item):
            return ""
        try:
            await self.api.delete(res, metadata["name"], namespace, uid=metadata["uid"], propagation="Background")
        except (errors.NotFound, errors.Conflict):
            return ""
        except errors.ApiError as error:
            return str(error)
        return ""

    async def _report(self, namespace: Object, content: Content, undiscovered: frozenset[str]) -> Object:
        """Write the conditions; the namespace as it is then. Raises NotFound."""
        before = (namespace.get("status") or {}).get("conditions") or []
        known = progress(before, content, undiscovered)
        if known == before:
            return namespace
        patch = {"metadata": {"uid": namespace["metadata"]["uid"]}, "status": {"conditions": known}}
        return await self.api.patch(NAMESPACES, namespace["metadata"]["name"], patch, subresource="status")


def _goes(obj: Object) -> bool:
    return "deletionTimestamp" in obj["metadata"]
