"""Says of each ValidatingAdmissionPolicy that its present form was looked at.

After pkg/controller/validatingadmissionpolicystatus. The API server compiles every expression before it stores a
policy, with all types it knows; what upstream warns of in `typeChecking` besides, fields that a schema does not have,
comes to light when the expression is evaluated.
"""

from __future__ import annotations

from typing import Any

from tricenter.client import errors
from tricenter.client.resources import VALIDATINGADMISSIONPOLICIES
from tricenter.controllers.context import Context, Controller

Object = dict[str, Any]


class AdmissionPolicyStatus(Controller):
    """Writes `status.observedGeneration`."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._policies = self.informer(VALIDATINGADMISSIONPOLICIES)
        self.enqueue_on(self._policies, lambda policy: [policy["metadata"]["name"]])

    async def reconcile(self, key: str) -> float | None:
        policy = self._policies.store.get(key)
        if policy is None or observed(policy):
            return None
        generation = policy["metadata"]["generation"]
        status = {**(policy.get("status") or {}), "observedGeneration": generation, "typeChecking": {}}
        try:
            await self.api.update_status(VALIDATINGADMISSIONPOLICIES, {**policy, "status": status})
        except errors.NotFound:
            return None
        return None


def observed(policy: Object) -> bool:
    """Whether the status is that of the present form."""
    generation = policy["metadata"].get("generation")
    return bool((policy.get("status") or {}).get("observedGeneration") == generation)
