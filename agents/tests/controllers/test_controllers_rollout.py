"""Deployments: a rollout never breaks its limits and always ends."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tricenter.controllers import conditions, deployment_status, revisions, rollout

NOW = dt.datetime(2026, 1, 1, 12, 0, tzinfo=dt.UTC)


def deployment(replicas: int = 4, surge: Any = "25%", unavailable: Any = "25%", **more: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"image": more.pop("image", "a")}]}}
    return {
        "metadata": {
            "name": "web",
            "namespace": "d",
            "uid": "u",
            "generation": 1,
            "annotations": more.pop("notes", {}),
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}},
            "template": template,
            "progressDeadlineSeconds": 600,
        }
        | more,
        "status": {},
    }


def replica_set(name: str, size: int, available: int | None = None, **notes: str) -> dict[str, Any]:
    available = size if available is None else available
    return {
        "metadata": {"name": name, "namespace": "d", "creationTimestamp": name, "annotations": notes},
        "spec": {"replicas": size, "template": {"spec": {}}},
        "status": {"replicas": size, "availableReplicas": available, "readyReplicas": available},
    }


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "most", "fewest"),
    [
        (4, "25%", "25%", 5, 3),
        (10, "25%", "25%", 13, 8),
        (1, "25%", "25%", 2, 1),
        (3, 0, 1, 3, 2),
        (3, 0, "10%", 3, 2),
        (3, 2, "100%", 5, 0),
        (0, "25%", "25%", 0, 0),
    ],
)
def test_limits(replicas: int, surge: Any, unavailable: Any, most: int, fewest: int) -> None:
    bound = rollout.limits(deployment(replicas, surge, unavailable))
    assert (bound.most, bound.fewest) == (most, fewest)


@given(
    replicas=st.integers(0, 30),
    surge=st.one_of(st.integers(0, 10), st.sampled_from(["0%", "25%", "50%", "100%"])),
    unavailable=st.one_of(st.integers(0, 10), st.sampled_from(["0%", "25%", "50%", "100%"])),
    broken=st.integers(0, 10),
    data=st.data(),
)
def test_a_rollout_keeps_its_limits_and_ends(
    replicas: int, surge: Any, unavailable: Any, broken: int, data: Any
) -> None:
    wanted = deployment(replicas, surge, unavailable)
    bound = rollout.limits(wanted)
    old = replica_set("1", replicas, max(0, replicas - broken))
    new = replica_set("2", 0)
    for _ in range(200):
        before = rollout.actual([old, new], "availableReplicas")
        size = rollout.grow_new(wanted, new, [old])
        if size != rollout.size(new):
            assert size + rollout.size(old) <= max(bound.most, rollout.size(old) + rollout.size(new))
            new["spec"]["replicas"] = size
        else:
            for name, smaller in rollout.shrink_old(wanted, new, [old]).items():
                assert name == "1"
                assert 0 <= smaller < rollout.size(old)
                # unready pods are the first that a ReplicaSet removes
                old["status"]["availableReplicas"] = min(old["status"]["availableReplicas"], smaller)
                old["spec"]["replicas"] = old["status"]["replicas"] = smaller
            after = rollout.actual([old, new], "availableReplicas")
            assert after >= min(before, bound.fewest), "we took away more than allowed"
        starting = rollout.size(new) - new["status"]["availableReplicas"]
        if starting:
            new["status"]["availableReplicas"] += data.draw(st.integers(1, starting))
        new["status"]["replicas"] = rollout.size(new)
        if rollout.size(new) == replicas and not rollout.size(old) and not starting:
            return
    raise AssertionError(f"stuck at old {old['status']}, new {new['status']}")


def test_a_broken_image_stops_the_rollout_and_costs_no_healthy_pod_too_many() -> None:
    wanted = deployment(4)
    old, new = replica_set("1", 3), replica_set("2", 2, available=0)
    assert rollout.grow_new(wanted, new, [old]) == 2
    assert rollout.shrink_old(wanted, new, [old]) == {}


def test_scaling_in_the_middle_of_a_rollout_is_proportional() -> None:
    notes = {rollout.DESIRED: "10", rollout.MAXIMUM: "13"}
    new, old = replica_set("2", 5, 0, **notes), replica_set("1", 8, **notes)
    wanted = deployment(20)
    assert rollout.scaling_event(wanted, [new, old])
    sizes = rollout.scale(wanted, new, [old])
    assert sum(sizes.values()) == rollout.limits(wanted).most == 25
    assert sizes["1"] > sizes["2"] > 5


@given(st.lists(st.integers(1, 20), min_size=2, max_size=4), st.integers(0, 40))
@example([1, 1, 1, 1], 1)  # every share rounds to nothing, and the largest alone cannot give what is left
def test_proportional_scaling_always_reaches_the_sum(sizes: list[int], replicas: int) -> None:
    total = sum(sizes)
    notes = {rollout.DESIRED: str(total), rollout.MAXIMUM: str(total)}
    sets = [replica_set(str(number), size, 0, **notes) for number, size in enumerate(sizes)]
    wanted = deployment(replicas)
    changed = rollout.scale(wanted, sets[-1], sets[:-1])
    final = [changed.get(item["metadata"]["name"], rollout.size(item)) for item in sets]
    assert all(size >= 0 for size in final)
    if replicas:
        assert sum(final) == rollout.limits(wanted).most
    else:
        assert sum(final) == 0


def test_a_simple_scale_goes_to_the_only_active_set() -> None:
    assert rollout.scale(deployment(7), replica_set("2", 4), [replica_set("1", 0)]) == {"2": 7}
    assert rollout.scale(deployment(0), replica_set("2", 4), []) == {"2": 0}
    assert not rollout.scaling_event(deployment(4), [replica_set("2", 4, **{rollout.DESIRED: "4"})])


def test_names_are_stable_and_change_with_template_and_collision() -> None:
    template = deployment()["spec"]["template"]
    name = revisions.template_hash(template, 0)
    assert revisions.template_hash(deployment()["spec"]["template"], 0) == name
    assert revisions.template_hash(deployment(image="b")["spec"]["template"], 0) != name
    assert revisions.template_hash(template, 1) != name
    assert len(name) == 10


def test_the_new_replica_set_is_found_again() -> None:
    wanted = deployment()
    made = revisions.make(wanted, [])
    assert made["spec"]["replicas"] == 4
    assert made["metadata"]["annotations"] == {rollout.REVISION: "1", rollout.DESIRED: "4", rollout.MAXIMUM: "5"}
    hashed = made["metadata"]["labels"][revisions.HASH_LABEL]
    assert made["metadata"]["name"] == f"web-{hashed}"
    assert made["spec"]["selector"]["matchLabels"][revisions.HASH_LABEL] == hashed
    assert revisions.find_new(wanted, [made]) is made
    assert revisions.find_new(deployment(image="b"), [made]) is None


def test_an_undo_moves_the_old_set_to_a_new_revision() -> None:
    first = replica_set("1", 0, **{rollout.REVISION: "1"})
    second = replica_set("2", 4, **{rollout.REVISION: "2"})
    noted = revisions.noted(
        deployment(notes={"kubernetes.io/change-cause": "undo"}), first, revisions.next_revision([second])
    )
    assert noted[rollout.REVISION] == "3"
    assert noted[rollout.HISTORY] == "1"
    assert noted["kubernetes.io/change-cause"] == "undo"


def test_history_keeps_the_newest() -> None:
    old = [replica_set(str(number), 0, **{rollout.REVISION: str(number)}) for number in range(1, 6)]
    old[0]["spec"]["replicas"] = 1
    surplus = rollout.surplus_history(deployment(revisionHistoryLimit=2), old)
    assert [item["metadata"]["name"] for item in surplus] == ["2", "3", "4"]


def progress(wanted: dict[str, Any], new: dict[str, Any], old: list[dict[str, Any]], now: dt.datetime = NOW) -> Any:
    made = deployment_status.status(wanted, new, old)
    made = deployment_status.with_progress(wanted, made, new, old, now)
    wanted["status"] = made
    return conditions.get(made["conditions"], "Progressing")


def test_conditions_tell_progress_success_and_failure() -> None:
    wanted = deployment()
    new, old = replica_set("2", 1), replica_set("1", 4)
    assert progress(wanted, new, [old])["reason"] == "ReplicaSetUpdated"
    stuck = wanted["status"]["conditions"]
    late = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=601)
    assert progress(wanted, new, [old], late)["reason"] == "ProgressDeadlineExceeded"
    assert wanted["status"]["conditions"] != stuck
    done = progress(wanted, replica_set("2", 4), [replica_set("1", 0)])
    assert (done["reason"], done["status"]) == ("NewReplicaSetAvailable", "True")
    assert conditions.get(wanted["status"]["conditions"], "Available")["status"] == "True"


def test_availability_follows_the_limits() -> None:
    made = deployment_status.status(deployment(), replica_set("1", 4, available=2), [])
    available = conditions.get(made["conditions"], "Available")
    assert (available["status"], available["reason"]) == ("False", "MinimumReplicasUnavailable")
    assert made["unavailableReplicas"] == 2


def test_a_pause_and_a_resumption_are_noted_once() -> None:
    wanted = deployment(paused=True)
    paused = deployment_status.paused_condition(wanted)
    assert paused[0]["reason"] == "DeploymentPaused"
    wanted["status"]["conditions"] = paused
    assert deployment_status.paused_condition(wanted) is None
    wanted["spec"]["paused"] = False
    assert deployment_status.paused_condition(wanted)[0]["reason"] == "DeploymentResumed"
