"""Which flow schema a request belongs to (apiserver/pkg/util/flowcontrol/rule.go)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tricenter.apiserver.auth.user import SERVICE_ACCOUNT_PREFIX, User
from tricenter.apiserver.requestinfo import RequestInfo

Object = dict[str, Any]
_ANY = "*"


@dataclass(frozen=True)
class _Rule:
    users: frozenset[str]
    groups: frozenset[str]
    account_prefixes: tuple[str, ...]
    resources: tuple[Object, ...]
    paths: tuple[Object, ...]

    def matches(self, user: User, info: RequestInfo) -> bool:
        if not self._about(user):
            return False
        if info.is_resource:
            return any(_resource_fits(rule, info) for rule in self.resources)
        return any(_path_fits(rule, info) for rule in self.paths)

    def _about(self, user: User) -> bool:
        if user.name in self.users or _ANY in self.users or _ANY in self.groups:
            return True
        return not self.groups.isdisjoint(user.groups) or user.name.startswith(self.account_prefixes)


@dataclass(frozen=True)
class Schema:
    """A compiled FlowSchema."""

    name: str
    uid: str
    level: str
    precedence: int
    distinguisher: str
    rules: tuple[_Rule, ...]

    def matches(self, user: User, info: RequestInfo) -> bool:
        """Whether a request belongs here."""
        return any(rule.matches(user, info) for rule in self.rules)

    def flow(self, user: User, info: RequestInfo) -> str:
        """What tells the flows of this schema apart."""
        if self.distinguisher == "ByUser":
            return user.name
        return info.namespace if self.distinguisher == "ByNamespace" else ""


def compiled(objects: Iterable[Object]) -> list[Schema]:
    """FlowSchemas in the order in which they are asked."""
    return sorted(map(_compile, objects), key=lambda schema: (schema.precedence, schema.name))


def _compile(obj: Object) -> Schema:
    spec, metadata = obj["spec"], obj["metadata"]
    return Schema(
        metadata["name"],
        metadata.get("uid", ""),
        spec["priorityLevelConfiguration"]["name"],
        int(spec.get("matchingPrecedence") or 1000),
        (spec.get("distinguisherMethod") or {}).get("type", ""),
        tuple(_rule(rule) for rule in spec.get("rules") or ()),
    )


def _rule(rule: Object) -> _Rule:
    named: dict[str, set[str]] = {"User": set(), "Group": set()}
    prefixes: list[str] = []
    for subject in rule.get("subjects") or ():
        kind = subject["kind"]
        if kind == "ServiceAccount":
            account = subject["serviceAccount"]
            prefix = f"{SERVICE_ACCOUNT_PREFIX}{account['namespace']}:"
            if account["name"] == _ANY:
                prefixes.append(prefix)
            else:
                named["User"].add(prefix + account["name"])
        else:
            named[kind].add(subject[kind.lower()]["name"])
    resources, paths = tuple(rule.get("resourceRules") or ()), tuple(rule.get("nonResourceRules") or ())
    return _Rule(frozenset(named["User"]), frozenset(named["Group"]), tuple(prefixes), resources, paths)


def _has(values: list[str], wanted: str) -> bool:
    return _ANY in values or wanted in values


def _resource_fits(rule: Object, info: RequestInfo) -> bool:
    resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    if not (_has(rule["verbs"], info.verb) and _has(rule["apiGroups"], info.group)):
        return False
    if not _has(rule["resources"], resource):
        return False
    if info.namespace:
        return _has(rule.get("namespaces") or [], info.namespace)
    return bool(rule.get("clusterScope"))


def _path_fits(rule: Object, info: RequestInfo) -> bool:
    if not _has(rule["verbs"], info.verb):
        return False
    return any(_url_fits(url, info.path) for url in rule["nonResourceURLs"])


def _url_fits(pattern: str, path: str) -> bool:
    if pattern in (_ANY, path):
        return True
    return pattern.endswith("/*") and path.startswith(pattern[:-1])
