"""Nobody grants more than he holds: roles need the permissions they grant or `escalate`, bindings those of their role
or `bind` (pkg/registry/rbac/*/policybased).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tricenter.apiserver import errors
from tricenter.apiserver.admission.chain import CREATE, UPDATE, Attributes, Plugin
from tricenter.apiserver.auth import escalation
from tricenter.apiserver.auth.authorize import Authorizer
from tricenter.apiserver.auth.rbac import Request, Rule
from tricenter.apiserver.auth.user import MASTERS
from tricenter.apiserver.cache.freshness import Freshness

Object = dict[str, Any]

_GROUP = "rbac.authorization.k8s.io"
_ROLES = ((_GROUP, "roles"), (_GROUP, "clusterroles"))
_BINDINGS = ((_GROUP, "rolebindings"), (_GROUP, "clusterrolebindings"))
_FOR_COLLECTION = ("ownerReferences", "finalizers", "managedFields", "resourceVersion", "generation")


class Escalation(Plugin):
    """Looks at roles and bindings in their final form, after every mutation."""

    def __init__(self, authorizer: Authorizer, fresh: Freshness) -> None:
        self._authorizer = authorizer
        self._fresh = fresh

    async def validate(self, attributes: Attributes) -> None:
        """Raises Forbidden; NotFound for a binding whose role does not exist."""
        call = attributes.call
        if attributes.operation not in (CREATE, UPDATE) or MASTERS in call.user.groups:
            return
        if attributes.old is not None and _only_collected(attributes.old, attributes.obj):
            return
        if attributes.resource in _ROLES:
            self._check_role(attributes)
        elif attributes.resource in _BINDINGS:
            await self._check_binding(attributes)

    def _check_role(self, attributes: Attributes) -> None:
        obj, old = attributes.obj, attributes.old
        if old is not None and all(old.get(part) == obj.get(part) for part in ("rules", "aggregationRule")):
            return
        if self._may(attributes, "escalate", attributes.resource[1], obj["metadata"].get("name", "")):
            return
        self._confirm(attributes, (Rule.of(rule) for rule in obj.get("rules") or ()))
        if any((found or {}).get("aggregationRule") for found in (obj, old)) and self._lacks(
            attributes, escalation.EVERYTHING
        ):
            text = "must have cluster-admin privileges to use the aggregationRule"
            raise errors.forbidden(_target(attributes), text)

    async def _check_binding(self, attributes: Attributes) -> None:
        reference = attributes.obj["roleRef"]
        plural = "roles" if reference["kind"] == "Role" else "clusterroles"
        if self._may(attributes, "bind", plural, reference["name"]):
            return
        namespace = attributes.call.info.namespace if plural == "roles" else ""
        rbac = self._authorizer.rbac
        if not rbac.exists(namespace, reference["name"]):
            await self._fresh.wait()
            if not rbac.exists(namespace, reference["name"]):
                raise errors.not_found(errors.Target(group=_GROUP, resource=plural, name=reference["name"]))
        self._confirm(attributes, rbac.role(namespace, reference["name"]))

    def _may(self, attributes: Attributes, verb: str, plural: str, name: str) -> bool:
        request = Request(
            user=attributes.call.user,
            verb=verb,
            group=_GROUP,
            resource=plural,
            name=name,
            namespace=attributes.call.info.namespace,
        )
        return self._authorizer.decide(request).allowed

    def _lacks(self, attributes: Attributes, rules: Iterable[Rule]) -> list[Rule]:
        call = attributes.call
        return escalation.missing(list(self._authorizer.rbac.rules(call.user, call.info.namespace)), rules)

    def _confirm(self, attributes: Attributes, rules: Iterable[Rule]) -> None:
        lacking = self._lacks(attributes, rules)
        if lacking:
            raise errors.forbidden(_target(attributes), escalation.refusal(attributes.call.user, lacking))


def _target(attributes: Attributes) -> errors.Target:
    return attributes.call.resource.target(attributes.obj["metadata"].get("name", ""))


def _only_collected(old: Object, new: Object) -> bool:
    """Whether only those fields change that garbage collection needs (rbac.IsOnlyMutatingGCFields)."""
    return _without(old) == _without(new)


def _without(obj: Object) -> Object:
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _FOR_COLLECTION}
    return {**obj, "metadata": metadata}
