"""DaemonSets: every node that is meant has its pod, and an update never takes more than it may."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricenter.controllers import daemon, history

NOW = dt.datetime(2026, 1, 1, 12, 0, tzinfo=dt.UTC)


def node(name: str, taints: Any = (), **labels: str) -> Any:
    return {"metadata": {"name": name, "labels": labels}, "spec": {"taints": list(taints)}}


def daemon_set(rolling: Any = None, **spec: Any) -> Any:
    template = {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "c"}], **spec}}
    strategy = {"type": "RollingUpdate", "rollingUpdate": rolling or {"maxUnavailable": 1, "maxSurge": 0}}
    return {
        "metadata": {"name": "d", "namespace": "n", "uid": "u", "generation": 1},
        "spec": {"template": template, "updateStrategy": strategy, "selector": {"matchLabels": {"app": "d"}}},
    }


def pod(name: str, on: str, *, hashed: str = "new", ready: bool = True, phase: str = "Running", **metadata: Any) -> Any:
    conditions = [{"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-01-01T11:00:00Z"}]
    return {
        "metadata": {"name": name, "namespace": "n", "uid": name, "labels": {history.POD_LABEL: hashed}, **metadata},
        "spec": {"nodeName": on},
        "status": {"phase": phase, "conditions": conditions},
    }


def names(pods: Any) -> list[str]:
    return [item["metadata"]["name"] for item in pods]


def manage(ds: Any, nodes: Any, pods: Any) -> daemon.Actions:
    return daemon.manage(ds, nodes, daemon.group_by_node(pods), "new", NOW)


def test_a_pod_on_every_node_that_is_meant() -> None:
    taint = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}
    evicting = {"key": "gone", "effect": "NoExecute"}
    nodes = [node("a", disk="ssd"), node("b"), node("c", [taint], disk="ssd"), node("d", [evicting], disk="ssd")]
    ds = daemon_set(nodeSelector={"disk": "ssd"})
    found = manage(ds, nodes, [pod("on-b", "b"), pod("on-c", "c"), pod("on-d", "d")])
    assert (found.create, names(found.delete)) == (["a"], ["on-b", "on-d"]), "NoSchedule lets stay who is there"
    assert manage(daemon_set(tolerations=[{"operator": "Exists"}]), nodes, []).create == ["a", "b", "c", "d"]


@pytest.mark.parametrize("key", ["not-ready", "unreachable"])
def test_daemons_stay_on_nodes_in_trouble(key: str) -> None:
    trouble = node("a", [{"key": f"node.kubernetes.io/{key}", "effect": "NoExecute"}])
    assert daemon.belongs(daemon_set(), trouble) == (True, True)


def test_one_pod_a_node_and_failed_ones_go() -> None:
    going = pod("going", "b", deletionTimestamp="2026-01-01T11:00:00Z")
    pods = [pod("one", "a", creationTimestamp="1"), pod("two", "a", creationTimestamp="2"), going]
    pods.append(pod("bad", "c", phase="Failed"))
    found = manage(daemon_set(), [node("a"), node("b"), node("c")], pods)
    assert (found.create, names(found.delete), names(found.failed)) == ([], ["two"], ["bad"])


def test_pods_that_wait_for_a_node_that_is_gone_go() -> None:
    waiting = daemon.pod_for(daemon_set(), "gone", "new")
    waiting["metadata"]["name"] = "waiting"
    assert daemon.node_of(waiting) == "gone"
    assert names(manage(daemon_set(), [], [waiting, pod("placed", "gone")]).delete) == ["waiting"]


def test_a_pod_is_bound_to_its_node_and_tolerates_its_troubles() -> None:
    made = daemon.pod_for(daemon_set(hostNetwork=True), "a", "hash")
    terms = made["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert terms["nodeSelectorTerms"][0]["matchFields"][0]["values"] == ["a"]
    assert made["metadata"]["labels"] == {"app": "d", history.POD_LABEL: "hash"}
    assert len(made["spec"]["tolerations"]) == 7


@given(
    st.integers(1, 12),
    st.one_of(st.integers(1, 4), st.sampled_from(["10%", "50%"])),
    st.lists(st.integers(0, 11), max_size=12),
)
def test_an_update_keeps_its_limit_and_ends(count: int, limit: Any, broken: list[int]) -> None:
    """Each round the deleted pods come back new and, a round later, ready."""
    ds = daemon_set({"maxUnavailable": limit, "maxSurge": 0})
    nodes = [node(f"n{number}") for number in range(count)]
    pods = {f"n{number}": pod(f"n{number}", f"n{number}", hashed="old") for number in range(count)}
    down = {f"n{number}" for number in broken if number < count}
    for name in down:
        pods[name] = pod(name, name, hashed="old", ready=False)
    most = max(1, -(-count * int(limit[:-1]) // 100) if isinstance(limit, str) else limit)
    for _ in range(3 * count + 3):
        for name, found in pods.items():
            if daemon.updated(found, "new"):
                pods[name] = pod(name, name)
        actions = daemon.roll(ds, nodes, daemon.group_by_node(pods.values()), "new", NOW)
        for old in actions.delete:
            pods[old["metadata"]["name"]] = pod(old["metadata"]["name"], daemon.node_of(old), ready=False)
        unready = [name for name, found in pods.items() if found["status"]["conditions"][0]["status"] == "False"]
        assert len(unready) <= max(most, len(down))
    assert all(daemon.updated(found, "new") for found in pods.values())


def test_a_surge_makes_the_new_pod_first() -> None:
    ds = daemon_set({"maxUnavailable": 0, "maxSurge": 1})
    nodes, old = [node("a"), node("b")], [pod("old-a", "a", hashed="old"), pod("old-b", "b", hashed="old")]

    def roll(pods: Any) -> daemon.Actions:
        return daemon.roll(ds, nodes, daemon.group_by_node(pods), "new", NOW)

    assert (roll(old).create, roll(old).delete) == (["a"], [])
    starting = [*old, pod("new-a", "a", ready=False)]
    assert not roll(starting), "one at a time"
    assert not manage(ds, nodes, starting), "both may be there"
    ready = [*old, pod("new-a", "a")]
    assert names(manage(ds, nodes, ready).delete) == ["old-a"]
    assert roll([old[1], pod("new-a", "a")]).create == ["b"]


def test_status_counts_nodes() -> None:
    nodes = [node("a"), node("b"), node("c", [{"key": "x", "effect": "NoSchedule"}])]
    pods = daemon.group_by_node([pod("a", "a"), pod("b", "b", hashed="old", ready=False), pod("c", "c")])
    made, again = daemon.status(daemon_set(), nodes, pods, "new", NOW)
    assert (made, again) == (
        {
            "desiredNumberScheduled": 2,
            "currentNumberScheduled": 2,
            "numberMisscheduled": 1,
            "numberReady": 1,
            "numberAvailable": 1,
            "numberUnavailable": 1,
            "updatedNumberScheduled": 1,
            "observedGeneration": 1,
        },
        None,
    )


def revision(name: str, number: int, template: Any) -> Any:
    return {"metadata": {"name": name}, "revision": number, "data": {"spec": {"template": template}}}


def test_history_finds_the_newest_equal_template_and_forgets_the_oldest_unused() -> None:
    ds = daemon_set()
    same = {
        **ds["spec"]["template"],
        "$patch": "replace",
        "metadata": {"creationTimestamp": None, "labels": {"app": "d"}},
    }
    known = [revision("r1", 1, same), revision("r2", 2, {"spec": {}}), revision("r3", 3, same), revision("r4", 4, {})]
    found = history.find_equal(ds, known)
    assert found is not None
    assert found["metadata"]["name"] == "r3"
    assert "$patch" not in history.template_of(found)
    assert names(history.surplus(known, {"r1", "r4"}, 1)) == ["r2"]
    assert history.data_of(ds)["spec"]["template"]["$patch"] == "replace"
