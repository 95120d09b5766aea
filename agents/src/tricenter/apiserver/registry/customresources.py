"""Custom resources and their definitions.

Upstream's apiextensions-apiserver pkg/registry/customresource/strategy.go, status_strategy.go and
pkg/registry/customresourcedefinition/strategy.go, etcd.go.
"""

from __future__ import annotations

from collections.abc import Iterable

from tricenter.apimachinery import copies
from tricenter.apimachinery.structural import naming
from tricenter.apimachinery.validation import custom
from tricenter.apiserver.registry.strategy import Object, Strategy

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"


class CustomStrategy(Strategy):
    """Every change but one of the metadata counts as a generation; the status endpoint changes the status only."""

    def __init__(self, group: str, plural: str, *, has_status: bool) -> None:
        super().__init__(group, plural, has_status=has_status)
        self.has_generation = True
        self.unconditional = False

    def warnings(self, old: Object | None, new: Object) -> Iterable[str]:
        return custom.warnings(old, new)

    def wanted(self, obj: Object) -> Object:
        return {key: value for key, value in obj.items() if key != "metadata"}

    def prepare_status(self, old: Object, new: Object) -> None:
        metadata = copies.deep(old["metadata"])
        metadata.pop("managedFields", None)
        if "managedFields" in new["metadata"]:
            metadata["managedFields"] = new["metadata"]["managedFields"]
        status = {"status": new["status"]} if "status" in new else {}
        kept = {key: value for key, value in copies.deep(old).items() if key not in ("metadata", "status")}
        new.clear()
        new.update({**kept, "metadata": metadata, **status})


class DefinitionStrategy(Strategy):
    """A CustomResourceDefinition remembers its storage versions and stays until its objects are gone."""

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        status = {"conditions": [], "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": []}
        obj["status"] = status
        _note_stored(obj)

    def prepare_update(self, old: Object, new: Object) -> None:
        super().prepare_update(old, new)
        _note_stored(new)

    def prepare_delete(self, obj: Object) -> None:
        metadata = obj["metadata"]
        if metadata.get("deletionTimestamp"):
            return
        if CLEANUP not in metadata.setdefault("finalizers", []):
            metadata["finalizers"].append(CLEANUP)
        why = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
        naming.set_condition(obj, "Terminating", "True", "InstanceDeletionPending", why)


def _note_stored(obj: Object) -> None:
    """`status.storedVersions` holds every version in which objects may lie in etcd."""
    versions = (obj.get("spec") or {}).get("versions")
    if not isinstance(versions, list):
        return
    stored = obj.setdefault("status", {}).setdefault("storedVersions", [])
    for version in versions:
        if isinstance(version, dict) and version.get("storage") and version.get("name") not in stored:
            stored.append(version.get("name"))
