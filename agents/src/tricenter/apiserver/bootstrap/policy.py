"""Cluster roles and bindings of every cluster: upstream's for users and components, and those of the site's agents.

After plugin/pkg/auth/authorizer/rbac/bootstrappolicy. A role gets its rules back when somebody took some away, unless
it is annotated `rbac.authorization.kubernetes.io/autoupdate: "false"`; rules that were added stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tricenter.apiserver.auth import escalation
from tricenter.apiserver.auth.rbac import Rule
from tricenter.apiserver.bootstrap import flowcontrol, roles

Object = dict[str, Any]

_GROUP = "rbac.authorization.k8s.io"
_AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
_LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}


def all_objects() -> Iterator[tuple[str, str, Object]]:
    """Group, plural and object."""
    for name, rules in roles.CLUSTER_ROLES.items():
        labels = _LABELS | roles.AGGREGATED.get(name, {})
        # An aggregate has its rules from the start, so that it is of use before the controller has run once.
        selectors = [{"matchLabels": roles.aggregation(name)}]
        rest: Object = {"aggregationRule": {"clusterRoleSelectors": selectors}} if name in roles.AGGREGATES else {}
        yield _GROUP, "clusterroles", _object("ClusterRole", name, labels=labels, rules=_rules(rules), **rest)
    for name, subjects in roles.CLUSTER_BINDINGS.items():
        role = {"apiGroup": _GROUP, "kind": "ClusterRole", "name": name}
        listed = [_subject(text) for text in subjects]
        yield _GROUP, "clusterrolebindings", _object("ClusterRoleBinding", name, roleRef=role, subjects=listed)
    for (namespace, name), rules in roles.ROLES.items():
        yield _GROUP, "roles", _object("Role", name, namespace=namespace, rules=_rules(rules))
    for (namespace, name), subjects in roles.BINDINGS.items():
        role = {"apiGroup": _GROUP, "kind": "Role", "name": name}
        listed = [_subject(text) for text in subjects]
        yield _GROUP, "rolebindings", _object("RoleBinding", name, namespace=namespace, roleRef=role, subjects=listed)


def _object(kind: str, name: str, *, namespace: str = "", labels: dict[str, str] | None = None, **rest: Any) -> Object:
    metadata: Object = {"name": name, "labels": labels or _LABELS, "annotations": {_AUTOUPDATE: "true"}}
    if namespace:
        metadata["namespace"] = namespace
    return {"kind": kind, "apiVersion": f"{_GROUP}/v1", "metadata": metadata, **rest}


def _rules(lines: str) -> list[Object]:
    """Rules from lines `verbs | group | resources [| names]`, or `verbs | urls`."""
    found: list[Object] = []
    for line in filter(str.strip, lines.splitlines()):
        verbs, *rest = (part.strip() for part in line.split("|"))
        if len(rest) == 1:
            found.append({"verbs": roles.verbs(verbs), "nonResourceURLs": rest[0].split()})
            continue
        groups = ["" if name == "core" else name for name in rest[0].split()]
        rule: Object = {"verbs": roles.verbs(verbs), "apiGroups": groups, "resources": rest[1].split()}
        if len(rest) > 2:
            rule["resourceNames"] = rest[2].split()
        found.append(rule)
    return found


def _subject(text: str) -> Object:
    kind, _, name = text.partition(" ")
    if kind == "ServiceAccount":
        namespace, _, account = name.partition("/")
        return {"kind": kind, "name": account, "namespace": namespace}
    return {"kind": kind, "apiGroup": _GROUP, "name": name}


# --- reconciliation ---


def differs(present: Object, wanted: Object) -> bool:
    """Whether an object lacks something that it must have. Objects of other kinds never do: they were only created."""
    if wanted["apiVersion"].startswith(flowcontrol.GROUP):
        return flowcontrol.differs(present, wanted)
    if wanted["kind"] not in ("ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding"):
        return False
    if (present["metadata"].get("annotations") or {}).get(_AUTOUPDATE) == "false":
        return False
    return reconciled(present, wanted) != present


def reconciled(present: Object, wanted: Object) -> Object:
    """The object with what it lacked (reconciliation/reconcile_{role,rolebindings}.go); what was added stays."""
    if wanted["apiVersion"].startswith(flowcontrol.GROUP):
        return flowcontrol.restored(present, wanted)
    new = {**present, "metadata": _labelled(present["metadata"], wanted["metadata"])}
    if "roleRef" in wanted:
        new["roleRef"] = wanted["roleRef"]
        have = present.get("subjects") or []
        return {**new, "subjects": [*have, *(item for item in wanted["subjects"] if item not in have)]}
    if "aggregationRule" in wanted:
        have = (present.get("aggregationRule") or {}).get("clusterRoleSelectors") or []
        lacking = [item for item in wanted["aggregationRule"]["clusterRoleSelectors"] if item not in have]
        new["aggregationRule"] = {"clusterRoleSelectors": [*have, *lacking]}
        return new
    have = present.get("rules") or []
    return {**new, "rules": [*have, *_lacking(have, wanted["rules"])]}


def _labelled(present: Object, wanted: Object) -> Object:
    new = {**present}
    for part in ("labels", "annotations"):
        new[part] = {**wanted[part], **(present.get(part) or {})}
    return new


def _lacking(have: list[Object], wanted: list[Object]) -> list[Object]:
    """Rules that are neither there nor covered by those that are."""
    held = [Rule.of(rule) for rule in have]
    return [rule for rule in wanted if rule not in have and escalation.missing(held, [Rule.of(rule)])]
