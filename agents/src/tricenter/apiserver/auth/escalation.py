"""Whether one set of rules covers another, so that nobody grants what he does not hold himself.

After pkg/registry/rbac/validation (ConfirmNoEscalation, Covers, CompactRules) and component-helpers/auth/rbac.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from tricenter.apiserver.auth.rbac import Rule
from tricenter.apiserver.auth.user import User

EVERYTHING = (
    Rule.of({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}),
    Rule.of({"verbs": ["*"], "nonResourceURLs": ["*"]}),
)
"""What a cluster administrator holds."""

_NOTHING = frozenset[str]()


def missing(held: Sequence[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """The parts of `wanted` that no rule of `held` covers, each for one verb of one resource or URL."""
    return [part for rule in wanted for part in _parts(rule) if not any(_covers(owner, part) for owner in held)]


def refusal(user: User, lacking: Sequence[Rule]) -> str:
    """Why `user` may not grant these rules."""
    listed = sorted({_described(rule) for rule in _compact(lacking)})
    who = f"user {json.dumps(user.name)} (groups={_quoted(user.groups)})"
    return "\n".join([f"{who} is attempting to grant RBAC permissions not currently held:", *listed])


def _parts(rule: Rule) -> Iterator[Rule]:
    """A rule taken apart into the smallest ones."""
    for verb in sorted(rule.verbs):
        single = replace(rule, verbs=frozenset((verb,)))
        for url in rule.urls:
            yield replace(single, groups=_NOTHING, resources=_NOTHING, names=_NOTHING, urls=(url,))
        names: list[str | None] = [*sorted(rule.names)] or [None]
        for group, resource, name in itertools.product(sorted(rule.groups), sorted(rule.resources), names):
            one = frozenset((name,)) if name is not None else _NOTHING
            yield replace(single, groups=frozenset((group,)), resources=frozenset((resource,)), names=one, urls=())


def _covers(owner: Rule, part: Rule) -> bool:
    if not (part.verbs <= owner.verbs or "*" in owner.verbs):
        return False
    if part.urls:
        return any(_url_covers(pattern, part.urls[0]) for pattern in owner.urls)
    if not (part.groups <= owner.groups or "*" in owner.groups):
        return False
    if not _resource_covers(owner.resources, next(iter(part.resources))):
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
