"""ReplicaSets: how many pods, which go first, what is remembered."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricenter.apimachinery import selectors
from tricenter.client import errors
from tricenter.controllers import ownership, podcontrol, podstate, replicasets
from tricenter.controllers.expectations import PATIENCE_SECONDS, Expectations

NOW = dt.datetime(2026, 1, 1, 12, 0, tzinfo=dt.UTC)


def ago(seconds: int) -> str:
    return (NOW - dt.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def pod(
    name: str, *, node: str = "n1", phase: str = "Running", ready: int | None = 60, age: int = 100, **more: Any
) -> Any:
    conditions = [] if ready is None else [{"type": "Ready", "status": "True", "lastTransitionTime": ago(ready)}]
    metadata = {"name": name, "uid": name, "namespace": "d", "labels": {"app": "web"}, "creationTimestamp": ago(age)}
    spec = {"nodeName": node} if node else {}
    return {
        "metadata": metadata | more.get("metadata", {}),
        "spec": spec,
        "status": {"phase": phase, "conditions": conditions} | more.get("status", {}),
    }


def names(pods: Any) -> list[str]:
    return [item["metadata"]["name"] for item in pods]


def test_missing_pods_are_made_and_finished_ones_replaced() -> None:
    pods = [pod("a"), pod("done", phase="Succeeded"), pod("going", metadata={"deletionTimestamp": ago(1)})]
    assert replicasets.plan(3, pods, pods, NOW) == replicasets.Plan(create=2)
    assert replicasets.plan(5000, [], [], NOW).create == replicasets.BURST


def test_those_whose_loss_hurts_least_go_first() -> None:
    pods = [
        pod("old"),
        pod("young", ready=5),
        pod("restarted", status={"containerStatuses": [{"restartCount": 3}]}),
        pod("unready", ready=None),
        pod("pending", phase="Pending", ready=None),
        pod("unplaced", node="", phase="Pending", ready=None),
        pod("cheap", metadata={"annotations": {podstate.DELETION_COST: "-10"}}),
    ]
    order = names(podstate.deletion_order(pods, {}, NOW))
    assert order == ["unplaced", "pending", "unready", "cheap", "young", "restarted", "old"]


def test_a_crowded_node_gives_up_a_pod_first() -> None:
    pods = [pod("a", node="n1"), pod("b", node="n2"), pod("c", node="n2")]
    assert names(replicasets.plan(2, pods, pods, NOW).delete)[0] in {"b", "c"}


@given(st.integers(0, 20), st.lists(st.sampled_from(["Running", "Pending", "Failed"]), max_size=20))
def test_a_plan_carried_out_is_exact(wanted: int, phases: list[str]) -> None:
    pods = [pod(f"p{number}", phase=phase) for number, phase in enumerate(phases)]
    plan = replicasets.plan(wanted, pods, pods, NOW)
    active = sum(podstate.active(item) for item in pods)
    assert active + plan.create - len(plan.delete) == wanted
    assert all(podstate.active(item) for item in plan.delete)


def replica_set(**spec: Any) -> Any:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template} | spec
    return {"metadata": {"name": "web", "namespace": "d", "uid": "rs", "generation": 3}, "spec": spec}


def test_status_counts_and_asks_to_look_again_when_a_pod_becomes_available() -> None:
    pods = [pod("a", ready=60), pod("b", ready=4), pod("c", ready=None)]
    status, again = replicasets.status(replica_set(minReadySeconds=10), pods, None, NOW)
    assert status == {
        "replicas": 3,
        "fullyLabeledReplicas": 3,
        "readyReplicas": 2,
        "availableReplicas": 1,
        "observedGeneration": 3,
    }
    assert again == 6.0


def test_a_failure_is_shown_and_taken_back() -> None:
    status, _ = replicasets.status(replica_set(), [], "quota exceeded", NOW)
    assert status["conditions"][0]["message"] == "quota exceeded"
    told = replica_set() | {"status": status}
    again, _ = replicasets.status(told, [], "quota exceeded by another one", NOW)
    assert again == status, "a change would have us try again at once, and again"
    status, _ = replicasets.status(told, [], None, NOW)
    assert "conditions" not in status


def test_expectations() -> None:
    clock = [0.0]
    expected = Expectations(lambda: clock[0])
    assert expected.met("k")
    expected.expect("k", creations=2)
    expected.created("k")
    assert not expected.met("k")
    expected.created("k")
    assert expected.met("k")
    expected.expect("k", deletions=["a"])
    expected.deleted("k", "other")
    assert not expected.met("k")
    clock[0] = PATIENCE_SECONDS + 1
    assert expected.met("k"), "a lost event must not block for ever"


async def test_slow_start_doubles_and_stops_at_a_failure() -> None:
    calls: list[int] = []

    async def fine(number: int) -> None:
        calls.append(number)

    assert await podcontrol.slow_start(10, fine) == 10
    assert calls == list(range(10))

    async def refused(number: int) -> None:
        calls.append(number)
        if number >= 3:
            raise errors.Forbidden({"message": "quota"}, 403)

    calls.clear()
    assert await podcontrol.slow_start(100, refused) == 3
    assert len(calls) == 7, "1 + 2 + 4, and no more"


async def test_slow_start_raises_when_nothing_works() -> None:
    async def refused(number: int) -> None:
        raise errors.Forbidden({"message": "quota"}, 403)

    with pytest.raises(errors.Forbidden):
        await podcontrol.slow_start(5, refused)


def test_a_pod_is_made_from_its_template() -> None:
    made = podcontrol.from_template(replica_set(), replicasets.REPLICASETS, replica_set()["spec"]["template"])
    assert made["metadata"]["generateName"] == "web-"
    assert made["metadata"]["labels"] == {"app": "web"}
    owner = made["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["uid"], owner["controller"], owner["blockOwnerDeletion"]) == (
        "ReplicaSet",
        "rs",
        True,
        True,
    )


def test_claims() -> None:
    web = selectors.from_map({"app": "web"})
    mine, strayed = pod("mine"), pod("strayed", metadata={"labels": {"app": "other"}})
    orphan, dying = pod("orphan"), pod("dying", metadata={"deletionTimestamp": ago(1)})
    claim = ownership.claim(replica_set(), web, [mine, strayed], [orphan, dying, strayed])
    assert (names(claim.owned), names(claim.adopt), names(claim.release)) == (["mine"], ["orphan"], ["strayed"])
    deleted = replica_set()
    deleted["metadata"]["deletionTimestamp"] = ago(1)
    assert ownership.claim(deleted, web, [mine], [orphan]).adopt == []
