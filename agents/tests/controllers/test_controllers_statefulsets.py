"""StatefulSets: replicas come, change and go one by one, and keep what is theirs."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tricenter.controllers import stateful
from tricenter.controllers.history import POD_LABEL

NOW = dt.datetime(2026, 1, 1, 12, 0, tzinfo=dt.UTC)
DATA = {"metadata": {"name": "data", "labels": {"tier": "db"}}, "spec": {"resources": {}}}


def stateful_set(replicas: int = 3, **spec: Any) -> Any:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": spec.pop("partition", 0)}}
    return {
        "metadata": {"name": "web", "namespace": "n", "uid": "u", "generation": 4},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "serviceName": "svc",
                 "updateStrategy": strategy, "template": {}, **spec},
    }  # fmt: skip


def revision(name: str, image: str) -> Any:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"image": image}]}, "$patch": "replace"}
    return {"metadata": {"name": name}, "revision": 1, "data": {"spec": {"template": template}}}


OLD, NEW = revision("web-old", "1"), revision("web-new", "2")
ROLLING, SETTLED = stateful.Revisions(OLD, NEW), stateful.Revisions(NEW, NEW)


def pod(number: int, *, of: Any = NEW, ready: bool = True, phase: str = "Running", going: bool = False) -> Any:
    metadata: Any = {"name": f"web-{number}", "uid": f"p{number}", "labels": {POD_LABEL: of["metadata"]["name"]}}
    if going:
        metadata["deletionTimestamp"] = "2026-01-01T11:59:00Z"
    conditions = [{"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-01-01T11:00:00Z"}]
    return {"metadata": metadata, "status": {"phase": phase, "conditions": conditions}}


def names(pods: Any) -> list[str]:
    return [item["metadata"]["name"] for item in pods]


def plan(owner: Any, pods: Any, revisions: stateful.Revisions = SETTLED) -> tuple[list[str], list[str]]:
    found = stateful.plan(owner, revisions, pods, NOW)
    return names(found.create), names(found.delete)


def test_replicas_come_one_after_the_other() -> None:
    assert plan(stateful_set(), []) == (["web-0"], [])
    assert plan(stateful_set(), [pod(0, ready=False)]) == ([], [])
    assert plan(stateful_set(), [pod(0)]) == (["web-1"], [])
    assert plan(stateful_set(), [pod(0), pod(1, going=True)]) == ([], []), "a name is free when its pod has gone"
    assert plan(stateful_set(podManagementPolicy="Parallel"), [pod(1, ready=False)]) == (["web-0", "web-2"], [])
    assert plan(stateful_set(1, ordinals={"start": 5}), [pod(5)]) == ([], [])


def test_a_set_of_milliards_costs_no_more_than_another_one() -> None:
    create, _ = plan(stateful_set(2**31 - 1, podManagementPolicy="Parallel"), [pod(0)])
    assert create == [f"web-{number}" for number in range(1, stateful.BURST + 1)]


def test_ended_replicas_are_made_again() -> None:
    assert plan(stateful_set(), [pod(0), pod(1, phase="Failed"), pod(2)]) == ([], ["web-1"])


def test_the_highest_go_first_and_only_while_all_is_well() -> None:
    pods = [pod(number) for number in range(5)]
    assert plan(stateful_set(3), pods) == ([], ["web-4"])
    assert plan(stateful_set(3), [*pods[:4], pod(4, going=True)]) == ([], [])
    assert plan(stateful_set(3), [*pods[:3], pod(3, ready=False), pods[4]]) == ([], ["web-4"])
    assert plan(stateful_set(3), [pods[0], pod(1, ready=False), *pods[2:]]) == ([], [])
    assert plan(stateful_set(3, podManagementPolicy="Parallel"), pods) == ([], ["web-4", "web-3"])


def test_an_update_goes_down_to_the_partition() -> None:
    old = [pod(number, of=OLD) for number in range(3)]
    assert plan(stateful_set(), old, ROLLING) == ([], ["web-2"])
    assert plan(stateful_set(), [*old[:2], pod(2, ready=False)], ROLLING) == ([], [])
    assert plan(stateful_set(), [*old[:2], pod(2)], ROLLING) == ([], ["web-1"])
    assert plan(stateful_set(partition=2), [*old[:2], pod(2)], ROLLING) == ([], [])
    kept = stateful.plan(stateful_set(partition=2), ROLLING, [old[1], pod(2)], NOW).create[0]
    assert stateful.revision_of(kept) == "web-old", "below the partition a lost pod comes back as it was"
    assert kept["spec"]["containers"][0]["image"] == "1"
    assert plan(stateful_set(updateStrategy={"type": "OnDelete"}), old, ROLLING) == ([], [])


@given(st.integers(1, 6), st.integers(0, 6), st.integers(0, 6))
def test_in_order_never_more_than_one_is_missing_and_all_ends_well(before: int, after: int, partition: int) -> None:
    """From any size and template to any other; each round what was made becomes ready, what was removed goes."""
    owner = stateful_set(after, partition=partition)
    pods = {f"web-{number}": pod(number, of=OLD) for number in range(before)}
    for _ in range(4 * (before + after) + 4):
        todo = stateful.plan(owner, ROLLING, list(pods.values()), NOW)
        assert len(todo.create) + len(todo.delete) <= 1
        for made in todo.create:
            number = stateful.ordinal(owner, made)
            assert number is not None
            of = OLD if stateful.revision_of(made) == "web-old" else NEW
            pods[made["metadata"]["name"]] = pod(number, of=of)
        for gone in todo.delete:
            del pods[gone["metadata"]["name"]]
    assert sorted(pods) == [f"web-{number}" for number in range(after)]
    behind = [name for name, found in pods.items() if stateful.revision_of(found) == "web-old"]
    assert len(behind) <= min(after, partition)


def test_a_replica_has_its_name_its_claims_and_its_labels() -> None:
    owner = stateful_set(volumeClaimTemplates=[DATA])
    made = stateful.pod_for(owner, 2, SETTLED)
    assert (made["metadata"]["name"], made["spec"]["hostname"], made["spec"]["subdomain"]) == ("web-2", "web-2", "svc")
    assert made["spec"]["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": "data-web-2"}}]
    assert made["metadata"]["labels"] == {
        "app": "web", stateful.NAME_LABEL: "web-2", stateful.INDEX_LABEL: "2", POD_LABEL: "web-new",
    }  # fmt: skip
    (claim,) = stateful.claims_for(owner, 2)
    assert (claim["metadata"]["name"], claim["metadata"]["labels"]) == ("data-web-2", {"tier": "db", "app": "web"})


def test_claims_go_with_whom_the_policy_says() -> None:
    def owners(deleted: str, scaled: str, *, condemned: bool) -> list[str]:
        policy = {"whenDeleted": deleted, "whenScaled": scaled}
        owner = stateful_set(persistentVolumeClaimRetentionPolicy=policy)
        foreign = {"kind": "Backup", "uid": "b"}
        claim = {"metadata": {"ownerReferences": [foreign, {"kind": "StatefulSet", "uid": "u"}]}}
        return [item["kind"] for item in stateful.claim_owners(owner, pod(1), claim, condemned=condemned)]

    assert owners("Retain", "Retain", condemned=True) == ["Backup"]
    assert owners("Delete", "Retain", condemned=True) == ["Backup", "StatefulSet"]
    assert owners("Retain", "Delete", condemned=True) == ["Backup", "Pod"]
    assert owners("Delete", "Delete", condemned=True) == ["Backup", "Pod"]
    assert owners("Delete", "Delete", condemned=False) == ["Backup", "StatefulSet"]


def test_status_counts_and_an_update_that_is_complete_becomes_current() -> None:
    pods = [pod(0, of=OLD), pod(1), pod(2, ready=False)]
    made, _ = stateful.status(stateful_set(), ROLLING, pods, NOW)
    assert made == {
        "observedGeneration": 4, "replicas": 3, "readyReplicas": 2, "availableReplicas": 2, "currentReplicas": 1,
        "updatedReplicas": 2, "currentRevision": "web-old", "updateRevision": "web-new", "collisionCount": 0,
    }  # fmt: skip
    made, _ = stateful.status(stateful_set(), ROLLING, [pod(number) for number in range(3)], NOW)
    assert (made["currentRevision"], made["currentReplicas"]) == ("web-new", 3)
    made, again = stateful.status(stateful_set(minReadySeconds=7200), SETTLED, [pod(0)], NOW)
    assert (made["availableReplicas"], again) == (0, 3600.0)
