"""DefaultIngressClass: an Ingress that names no class gets the one marked as default."""

from __future__ import annotations

from tricenter.apiserver import errors
from tricenter.apiserver.admission.chain import Attributes, Plugin
from tricenter.apiserver.resources import Resources

_CLASS = "kubernetes.io/ingress.class"
_DEFAULT = "ingressclass.kubernetes.io/is-default-class"


class DefaultIngressClass(Plugin):
    """Fills in `spec.ingressClassName` (plugin/pkg/admission/network/defaultingressclass)."""

    def __init__(self, resources: Resources) -> None:
        self._classes = resources["networking.k8s.io", "ingressclasses"].objects

    async def mutate(self, attributes: Attributes) -> None:
        """Set the class of an Ingress that has none, not even by the annotation of old. Raises Forbidden."""
        if not attributes.creates("networking.k8s.io", "ingresses"):
            return
        obj = attributes.obj
        spec = obj.setdefault("spec", {})
        if "ingressClassName" in spec or _CLASS in (obj["metadata"].get("annotations") or {}):
            return
        classes = [entry.load()["metadata"] for entry in self._classes.entries.values()]
        marked = [found["name"] for found in classes if (found.get("annotations") or {}).get(_DEFAULT) == "true"]
        if len(marked) > 1:
            target = attributes.call.resource.target(obj["metadata"].get("name", ""))
            raise errors.forbidden(target, f"{len(marked)} default IngressClasses were found, only 1 allowed")
        if marked:
            spec["ingressClassName"] = marked[0]
