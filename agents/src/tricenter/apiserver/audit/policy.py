"""Which requests are noted, and how much of them: an audit.k8s.io/v1 Policy as pure decisions.

After k8s.io/apiserver pkg/audit/policy: the first rule that matches decides, without one nothing is noted.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tricenter.apiserver.auth.user import User
from tricenter.apiserver.requestinfo import RequestInfo

Object = dict[str, Any]

RECEIVED, STARTED, COMPLETE, PANIC = "RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"
STAGES = frozenset((RECEIVED, STARTED, COMPLETE, PANIC))


class Level(enum.IntEnum):
    """How much of a request is noted."""

    NONE = 0
    METADATA = 1
    REQUEST = 2
    RESPONSE = 3

    @property
    def text(self) -> str:
        """As the API writes it."""
        return ("None", "Metadata", "Request", "RequestResponse")[self]


_LEVELS = {level.text: level for level in Level}
_RULE_KEYS = {
    "level", "users", "userGroups", "verbs", "resources", "namespaces", "nonResourceURLs", "omitStages",
    "omitManagedFields",
}  # fmt: skip


class PolicyError(ValueError):
    """The file is not an audit policy."""


@dataclass(frozen=True)
class Ruling:
    """What the policy says about a request."""

    level: Level
    omitted: frozenset[str] = frozenset()
    """Stages that are not noted."""
    bare: bool = False
    """Whether objects are noted without their managed fields."""


_NOTHING = Ruling(Level.NONE)


@dataclass(frozen=True)
class _Resources:
    group: str
    resources: tuple[str, ...]
    names: frozenset[str]

    def matches(self, info: RequestInfo) -> bool:
        if self.group != info.group:
            return False
        if not self.resources:
            return True
        return (not self.names or info.name in self.names) and any(_fits(item, info) for item in self.resources)


@dataclass(frozen=True)
class _Rule:
    ruling: Ruling
    users: frozenset[str]
    groups: frozenset[str]
    verbs: frozenset[str]
    namespaces: frozenset[str]
    resources: tuple[_Resources, ...]
    urls: tuple[str, ...]

    def matches(self, user: User, info: RequestInfo) -> bool:
        if self.users and user.name not in self.users:
            return False
        if self.groups and self.groups.isdisjoint(user.groups):
            return False
        if self.verbs and info.verb not in self.verbs:
            return False
        if self.namespaces or self.resources:
            return self._resource(info)
        if self.urls:
            return not info.is_resource and any(_url_fits(url, info.path) for url in self.urls)
        return True

    def _resource(self, info: RequestInfo) -> bool:
        if not info.is_resource or (self.namespaces and info.namespace not in self.namespaces):
            return False
        return not self.resources or any(item.matches(info) for item in self.resources)


class Policy:
    """Rules in order."""

    def __init__(self, rules: Iterable[_Rule]) -> None:
        self._rules = tuple(rules)

    def ruling(self, user: User, info: RequestInfo) -> Ruling:
        """What is to be noted of a request."""
        for rule in self._rules:
            if rule.matches(user, info):
                return rule.ruling
        return _NOTHING


def load(path: Path) -> Policy:
    """From a file. Raises PolicyError."""
    try:
        document = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise PolicyError(f"{path}: not YAML: {error}") from error
    try:
        return parse(document)
    except PolicyError as error:
        raise PolicyError(f"{path}: {error}") from None


def parse(document: Any) -> Policy:
    """From a decoded Policy. Raises PolicyError."""
    if not isinstance(document, dict) or document.get("kind") != "Policy":
        raise PolicyError("not a Policy of audit.k8s.io/v1")
    if document.get("apiVersion") != "audit.k8s.io/v1":
        raise PolicyError(f"unknown version {document.get('apiVersion')!r}, only audit.k8s.io/v1 is known")
    if not document.get("rules"):
        raise PolicyError("a policy needs at least one rule")
    omitted, bare = _stages(document), bool(document.get("omitManagedFields"))
    return Policy(_rule(item, omitted, bare) for item in document["rules"])


def _rule(item: Object, omitted: frozenset[str], bare: bool) -> _Rule:  # the policy's own default
    unknown = set(item) - _RULE_KEYS
    if unknown:
        raise PolicyError(f"unknown field {min(unknown)!r} in a rule")
    if item.get("level") not in _LEVELS:
        raise PolicyError(f"unknown level {item.get('level')!r}")
    if item.get("nonResourceURLs") and (item.get("resources") or item.get("namespaces")):
        raise PolicyError("rules cannot apply to both regular resources and non-resource URLs")
    own = item.get("omitManagedFields")
    ruling = Ruling(_LEVELS[item["level"]], omitted | _stages(item), bare if own is None else bool(own))
    return _Rule(
        ruling,
        frozenset(item.get("users") or ()),
        frozenset(item.get("userGroups") or ()),
        frozenset(item.get("verbs") or ()),
        frozenset(item.get("namespaces") or ()),
        tuple(_resources(found) for found in item.get("resources") or ()),
        tuple(item.get("nonResourceURLs") or ()),
    )


def _resources(item: Object) -> _Resources:
    resources, names = tuple(item.get("resources") or ()), frozenset(item.get("resourceNames") or ())
    if names and not resources:
        raise PolicyError("using resourceNames requires at least one resource")
    return _Resources(item.get("group") or "", resources, names)


def _stages(item: Object) -> frozenset[str]:
    stages = frozenset(item.get("omitStages") or ())
    if not stages <= STAGES:
        raise PolicyError(f"unknown stage {min(stages - STAGES)!r}")
    return stages


def _fits(pattern: str, info: RequestInfo) -> bool:
    """`pods`, `pods/log`, `pods/*`, `*/scale` or `*`."""
    combined = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    if pattern in ("*", combined):
        return True
    if info.subresource and pattern == f"*/{info.subresource}":
        return True
    return pattern.endswith("/*") and pattern[:-2] == info.resource


def _url_fits(pattern: str, path: str) -> bool:
    return pattern in ("*", path) or (pattern.endswith("*") and path.startswith(pattern[:-1]))
