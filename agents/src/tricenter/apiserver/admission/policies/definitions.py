"""Policies and the bindings that put them into force, as the caches have them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tricenter.apimachinery import cel
from tricenter.apimachinery.cel.variables import ADMISSION
from tricenter.apiserver.admission import matching
from tricenter.apiserver.admission.matching import Criteria
from tricenter.apiserver.cache.resource import ResourceCache
from tricenter.apiserver.resources import Resources

log = logging.getLogger(__name__)

Object = dict[str, Any]
Parsed = TypeVar("Parsed")

_GROUP = "admissionregistration.k8s.io"


@dataclass(frozen=True)
class Policy:
    """A ValidatingAdmissionPolicy."""

    name: str
    criteria: Criteria
    conditions: tuple[Mapping[str, str], ...]
    variables: Mapping[str, str]
    """Expressions by name, in order; only those that another expression uses."""
    validations: tuple[Mapping[str, str], ...]
    annotations: tuple[Mapping[str, str], ...]
    param_kind: Mapping[str, str] | None
    ignores_failure: bool


@dataclass(frozen=True)
class Binding:
    """A ValidatingAdmissionPolicyBinding."""

    name: str
    policy: str
    criteria: Criteria | None
    param_ref: Mapping[str, Any] | None
    actions: tuple[str, ...]


def policy(obj: Object) -> Policy:
    """A policy from its object. Raises ValueError for a selector that is none."""
    spec = obj.get("spec") or {}
    validations, annotations = spec.get("validations") or (), spec.get("auditAnnotations") or ()
    conditions = tuple(spec.get("matchConditions") or ())
    expressions = [item["expression"] for item in (*conditions, *validations)]
    expressions += [item["messageExpression"] for item in validations if item.get("messageExpression")]
    expressions += [item["valueExpression"] for item in annotations]
    return Policy(
        name=obj["metadata"]["name"],
        criteria=matching.criteria(spec.get("matchConstraints") or {}, "resourceRules"),
        conditions=conditions,
        variables=used(spec.get("variables") or (), expressions),
        validations=tuple(validations),
        annotations=tuple(annotations),
        param_kind=spec.get("paramKind"),
        ignores_failure=spec.get("failurePolicy", "Fail") == "Ignore",
    )


def used(variables: Any, expressions: list[str]) -> dict[str, str]:
    """The variables that expressions use, also through each other, in order."""
    wanted = {name for expression in expressions for name in _names(expression)}
    found = []
    for item in reversed(variables):
        if item["name"] in wanted:
            wanted |= _names(item["expression"])
            found.append((item["name"], item["expression"]))
    return dict(reversed(found))


def _names(expression: str) -> set[str]:
    try:
        return cel.compile(expression, ADMISSION).fields_of("variables")
    except cel.CompileError:
        return set()


def binding(obj: Object) -> Binding:
    """A binding from its object. Raises ValueError for a selector that is none."""
    spec = obj.get("spec") or {}
    match = spec.get("matchResources")
    return Binding(
        name=obj["metadata"]["name"],
        policy=str(spec.get("policyName", "")),
        criteria=matching.criteria(match, "resourceRules") if match else None,
        param_ref=spec.get("paramRef"),
        actions=tuple(spec.get("validationActions") or ()),
    )


class _Store(Generic[Parsed]):
    """Parses the objects of a cache, each again only when it has changed."""

    def __init__(self, cache: ResourceCache, parse: Callable[[Object], Parsed]) -> None:
        self._cache = cache
        self._parse = parse
        self._parsed: dict[str, tuple[int, Parsed | None]] = {}

    def all(self) -> list[Parsed]:
        """Every object that can be used, by name."""
        keys = self._cache.keys()
        if len(self._parsed) > len(keys):
            self._parsed = {key: self._parsed[key] for key in keys if key in self._parsed}
        return [item for item in map(self._get, keys) if item is not None]

    def _get(self, key: str) -> Parsed | None:
        entry = self._cache.entries[key]
        known = self._parsed.get(key)
        if known is None or known[0] != entry.revision:
            try:
                known = (entry.revision, self._parse(entry.load()))
            except (ValueError, KeyError, TypeError):
                log.exception("%s cannot be used", key)
                known = (entry.revision, None)
            self._parsed[key] = known
        return known[1]


class Definitions:
    """The policies in force."""

    def __init__(self, resources: Resources) -> None:
        self._policies = _Store(resources[_GROUP, "validatingadmissionpolicies"].objects, policy)
        self._bindings = _Store(resources[_GROUP, "validatingadmissionpolicybindings"].objects, binding)

    def in_force(self) -> list[tuple[Policy, list[Binding]]]:
        """Each policy that has bindings, with them."""
        bindings = self._bindings.all()
        if not bindings:
            return []
        found = [(policy, [item for item in bindings if item.policy == policy.name]) for policy in self._policies.all()]
        return [(policy, items) for policy, items in found if items]
