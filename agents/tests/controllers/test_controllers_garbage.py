"""Garbage collection: nothing with a living owner is ever deleted."""

from __future__ import annotations

import dataclasses
import datetime as dt
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricenter.client import errors
from tricenter.client.informer import Informer
from tricenter.client.resources import CONFIGMAPS, NAMESPACES, PODS, SECRETS, Discovery
from tricenter.controllers import garbage, namespaces
from tricenter.controllers.garbage import OwnerState, Verdict


def obj(
    uid: str = "x", *, owners: tuple[str, ...] = (), finalizers: tuple[str, ...] = (), deleted: bool = False
) -> Any:
    metadata: dict[str, Any] = {"name": uid, "uid": uid, "finalizers": list(finalizers)}
    metadata["ownerReferences"] = [{"uid": owner, "blockOwnerDeletion": True} for owner in owners]
    if deleted:
        metadata["deletionTimestamp"] = "t"
    return {"metadata": metadata}


@pytest.mark.parametrize(
    ("owner", "state"),
    [
        (None, OwnerState.ABSENT),
        (obj("other"), OwnerState.ABSENT),
        (obj("o"), OwnerState.SOLID),
        (obj("o", deleted=True), OwnerState.SOLID),
        (obj("o", deleted=True, finalizers=(garbage.FOREGROUND,)), OwnerState.WAITING),
        (obj("o", finalizers=(garbage.FOREGROUND,)), OwnerState.SOLID),
    ],
)
def test_states_of_an_owner(owner: Any, state: OwnerState) -> None:
    assert garbage.state_of(owner, "o") is state


@pytest.mark.parametrize(
    ("states", "dependents", "verdict"),
    [
        ({"a": OwnerState.ABSENT}, False, Verdict(delete="Background")),
        ({"a": OwnerState.SOLID}, False, Verdict()),
        ({"a": OwnerState.SOLID, "b": OwnerState.ABSENT}, False, Verdict(release=frozenset("b"))),
        ({"a": OwnerState.WAITING}, True, Verdict(delete="Foreground")),
        ({"a": OwnerState.WAITING}, False, Verdict(delete="Background")),
        ({"a": OwnerState.WAITING, "b": OwnerState.SOLID}, True, Verdict(release=frozenset("a"))),
        ({}, False, Verdict()),
    ],
)
def test_verdicts(states: dict[str, OwnerState], dependents: bool, verdict: Verdict) -> None:
    assert garbage.judge(obj(owners=tuple(states)), states, has_dependents=dependents) == verdict


def test_the_wish_in_the_finalizers_is_kept() -> None:
    gone = {"a": OwnerState.ABSENT}
    assert garbage.judge(obj(finalizers=(garbage.ORPHAN,)), gone, has_dependents=True).delete == "Orphan"
    assert garbage.judge(obj(finalizers=(garbage.FOREGROUND,)), gone, has_dependents=True).delete == "Foreground"
    assert garbage.judge(obj(deleted=True), gone, has_dependents=False) == Verdict()


@given(st.dictionaries(st.sampled_from("abcd"), st.sampled_from(OwnerState)), st.booleans())
def test_a_living_owner_protects(states: dict[str, OwnerState], dependents: bool) -> None:
    verdict = garbage.judge(obj(), states, has_dependents=dependents)
    if OwnerState.SOLID in states.values():
        assert verdict.delete is None
        assert all(states[uid] is not OwnerState.SOLID for uid in verdict.release)
    elif states:
        assert verdict.delete is not None


def test_blocking_and_waiting() -> None:
    assert garbage.blocks(obj(owners=("o",)), "o")
    assert not garbage.blocks(obj(owners=("o",)), "p")
    assert garbage.waits_for_dependents(obj(deleted=True, finalizers=(garbage.ORPHAN,))) == garbage.ORPHAN
    assert garbage.waits_for_dependents(obj(finalizers=(garbage.ORPHAN,))) is None


def said(known: list[Any]) -> dict[str, tuple[str, str, str]]:
    return {item["type"]: (item["status"], item["reason"], item["message"]) for item in known}


