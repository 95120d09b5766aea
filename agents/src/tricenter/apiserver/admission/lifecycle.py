"""NamespaceLifecycle: nothing is created in a namespace that does not exist or is being deleted."""

from __future__ import annotations

from tricenter.apiserver import errors
from tricenter.apiserver.admission.chain import CREATE, DELETE, Attributes, Plugin
from tricenter.apiserver.cache.freshness import Freshness
from tricenter.apiserver.resources import Resources

IMMORTAL = ("default", "kube-system", "kube-public", "kube-node-lease")
_REVIEW = ("authorization.k8s.io", "localsubjectaccessreviews")


class NamespaceLifecycle(Plugin):
    """plugin/namespace/lifecycle."""

    def __init__(self, resources: Resources, fresh: Freshness) -> None:
        self._namespaces = resources["", "namespaces"].objects
        self._fresh = fresh

    async def mutate(self, attributes: Attributes) -> None:
        """Refuses early, before anything is defaulted."""
        namespace = attributes.call.info.namespace
        if attributes.operation != CREATE or not namespace or attributes.resource == _REVIEW:
            return
        entry = self._namespaces.get("", namespace)
        if entry is None:
            await self._fresh.wait()
            entry = self._namespaces.get("", namespace)
        if entry is None:
            raise errors.not_found(errors.Target(resource="namespaces", name=namespace))
        if entry.fields.get("status.phase") == "Terminating":
            raise _terminating(attributes, namespace)

    async def validate(self, attributes: Attributes) -> None:
        """The namespaces that every cluster has stay."""
        name = attributes.call.info.name
        if attributes.operation == DELETE and attributes.resource == ("", "namespaces") and name in IMMORTAL:
            raise errors.forbidden(attributes.call.target, "this namespace may not be deleted")


def _terminating(attributes: Attributes, namespace: str) -> errors.Forbidden:
    name = attributes.obj["metadata"].get("name", "")
    text = f"unable to create new content in namespace {namespace} because it is being terminated"
    error = errors.forbidden(attributes.call.resource.target(name), text)
    message = f"namespace {namespace} is being terminated"
    error.causes = [{"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}]
    return error
