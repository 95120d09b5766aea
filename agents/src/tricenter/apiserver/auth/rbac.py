"""Role-based access control: which rules a user has, from an index that follows the watch caches.

Semantics of plugin/pkg/auth/authorizer/rbac: rules only ever allow, and a role binding's rules hold in its namespace.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tricenter.apiserver.auth.user import SERVICE_ACCOUNT_PREFIX, User
from tricenter.apiserver.cache.history import Change
from tricenter.apiserver.resources import Resources

_GROUP = "rbac.authorization.k8s.io"
Subject = tuple[str, str]


@dataclass(frozen=True)
class Grant:
    """A role that a binding gives to a subject; the role's namespace is empty for a ClusterRole."""

    namespace: str
    name: str
    why: str
    """The binding as upstream describes it in the reason of a decision."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What somebody wants to do."""

    user: User
    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    namespace: str = ""
    path: str = ""
    """Set for requests that are not for a resource."""
    selected: tuple[tuple[str, str], ...] = ()
    """Fields that a list or watch wants to have one value."""


@dataclass(frozen=True)
class Rule:
    """A compiled PolicyRule."""

    verbs: frozenset[str]
    groups: frozenset[str]
    resources: frozenset[str]
    names: frozenset[str]
    urls: tuple[str, ...]

    @classmethod
    def of(cls, rule: dict[str, Any]) -> Rule:
        """Compile a rule as the API writes it."""
        return cls(
            frozenset(rule.get("verbs") or ()),
            frozenset(rule.get("apiGroups") or ()),
            frozenset(rule.get("resources") or ()),
            frozenset(rule.get("resourceNames") or ()),
            tuple(rule.get("nonResourceURLs") or ()),
        )

    def allows(self, request: Request) -> bool:
        """Whether the rule covers the request."""
        if request.verb not in self.verbs and "*" not in self.verbs:
            return False
        if request.path:
            return any(_url_matches(url, request.path) for url in self.urls)
        if request.group not in self.groups and "*" not in self.groups:
            return False
        if not self._covers(request):
            return False
        return not self.names or request.name in self.names

    def _covers(self, request: Request) -> bool:
        if "*" in self.resources:
            return True
        if not request.subresource:
            return request.resource in self.resources
        full = f"{request.resource}/{request.subresource}"
        return full in self.resources or f"*/{request.subresource}" in self.resources

    def as_dict(self) -> dict[str, Any]:
        """The rule as the API writes it."""
        pairs = {
            "verbs": sorted(self.verbs),
            "apiGroups": sorted(self.groups),
            "resources": sorted(self.resources),
            "resourceNames": sorted(self.names),
            "nonResourceURLs": list(self.urls),
        }
        return {key: value for key, value in pairs.items() if value}


def _url_matches(pattern: str, path: str) -> bool:
    if pattern in ("*", path):
        return True
    return pattern.endswith("*") and path.startswith(pattern.rstrip("*"))


class Index:
    """Bindings by subject and compiled roles; rebuilt piecewise when their objects change."""

    def __init__(self, resources: Resources) -> None:
        self._caches = {name: resources[_GROUP, name].objects for name in (
            "clusterroles", "clusterrolebindings", "roles", "rolebindings",
        )}  # fmt: skip
        self._roles: dict[tuple[str, str], tuple[Rule, ...]] = {}
        self._bindings: dict[str, dict[Subject, list[Grant]]] = {}
        for name in ("clusterroles", "roles"):
            self._caches[name].listeners.append(self._role_changed)
        for name in ("clusterrolebindings", "rolebindings"):
            self._caches[name].listeners.append(self._binding_changed)

    def reset(self) -> None:
        """Forget everything: the caches were read anew."""
        self._roles.clear()
        self._bindings.clear()

    def _role_changed(self, change: Change) -> None:
        entry = change.current or change.previous
        if entry is not None:
            self._roles.pop((entry.namespace, entry.name), None)

    def _binding_changed(self, change: Change) -> None:
        entry = change.current or change.previous
        if entry is not None:
            self._bindings.pop(entry.namespace, None)

    def role(self, namespace: str, name: str) -> tuple[Rule, ...]:
        """The rules of a Role, or of a ClusterRole (no namespace); none when it does not exist."""
        rules = self._roles.get((namespace, name))
        if rules is None:
            cache = self._caches["roles" if namespace else "clusterroles"]
            entry = cache.get(namespace, name)
            rules = () if entry is None else tuple(Rule.of(rule) for rule in entry.load().get("rules") or ())
            if entry is not None:
                self._roles[namespace, name] = rules
        return rules

    def exists(self, namespace: str, name: str) -> bool:
        """Whether there is such a Role, or ClusterRole (no namespace)."""
        return self._caches["roles" if namespace else "clusterroles"].get(namespace, name) is not None

    def _bound(self, namespace: str) -> dict[Subject, list[Grant]]:
        """Roles by subject, of one namespace or of the cluster (empty)."""
        found = self._bindings.get(namespace)
        if found is None:
            found = {}
            cache = self._caches["rolebindings" if namespace else "clusterrolebindings"]
            for key in cache.keys(namespace):
                binding = cache.entries[key].load()
                reference = binding.get("roleRef") or {}
                where = namespace if reference.get("kind") == "Role" else ""
                for subject in binding.get("subjects") or ():
                    grant = Grant(where, reference.get("name", ""), _described(binding, reference, subject))
                    found.setdefault(_subject(subject, namespace), []).append(grant)
            self._bindings[namespace] = found
        return found

    def grants(self, user: User, namespace: str) -> Iterator[Grant]:
        """What is bound to a user at the cluster's scope and, if given, in a namespace."""
        subjects: list[Subject] = [("User", user.name), *(("Group", group) for group in user.groups)]
        for scope in ("", namespace) if namespace else ("",):
            bound = self._bound(scope)
            for subject in subjects:
                yield from bound.get(subject, ())

    def rules(self, user: User, namespace: str) -> Iterator[Rule]:
        """All rules of a user at the cluster's scope and, if given, in a namespace."""
        for grant in self.grants(user, namespace):
            yield from self.role(grant.namespace, grant.name)

    def reason(self, request: Request) -> str:
        """Why the request is allowed; empty when no rule allows it."""
        for grant in self.grants(request.user, request.namespace):
            if any(rule.allows(request) for rule in self.role(grant.namespace, grant.name)):
                return f"RBAC: allowed by {grant.why}"
        return ""


def _subject(subject: dict[str, Any], namespace: str) -> Subject:
    if subject.get("kind") == "ServiceAccount":
        return ("User", f"{SERVICE_ACCOUNT_PREFIX}{subject.get('namespace') or namespace}:{subject.get('name')}")
    return (subject.get("kind", ""), subject.get("name", ""))


def _described(binding: dict[str, Any], reference: dict[str, Any], subject: dict[str, Any]) -> str:
    metadata, whom = binding["metadata"], subject.get("name", "")
    namespace = metadata.get("namespace", "")
    what = f'RoleBinding "{metadata["name"]}/{namespace}"' if namespace else f'ClusterRoleBinding "{metadata["name"]}"'
    if subject.get("kind") == "ServiceAccount":
        whom = f"{whom}/{subject.get('namespace') or namespace}"
    return f'{what} of {reference.get("kind")} "{reference.get("name")}" to {subject.get("kind")} "{whom}"'
