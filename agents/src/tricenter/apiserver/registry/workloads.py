"""Kinds with a few rules of their own on creation and update."""

from __future__ import annotations

from tricenter.apimachinery import defaults, times
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
    """Approval and certificate come through subresources, each with its own part of the status.

    After pkg/registry/certificates/certificates/strategy.go.
    """

    _VERDICTS = ("Approved", "Denied")

    def prepare_change(self, subresource: str, old: Object, new: Object) -> None:
        if subresource not in ("status", "approval"):
            self.prepare_update(old, new)
            new["spec"] = old["spec"]
            return
        self.prepare_status(old, new)
        before, after = old.get("status") or {}, new.get("status") or {}
        conditions = after.get("conditions") or []
        if subresource == "approval":
            new["status"] = {**before, "conditions": conditions}
        else:
            # A signer neither gives nor takes an approval.
            kept = [item for item in before.get("conditions") or () if item.get("type") in self._VERDICTS]
            others = [item for item in conditions if item.get("type") not in self._VERDICTS]
            new["status"] = {**after, "conditions": [*kept, *others]}
        _stamp(before.get("conditions") or [], new["status"]["conditions"])
        if not new["status"]["conditions"]:
            del new["status"]["conditions"]


def _stamp(before: list[Object], after: list[Object]) -> None:
    """Conditions that come without their times get them."""
    now = times.now_rfc3339()
    for condition in after:
        same = next((item for item in before if item.get("type") == condition.get("type")), {})
        condition.setdefault("lastUpdateTime", now)
        changed = same.get("status") != condition.get("status")
        condition.setdefault("lastTransitionTime", now if changed else same.get("lastTransitionTime", now))
