"""Namespaces: they go when `spec.finalizers` is empty, which the namespace controller sees to."""

from __future__ import annotations

from tricenter.apiserver.registry.strategy import Object, Strategy

_FINALIZER = "kubernetes"
_NAME_LABEL = "kubernetes.io/metadata.name"


class NamespaceStrategy(Strategy):
    """A namespace is Active until it is deleted, then Terminating."""

    returns_deleted = True

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        obj["status"] = {"phase": "Active"}
        finalizers = (obj.get("spec") or {}).get("finalizers") or []
        obj["spec"] = {**(obj.get("spec") or {}), "finalizers": [*finalizers]}
        if _FINALIZER not in finalizers:
            obj["spec"]["finalizers"].append(_FINALIZER)
        _label(obj)

    def prepare_update(self, old: Object, new: Object) -> None:
        super().prepare_update(old, new)
        new["spec"] = {**(new.get("spec") or {}), "finalizers": (old.get("spec") or {}).get("finalizers") or []}
        _label(new)

    def prepare_finalize(self, old: Object, new: Object) -> None:
        """The finalize subresource changes `spec.finalizers` and nothing else."""
        finalizers = list((new.get("spec") or {}).get("finalizers") or ())
        self.prepare_update(old, new)
        new["spec"]["finalizers"] = finalizers

    def finalizers(self, obj: Object) -> list[str]:
        return [*super().finalizers(obj), *((obj.get("spec") or {}).get("finalizers") or ())]

    def mark_deleted(self, obj: Object) -> None:
        super().mark_deleted(obj)
        obj.setdefault("status", {})["phase"] = "Terminating"


def _label(obj: Object) -> None:
    """Every namespace carries its name as a label, so that selectors can name it (KEP-2161)."""
    obj["metadata"].setdefault("labels", {})[_NAME_LABEL] = obj["metadata"].get("name", "")
