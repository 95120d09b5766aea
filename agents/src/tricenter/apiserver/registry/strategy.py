"""What happens to an object of any kind before it is stored (registry/rest Create- and UpdateStrategy).

A kind with rules of its own has a subclass in one of the sibling modules; `strategies.of` knows them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tricenter.apimachinery import copies, warnings

Object = dict[str, Any]

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"

_GENERATION = {
    ("", "pods"),
    ("", "replicationcontrollers"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
    ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("apps", "daemonsets"),
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("batch", "cronjobs"),
    ("batch", "jobs"),
    ("discovery.k8s.io", "endpointslices"),
    ("flowcontrol.apiserver.k8s.io", "flowschemas"),
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"),
    ("networking.k8s.io", "ingressclasses"),
    ("networking.k8s.io", "ingresses"),
    ("networking.k8s.io", "networkpolicies"),
    ("policy", "poddisruptionbudgets"),
}
"""Resources whose generation counts changes of what is wanted."""


_VERSIONED = {
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
    ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("apiregistration.k8s.io", "apiservices"),
    ("coordination.k8s.io", "leases"),
    ("node.k8s.io", "runtimeclasses"),
    ("policy", "poddisruptionbudgets"),
    ("storage.k8s.io", "csidrivers"),
    ("storage.k8s.io", "csinodes"),
    ("storage.k8s.io", "csistoragecapacities"),
    ("storage.k8s.io", "volumeattachments"),
}
"""Resources whose updates must say what they are based on (AllowUnconditionalUpdate is false)."""

_CREATED_BY_UPDATE = {
    ("", "endpoints"),
    ("", "events"),
    ("", "limitranges"),
    ("", "services"),
    ("coordination.k8s.io", "leases"),
    ("events.k8s.io", "events"),
    ("node.k8s.io", "runtimeclasses"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "rolebindings"),
    ("rbac.authorization.k8s.io", "roles"),
}
"""Resources that a PUT creates where there is none of the name (AllowCreateOnUpdate is true)."""


class Strategy:
    """The rules that hold for every kind."""

    returns_deleted = False
    """Whether a delete answers with the object instead of a Status."""

    def __init__(self, group: str, plural: str, *, has_status: bool) -> None:
        self.has_status = has_status
        self.has_generation = (group, plural) in _GENERATION
        self.unconditional = (group, plural) not in _VERSIONED
        """Whether an update may leave out the resourceVersion it is based on."""
        self.created_by_update = (group, plural) in _CREATED_BY_UPDATE
        """Whether an update of what is not there creates it."""
        self._warns = warnings.place(group, plural)

    def prepare_create(self, obj: Object) -> None:
        """Drop what a client may not set and fill in what every new object has."""
        if self.has_status:
            obj.pop("status", None)
        if self.has_generation:
            obj["metadata"]["generation"] = 1

    def complete_create(self, obj: Object) -> None:
        """Set what depends on what admission filled in."""

    def prepare_update(self, old: Object, new: Object) -> None:
        """Keep what an update of the main resource may not change."""
        if self.has_status:
            keep(old, new, "status")
        if self.has_generation:
            changed = self.wanted(old) != self.wanted(new)
            _set_generation(old, new, raised=changed)

    def prepare_change(self, subresource: str, old: Object, new: Object) -> None:
        """Keep what an update of the resource or of one of its subresources may not change."""
        if subresource == "status":
            self.prepare_status(old, new)
        else:
            self.prepare_update(old, new)

    def prepare_status(self, old: Object, new: Object) -> None:
        """Keep everything but the status (and labels, annotations)."""
        for key in (set(old) | set(new)) - {"status", "metadata"}:
            keep(old, new, key)
        for key in ("finalizers", "ownerReferences", "generation"):
            keep(old["metadata"], new["metadata"], key)

    def warnings(self, old: Object | None, new: Object) -> Iterable[str]:
        """What a client is told about an object that is accepted, when it is new or wants something else now."""
        if self._warns is None or (old is not None and self.wanted(old) == self.wanted(new)):
            return ()
        return self._warns(new)

    def wanted(self, obj: Object) -> Object:
        """The part of an object whose change raises the generation."""
        return {key: value for key, value in obj.items() if key not in ("metadata", "status")}

    def finalizers(self, obj: Object) -> list[str]:
        """Who must agree before the object goes."""
        return list(obj["metadata"].get("finalizers") or ())

    def grace(self, obj: Object, requested: int | None) -> int | None:  # noqa: ARG002  # for subclasses
        """Seconds an object stays after its deletion; None for kinds that go at once."""
        return None

    def prepare_delete(self, obj: Object) -> None:
        """Called on every delete, before it is decided whether something keeps the object."""

    def mark_deleted(self, obj: Object) -> None:
        """Called when an object becomes one that is being deleted."""
        if self.has_generation:
            obj["metadata"]["generation"] = int(obj["metadata"].get("generation") or 0) + 1


def keep(old: Object, new: Object, key: str) -> None:
    """Give a field of the new object the value that the old one has, none where that has none."""
    if key in old:
        if key not in new or new[key] != old[key]:
            new[key] = copies.deep(old[key])
    else:
        new.pop(key, None)


def _set_generation(old: Object, new: Object, *, raised: bool) -> None:
    generation = int(old["metadata"].get("generation") or 0) + (1 if raised else 0)
    if generation:
        new["metadata"]["generation"] = generation
