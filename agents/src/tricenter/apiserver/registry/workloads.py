"""Kinds with a few rules of their own on creation and update."""

from __future__ import annotations

from tricenter.apimachinery import defaults
from tricenter.apiserver.registry.strategy import Object, Strategy


class ReturnsDeleted(Strategy):
    """Kinds whose delete answers with the object."""

    returns_deleted = True


class KeepsStatus(Strategy):
    """Nodes and ServiceCIDRs: who creates one may say what state it is in (pkg/registry/core/node/strategy.go)."""

    def prepare_create(self, obj: Object) -> None:
        status = obj.get("status")
        super().prepare_create(obj)
        if status is not None:
            obj["status"] = status


class SpecOnly(Strategy):
    """EndpointSlices and the like: everything but metadata is what is wanted."""

    def wanted(self, obj: Object) -> Object:
        return {key: value for key, value in obj.items() if key != "metadata"}


class JobStrategy(Strategy):
    """Jobs find their pods by a label that the server sets (pkg/registry/batch/job)."""

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        defaults.job_selector(obj)


class CertificateRequestStrategy(Strategy):
    """The server writes who asks; approval and certificate come through subresources."""

    def prepare_update(self, old: Object, new: Object) -> None:
        super().prepare_update(old, new)
        new["spec"] = old["spec"]
