"""The agent's decisions about membership."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricenter.etcd import membership
from tricenter.etcd.membership import Holding, Member

NAMES = ("east1-cp1", "east1-cp2", "east2-cp1", "east2-cp2", "west1-cp1")
URLS = {name: f"https://10.0.0.{number}:2380" for number, name in enumerate(NAMES, start=1)}
ME = NAMES[0]


def voter(host: str, **changes: Any) -> Member:
    values = {"id": host, "name": host, "peer_url": URLS[host], "started": True, "learner": False} | changes
    return Member(**values)


def seen(**changes: Any) -> membership.Observation:
    values = {
        "name": ME,
        "peer_url": URLS[ME],
        "holding": Holding.NOTHING,
        "running": False,
        "members": None,
        "others": dict.fromkeys(NAMES[1:], Holding.NOTHING),
    } | changes
    return membership.Observation(**values)


OTHERS = tuple(voter(name) for name in NAMES[1:])


def test_all_agree_that_there_is_nothing_so_a_cluster_is_made() -> None:
    assert membership.decide(seen()) == membership.Bootstrap()


def test_others_that_have_begun_to_make_the_cluster_do_not_stop_this_one() -> None:
    others = dict.fromkeys(NAMES[1:], Holding.STARTING)
    assert membership.decide(seen(others=others)) == membership.Bootstrap()


def test_silence_is_no_proof() -> None:
    others = dict.fromkeys(NAMES[1:], Holding.NOTHING) | {"west1-cp1": None}
    action = membership.decide(seen(others=others))
    assert isinstance(action, membership.Wait)
    assert "west1-cp1" in action.reason


def test_the_operator_may_say_who_is_absent() -> None:
    others = dict.fromkeys(NAMES[1:], Holding.NOTHING) | {"west1-cp1": None}
    assert membership.decide(seen(others=others, dispensable=frozenset({"west1-cp1"}))) == membership.Bootstrap()


@pytest.mark.parametrize("dispensable", [frozenset(), frozenset(NAMES[1:])])
def test_data_anywhere_means_that_a_cluster_exists(dispensable: frozenset[str]) -> None:
    others = dict.fromkeys(NAMES[1:], Holding.NOTHING) | {"east2-cp1": Holding.DATA}
    action = membership.decide(seen(others=others, dispensable=dispensable))
    assert isinstance(action, membership.Wait)
    assert "east2-cp1" in action.reason


@pytest.mark.parametrize("members", [None, (voter(ME), *OTHERS)])
def test_with_data_etcd_is_started_on_it(members: Any) -> None:
    assert membership.decide(seen(holding=Holding.DATA, members=members)) == membership.Start()


def test_data_of_a_removed_member_is_set_aside() -> None:
    assert membership.decide(seen(holding=Holding.DATA, members=OTHERS)) == membership.SetAside()


def test_a_member_that_lost_its_data_gives_up_its_old_identity() -> None:
    assert membership.decide(seen(members=(voter(ME), *OTHERS))) == membership.Remove(ME)


def test_a_learner_that_lost_its_data_gives_up_its_old_identity() -> None:
    assert membership.decide(seen(members=(voter(ME, learner=True), *OTHERS))) == membership.Remove(ME)


def test_an_unknown_machine_is_added_as_a_learner() -> None:
    assert membership.decide(seen(members=OTHERS)) == membership.AddLearner()


def test_an_added_machine_joins_with_the_present_list() -> None:
    added = voter(ME, name="", started=False, learner=True)
    action = membership.decide(seen(members=(added, *OTHERS)))
    assert action == membership.Join({**{m.name: m.peer_url for m in OTHERS}, ME: URLS[ME]})


def test_a_late_member_of_the_first_list_starts_under_the_identity_it_has_there() -> None:
    assert membership.decide(seen(members=(voter(ME, started=False), *OTHERS))) == membership.Bootstrap()


def test_a_running_learner_is_promoted() -> None:
    members = (voter(ME, learner=True), *OTHERS)
    assert membership.decide(seen(running=True, holding=Holding.STARTING, members=members)) == membership.Promote(ME)


def test_a_running_voter_is_left_alone() -> None:
    members = (voter(ME), *OTHERS)
    assert membership.decide(seen(running=True, holding=Holding.DATA, members=members)) == membership.Nothing()


OBSERVATIONS = st.builds(
    membership.Observation,
    name=st.just(ME),
    peer_url=st.just(URLS[ME]),
    holding=st.sampled_from(Holding),
    running=st.booleans(),
    members=st.none()
    | st.lists(
        st.sampled_from(NAMES).flatmap(
            lambda name: st.builds(
                Member,
                id=st.just(name),
                name=st.sampled_from([name, ""]),
                peer_url=st.just(URLS[name]),
                started=st.booleans(),
                learner=st.booleans(),
            )
        ),
        unique_by=lambda member: member.id,
    ).map(tuple),
    others=st.fixed_dictionaries({name: st.none() | st.sampled_from(Holding) for name in NAMES[1:]}),
    dispensable=st.frozensets(st.sampled_from(NAMES[1:])),
)


@given(OBSERVATIONS)
def test_only_this_machine_is_ever_removed_or_promoted(observation: membership.Observation) -> None:
    action = membership.decide(observation)
    if isinstance(action, membership.Remove | membership.Promote):
        assert action.id == ME


@given(OBSERVATIONS)
def test_a_started_identity_is_never_used_without_its_data(observation: membership.Observation) -> None:
    action = membership.decide(observation)
    own = observation.own
    if own is not None and own.started and observation.holding is Holding.NOTHING and not observation.running:
        assert action == membership.Remove(own.id)


@given(OBSERVATIONS)
def test_no_new_cluster_while_anyone_holds_data(observation: membership.Observation) -> None:
    action = membership.decide(observation)
    if action == membership.Bootstrap() and observation.members is None:
        assert observation.holding is Holding.NOTHING
        assert Holding.DATA not in observation.others.values()