WELL = {
    "NamespaceDeletionDiscoveryFailure": ("False", "ResourcesDiscovered", "All resources successfully discovered"),
    "NamespaceDeletionGroupVersionParsingFailure": (
        "False",
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    "NamespaceDeletionContentFailure": (
        "False",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    "NamespaceContentRemaining": ("False", "ContentRemoved", "All content successfully removed"),
    "NamespaceFinalizersRemaining": ("False", "ContentHasNoFinalizers", "All content-preserving finalizers finished"),
}


def test_a_namespace_says_what_it_waits_for_and_what_it_waits_for_no_more() -> None:
    left = [{"metadata": {"name": "a", "finalizers": ["example.com/hold"]}}, {"metadata": {"name": "b"}}]
    content = namespaces.Content({"crontabs.example.com": left, "pods.": left[1:]}, ["b is needed", "a is needed"])
    known = namespaces.progress([], content, frozenset({"metrics.k8s.io"}))
    assert said(known) == WELL | {
        "NamespaceContentRemaining": (
            "True",
            "SomeResourcesRemain",
            (
                "Some resources are remaining: crontabs.example.com has 2 resource instances, "
                "pods. has 1 resource instances"
            ),
        ),
        "NamespaceFinalizersRemaining": (
            "True",
            "SomeFinalizersRemain",
            "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances",
        ),
        "NamespaceDeletionDiscoveryFailure": (
            "True",
            "DiscoveryFailed",
            "Discovery failed for some groups, 1 failing: metrics.k8s.io",
        ),
        "NamespaceDeletionContentFailure": (
            "True",
            "ContentDeletionFailed",
            "Failed to delete all resource types, 2 remaining: a is needed, b is needed",
        ),
    }
    assert said(namespaces.progress(known, namespaces.Content(), frozenset())) == WELL


def test_a_namespace_that_is_stuck_is_looked_at_less_and_less() -> None:
    began = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    namespace = {"metadata": {"name": "n", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    waits = [namespaces.again_in(namespace, began + dt.timedelta(seconds=age)) for age in (0, 5, 40, 3600)]
    assert waits == [1, 1, 5, 15]


async def test_what_may_not_be_deleted_keeps_nothing_else_in_its_namespace() -> None:
    verbs = frozenset({"list", "delete"})
    served = [dataclasses.replace(res, verbs=verbs) for res in (PODS, CONFIGMAPS, SECRETS)]
    there = {(CONFIGMAPS.plural, "kept"), (CONFIGMAPS.plural, "map"), (SECRETS.plural, "secret")}
    written: list[Any] = []

    async def discover() -> Discovery:
        return Discovery(served)

    async def listed(res: Any, _namespace: str) -> Any:
        names = sorted(name for plural, name in there if plural == res.plural)
        return SimpleNamespace(items=[{"metadata": {"name": name, "uid": name}} for name in names])

    async def delete(res: Any, name: str, *_: Any, **__: Any) -> None:
        if name == "kept":
            raise errors.Forbidden({"message": "it is kept"}, 403)
        there.remove((res.plural, name))

    async def patch(_res: Any, _name: str, change: Any, **_: Any) -> Any:
        written.extend(change["status"]["conditions"])
        return namespace

    api: Any = SimpleNamespace(discover=discover, list=listed, delete=delete, patch=patch)
    informer = Informer(api, NAMESPACES)
    made = namespaces.Namespaces(SimpleNamespace(api=api, informers=SimpleNamespace(get=lambda _: informer)))  # type: ignore[arg-type]
    metadata = {"name": "n", "uid": "n", "deletionTimestamp": "2026-01-01T00:00:00Z"}
    namespace = {"metadata": metadata, "spec": {"finalizers": [namespaces.FINALIZER]}}
    informer._put("n", namespace)
    assert await made.reconcile("n") == 15
    assert there == {(CONFIGMAPS.plural, "kept")}
    assert said(written)["NamespaceDeletionContentFailure"][2].endswith("1 remaining: it is kept")
