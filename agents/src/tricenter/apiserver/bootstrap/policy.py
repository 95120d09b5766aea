"""Cluster roles and bindings of every cluster: upstream's for users and components, and those of the site's agents.

After plugin/pkg/auth/authorizer/rbac/bootstrappolicy. A role gets its rules back when somebody took some away, unless
it is annotated `rbac.authorization.kubernetes.io/autoupdate: "false"`; rules that were added stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tricenter.apiserver.bootstrap import roles

Object = dict[str, Any]

_GROUP = "rbac.authorization.k8s.io"
_AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
_LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}


def all_objects() -> Iterator[tuple[str, str, Object]]:
    """Group, plural and object."""
    for name, rules in roles.CLUSTER_ROLES.items():
        labels = _LABELS | roles.AGGREGATED.get(name, {})
        yield _GROUP, "clusterroles", _object("ClusterRole", name, labels=labels, rules=_rules(rules))
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
    if wanted["kind"] not in ("ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding"):
        return False
    if (present["metadata"].get("annotations") or {}).get(_AUTOUPDATE) == "false":
        return False
    return bool(_missing(present, wanted))


def reconciled(present: Object, wanted: Object) -> Object:
    """The object with what it lacked."""
    return {**present, _list(wanted): [*(present.get(_list(wanted)) or ()), *_missing(present, wanted)]}


def _list(obj: Object) -> str:
    return "rules" if "rules" in obj else "subjects"


def _missing(present: Object, wanted: Object) -> list[Object]:
    have = present.get(_list(wanted)) or []
    return [item for item in wanted[_list(wanted)] if item not in have]
