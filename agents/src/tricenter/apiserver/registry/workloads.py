"""Kinds with a few rules of their own on creation and update."""

from __future__ import annotations

import uuid

from tricenter.apiserver.registry.strategy import Object, Strategy


class ReturnsDeleted(Strategy):
    """Kinds whose delete answers with the object."""

    returns_deleted = True


class SpecOnly(Strategy):
    """EndpointSlices and the like: everything but metadata is what is wanted."""

    def wanted(self, obj: Object) -> Object:
        return {key: value for key, value in obj.items() if key != "metadata"}


class JobStrategy(Strategy):
    """Jobs find their pods by a label that the server sets (pkg/registry/batch/job)."""

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        spec = obj.setdefault("spec", {})
        if spec.get("manualSelector"):
            return
        metadata = obj["metadata"]
        uid = metadata.setdefault("uid", str(uuid.uuid4()))
        labels = {
            "batch.kubernetes.io/controller-uid": uid,
            "batch.kubernetes.io/job-name": metadata["name"],
            "controller-uid": uid,
            "job-name": metadata["name"],
        }
        template = spec.setdefault("template", {}).setdefault("metadata", {})
        template["labels"] = {**(template.get("labels") or {}), **labels}
        spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}


class CertificateRequestStrategy(Strategy):
    """The server writes who asks; approval and certificate come through subresources."""

    def prepare_update(self, old: Object, new: Object) -> None:
        super().prepare_update(old, new)
        new["spec"] = old["spec"]
