"""DefaultStorageClass: a claim that names no class gets the one marked as default.

After plugin/pkg/admission/storage/storageclass/setdefault and k8s.io/kubernetes/pkg/volume/util GetDefaultClass.
"""

from __future__ import annotations

from typing import Any

from tricenter.apiserver.admission.chain import Attributes, Plugin
from tricenter.apiserver.resources import Resources

Object = dict[str, Any]

_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_DEFAULT_OF_OLD = "storageclass.beta.kubernetes.io/is-default-class"
_CLASS_OF_OLD = "volume.beta.kubernetes.io/storage-class"


class DefaultStorageClass(Plugin):
    """Fills in `spec.storageClassName`; an empty one is a choice and stays."""

    def __init__(self, resources: Resources) -> None:
        self._classes = resources["storage.k8s.io", "storageclasses"].objects

    async def mutate(self, attributes: Attributes) -> None:
        """Set the class of a new claim that has none, not even by the annotation of old."""
        if not attributes.creates("", "persistentvolumeclaims"):
            return
        obj = attributes.obj
        spec = obj.setdefault("spec", {})
        if spec.get("storageClassName") is not None or _CLASS_OF_OLD in (obj["metadata"].get("annotations") or {}):
            return
        chosen = default_class([entry.load() for entry in self._classes.entries.values()])
        if chosen:
            spec["storageClassName"] = chosen


def default_class(classes: list[Object]) -> str:
    """The name of the default class: the newest of those marked, the first by name of equally new ones."""
    marked = sorted((found["metadata"] for found in classes if _marked(found)), key=lambda item: str(item["name"]))
    newest: Object = max(marked, key=lambda item: str(item.get("creationTimestamp")), default={})
    return str(newest.get("name", ""))


def _marked(found: Object) -> bool:
    annotations = found["metadata"].get("annotations") or {}
    return "true" in (annotations.get(_DEFAULT), annotations.get(_DEFAULT_OF_OLD))
