"""Garbage collection: nothing with a living owner is ever deleted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def test_a_namespace_says_what_it_waits_for() -> None:
    left = [{"metadata": {"name": "a", "finalizers": ["example.com/hold"]}}, {"metadata": {"name": "b"}}]
    known = namespaces.progress([], {"crontabs.example.com": left}, frozenset({"metrics.k8s.io"}))
    assert {item["type"]: (item["reason"], item["message"]) for item in known} == {
        "NamespaceContentRemaining": (
            "SomeResourcesRemain",
            "Some resources are remaining: crontabs.example.com has 2 resource instances",
        ),
        "NamespaceFinalizersRemaining": (
            "SomeFinalizersRemain",
            "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances",
        ),
        "NamespaceDeletionDiscoveryFailure": (
            "DiscoveryFailed",
            "Discovery failed for some groups, 1 failing: metrics.k8s.io",
        ),
    }
