"""Aggregated cluster roles: a role with an aggregation rule has the rules of all roles that its selectors find.

After pkg/controller/clusterroleaggregation.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tricenter.apimachinery import selectors
from tricenter.client import errors
from tricenter.client.resources import CLUSTERROLES
from tricenter.controllers.context import Context, Controller

Object = dict[str, Any]

_MANAGER = "clusterrole-aggregation-controller"


class ClusterRoleAggregation(Controller):
    """Reconciles cluster roles with an aggregation rule."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._roles = self.informer(CLUSTERROLES)
        # Any role may be a part of any aggregate, before or after its change.
        self.enqueue_on(self._roles, lambda _: self._aggregates())

    def _aggregates(self) -> list[str]:
        return [key for key, role in self._roles.store.items() if role.get("aggregationRule")]

    async def reconcile(self, key: str) -> float | None:
        role = self._roles.store.get(key)
        if role is None or not role.get("aggregationRule"):
            return None
        rules = aggregated(role, self._roles.store.values())
        if rules == (role.get("rules") or []):
            return None
        try:
            await self._write(role, rules)
        except errors.NotFound:
            return None
        return None

    async def _write(self, role: Object, rules: list[Object]) -> None:
        patch = {"metadata": {"name": role["metadata"]["name"]}, "rules": rules}
        applied = {"apiVersion": CLUSTERROLES.api_version, "kind": CLUSTERROLES.kind, **patch}
        name = role["metadata"]["name"]
        await self.api.patch(
            CLUSTERROLES, name, applied, content_type=self.api.APPLY, field_manager=_MANAGER, force=True
        )


def aggregated(role: Object, roles: Iterable[Object]) -> list[Object]:
    """The rules of all roles that `role` selects, itself left out, by name and each rule once."""
    found: list[Object] = []
    wanted = role["aggregationRule"].get("clusterRoleSelectors") or []
    matchers = [selectors.from_object(selector) for selector in wanted]
    for other in sorted(roles, key=lambda item: str(item["metadata"]["name"])):
        labels = other["metadata"].get("labels") or {}
        if other["metadata"]["name"] == role["metadata"]["name"] or not any(m.matches(labels) for m in matchers):
            continue
        found.extend(rule for rule in other.get("rules") or () if rule not in found)
    return found
