"""Whether one set of rules covers another, so that nobody grants what he does not hold himself.

After pkg/registry/rbac/validation (ConfirmNoEscalation, Covers, CompactRules) and component-helpers/auth/rbac.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from tricenter.apiserver.auth.rbac import Rule
from tricenter.apiserver.auth.user import User

EVERYTHING = (
    Rule.of({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}),
    Rule.of({"verbs": ["*"], "nonResourceURLs": ["*"]}),
)
"""What a cluster administrator holds."""

_NOTHING = frozenset[str]()
_MOST = 10_000
"""Parts of which a refusal tells at most."""


def missing(held: Sequence[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """The parts of `wanted` that no rule of `held` covers, each for one verb of one resource or URL; the first ones.

    A rule that is covered as a whole is not taken apart: a small body can name more combinations than can be counted.
    """
    lacking = (part for rule in wanted for one in _of_one_sort(rule) for part in _uncovered(held, one))
    return list(itertools.islice(lacking, _MOST))


def refusal(user: User, lacking: Sequence[Rule]) -> str:
    """Why `user` may not grant these rules."""
    listed = sorted({_described(rule) for rule in _compact(lacking)})
    who = f"user {json.dumps(user.name)} (groups={_quoted(user.groups)})"
    return "\n".join([f"{who} is attempting to grant RBAC permissions not currently held:", *listed])


def _of_one_sort(rule: Rule) -> Iterator[Rule]:
    """The part of a rule about resources and the one about URLs, where there is something in them."""
    if rule.verbs and rule.urls:
        yield replace(rule, groups=_NOTHING, resources=_NOTHING, names=_NOTHING)
    if rule.verbs and rule.groups and rule.resources:
        yield replace(rule, urls=())


def _uncovered(held: Sequence[Rule], rule: Rule) -> Iterator[Rule]:
    if any(_covers(owner, rule) for owner in held):
        return
    halves = _halves(rule)
    if not halves:
        yield rule
    for half in halves:
        yield from _uncovered(held, half)


def _halves(rule: Rule) -> list[Rule]:
    """A rule taken apart, nothing for one that is as small as can be; names last, as few rules are about names."""
    for name in ("urls", "groups", "resources", "verbs", "names"):
        values = getattr(rule, name)
        if len(values) > 1:
            listed, middle = sorted(values), len(values) // 2
            parts: list[dict[str, Any]] = [{name: type(values)(some)} for some in (listed[:middle], listed[middle:])]
            return [replace(rule, **part) for part in parts]
    return []


def _covers(owner: Rule, part: Rule) -> bool:
    if not (part.verbs <= owner.verbs or "*" in owner.verbs):
        return False
    if part.urls:
        return all(any(_url_covers(pattern, url) for pattern in owner.urls) for url in part.urls)
    if not (part.groups <= owner.groups or "*" in owner.groups):
        return False
    if not all(_resource_covers(owner.resources, resource) for resource in part.resources):
        return False
    return not owner.names or bool(part.names and part.names <= owner.names)


def _url_covers(pattern: str, url: str) -> bool:
    return pattern in ("*", url) or (pattern.endswith("*") and url.startswith(pattern.rstrip("*")))


def _resource_covers(held: frozenset[str], resource: str) -> bool:
    if "*" in held or resource in held:
        return True
    _, slash, subresource = resource.partition("/")
    return bool(slash) and f"*/{subresource}" in held


def _compact(rules: Sequence[Rule]) -> list[Rule]:
    """Rules for one resource put together again, with all their verbs."""
    found: dict[Rule, frozenset[str]] = {}
    for rule in rules:
        key = replace(rule, verbs=_NOTHING)
        found[key] = found.get(key, _NOTHING) | rule.verbs
    return [replace(key, verbs=verbs) for key, verbs in found.items()]


def _described(rule: Rule) -> str:
    pairs = (
        ("APIGroups", sorted(rule.groups)),
        ("Resources", sorted(rule.resources)),
        ("NonResourceURLs", rule.urls),
        ("ResourceNames", sorted(rule.names)),
        ("Verbs", sorted(rule.verbs)),
    )
    return "{" + ", ".join(f"{name}:{_quoted(values)}" for name, values in pairs if values) + "}"


def _quoted(values: Iterable[str]) -> str:
    """Go's %q of a list."""
    return f"[{' '.join(map(json.dumps, values))}]"
