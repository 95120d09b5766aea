"""Which requests a webhook or a policy is for: rules, selectors, equivalent resources.

Specified by admissionregistration.k8s.io/v1; behaviour of k8s.io/apiserver pkg/admission/plugin/webhook/predicates and
plugin/policy/matching.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tricenter.apimachinery import selectors
from tricenter.apimachinery.selectors import LabelSelector
from tricenter.apiserver import errors
from tricenter.apiserver.admission.chain import CONNECT, CREATE, DELETE, UPDATE, Attributes
from tricenter.apiserver.cache.entry import Entry
from tricenter.apiserver.cache.freshness import Freshness
from tricenter.apiserver.cache.resource import ResourceCache
from tricenter.apiserver.resources import Resource, Resources

Rule = Mapping[str, Any]

_GROUP = "admissionregistration.k8s.io"
_NAMESPACES = ("", "namespaces")


@dataclass(frozen=True)
class Criteria:
    """What a request must be like."""

    rules: tuple[Rule, ...]
    excluded: tuple[Rule, ...]
    equivalent: bool
    namespaces: LabelSelector
    objects: LabelSelector


def criteria(match: Mapping[str, Any], rules: str = "rules") -> Criteria:
    """The criteria of a webhook, or of MatchResources (`rules` is resourceRules then). Raises ValueError."""
    return Criteria(
        rules=tuple(match.get(rules) or ()),
        excluded=tuple(match.get("excludeResourceRules") or ()),
        equivalent=match.get("matchPolicy", "Equivalent") == "Equivalent",
        namespaces=selectors.from_object(match.get("namespaceSelector") or {}),
        objects=selectors.from_object(match.get("objectSelector") or {}),
    )


def exempt(attributes: Attributes) -> bool:
    """Whether a request is for what configures admission: nothing may lock its own door."""
    return attributes.resource[0] == _GROUP


def rule_matches(rule: Rule, attributes: Attributes, resource: Resource) -> bool:
    """Whether a rule covers the request, taken as one for `resource` (predicates/rules)."""
    kind = resource.kind
    operations, names = rule.get("operations") or (), rule.get("resourceNames") or ()
    return (
        _among(rule.get("apiGroups"), kind.group)
        and _among(rule.get("apiVersions"), kind.version)
        and (attributes.operation in operations or "*" in operations)
        and any(_names(text, kind.plural, attributes.subresource) for text in rule.get("resources") or ())
        and _in_scope(rule.get("scope", "*"), attributes)
        and (not names or attributes.name in names)
    )


def _among(wanted: Iterable[str] | None, value: str) -> bool:
    return any(item in ("*", value) for item in wanted or ())


def _names(text: str, plural: str, subresource: str) -> bool:
    """`pods`, `pods/*`, `*/scale`, `*`, `*/*`."""
    resource, _, sub = text.partition("/")
    return resource in ("*", plural) and sub in ("*", subresource)


def _in_scope(scope: str, attributes: Attributes) -> bool:
    namespaced = bool(attributes.call.info.namespace) and attributes.resource != _NAMESPACES
    return scope in ("*", "Namespaced" if namespaced else "Cluster")


def resource_of(
    rules: Iterable[Rule], attributes: Attributes, equivalents: Iterable[Resource], *, equivalent: bool
) -> Resource | None:
    """The version of the resource that a rule asks for: that of the request where one does, else an equivalent one."""
    own = attributes.call.resource
    if any(rule_matches(rule, attributes, own) for rule in rules):
        return own
    if equivalent:
        others = list(equivalents)
        for rule in rules:
            for other in others:
                if rule_matches(rule, attributes, other):
                    return other
    return None


def object_matches(selector: LabelSelector, attributes: Attributes) -> bool:
    """Whether the object, as it was or as it would be, has the labels (predicates/object)."""
    if selector.empty:
        return True
    if attributes.operation == CONNECT:
        return False
    found = [attributes.old] if attributes.operation == DELETE else [attributes.obj, attributes.old]
    return any(selector.matches(obj["metadata"].get("labels") or {}) for obj in found if obj is not None)


class Matcher:
    """Matches requests, with the namespaces and resources that the server has."""

    def __init__(self, resources: Resources, fresh: Freshness) -> None:
        self._resources = resources
        self._namespaces = resources[_NAMESPACES].objects
        self._fresh = fresh
        self._generation = -1
        self._shared: dict[ResourceCache, list[Resource]] = {}

    async def match(self, wanted: Criteria, attributes: Attributes, *, always: bool = False) -> Resource | None:
        """The version in which somebody with these criteria wants to see the request, None where it is not for him;
        with `always`, no rules at all match everything. Raises NotFound for a namespace that does not exist.
        """
        if not object_matches(wanted.objects, attributes):
            return None
        others = self.equivalents(attributes.call.resource)
        if resource_of(wanted.excluded, attributes, others, equivalent=wanted.equivalent) is not None:
            return None
        found: Resource | None = attributes.call.resource
        if wanted.rules or not always:
            found = resource_of(wanted.rules, attributes, others, equivalent=wanted.equivalent)
        if found is None or wanted.namespaces.empty:
            return found
        labels = await self._namespace_labels(attributes)
        return found if labels is None or wanted.namespaces.matches(labels) else None

    def equivalents(self, resource: Resource) -> list[Resource]:
        """The other versions of what is stored in the same place."""
        if resource.cache is None:
            return []
        if self._generation != self._resources.generation:
            self._generation, self._shared = self._resources.generation, {}
            for item in self._resources:
                if item.cache is not None:
                    self._shared.setdefault(item.cache, []).append(item)
        return [item for item in self._shared.get(resource.cache, ()) if item.kind is not resource.kind]

    async def _namespace_labels(self, attributes: Attributes) -> Mapping[str, str] | None:
        """Labels of the request's namespace; None for what is in none (predicates/namespace)."""
        if attributes.resource == _NAMESPACES:
            if attributes.operation in (CREATE, UPDATE) and not attributes.subresource:
                labels: Mapping[str, str] = attributes.obj["metadata"].get("labels") or {}
                return labels
            return (await self.namespace(attributes.name)).labels
        if not attributes.call.info.namespace:
            return None
        return (await self.namespace(attributes.call.info.namespace)).labels

    async def namespace(self, name: str) -> Entry:
        """A namespace; one that the cache does not have is looked for once more. Raises NotFound."""
        entry = self._namespaces.get("", name)
        if entry is None:
            await self._fresh.wait()
            entry = self._namespaces.get("", name)
        if entry is None:
            raise errors.not_found(errors.Target(resource="namespaces", name=name))
        return entry
