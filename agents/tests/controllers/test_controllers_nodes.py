"""Nodes: pod ranges never overlap, and silence has its consequences."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricenter.controllers import node_ipam, nodes, podgc
from tricenter.controllers.config import Config
from tricenter.runtime import config as configuration

NOW = dt.datetime(2026, 1, 1, 12, 0, tzinfo=dt.UTC)
CENTER = ipaddress.ip_network("10.101.0.0/16")


def test_the_lowest_free_range() -> None:
    used = [ipaddress.ip_network(text) for text in ("10.101.0.0/24", "10.101.1.0/24", "10.102.2.0/24")]
    assert str(node_ipam.lowest_free(CENTER, 24, used)) == "10.101.2.0/24"
    assert str(node_ipam.lowest_free(CENTER, 24, used[1:])) == "10.101.0.0/24"
    assert str(node_ipam.lowest_free(CENTER, 24, [ipaddress.ip_network("10.101.0.128/25")])) == "10.101.1.0/24"


def test_a_full_center_has_none() -> None:
    small = ipaddress.ip_network("10.101.0.0/23")
    used = [ipaddress.ip_network("10.101.0.0/24"), ipaddress.ip_network("10.101.1.0/24")]
    assert node_ipam.lowest_free(small, 24, used) is None


@given(st.lists(st.tuples(st.integers(0, 63), st.integers(20, 28)), max_size=30))
def test_a_given_range_is_inside_and_overlaps_nothing(taken: list[tuple[int, int]]) -> None:
    center = ipaddress.ip_network("10.101.0.0/18")
    used = [ipaddress.ip_network((f"10.101.{third}.0", prefix), strict=False) for third, prefix in taken]
    free = node_ipam.lowest_free(center, 24, used)
    if free is None:
        remaining = [item for item in center.subnets(new_prefix=24) if not any(item.overlaps(other) for other in used)]
        assert not remaining
    else:
        assert free.subnet_of(center)
        assert not any(free.overlaps(other) for other in used)


@given(st.integers(1, 40))
def test_no_two_nodes_get_the_same(count: int) -> None:
    used: list[Any] = []
    for _ in range(count):
        used.append(node_ipam.lowest_free(CENTER, 24, used))
    assert len(set(used)) == count


def test_ranges_are_read_from_both_fields() -> None:
    found = node_ipam.ranges_of(
        [
            {"metadata": {"name": "a"}, "spec": {"podCIDR": "10.101.0.0/24"}},
            {"metadata": {"name": "b"}, "spec": {"podCIDR": "10.101.1.0/24", "podCIDRs": ["10.101.1.0/24"]}},
            {"metadata": {"name": "c"}},
            {"metadata": {"name": "d"}, "spec": {"podCIDR": "10.101.2.9/24"}},
            {"metadata": {"name": "e"}, "spec": {"podCIDR": "what is none stops nobody"}},
        ]
    )
    assert {name: [str(item) for item in items] for name, items in found.items()} == {
        "a": ["10.101.0.0/24"],
        "b": ["10.101.1.0/24"],
        "d": ["10.101.2.0/24"],
        "e": [],
    }


def test_a_range_smaller_than_a_node_is_a_config_error() -> None:
    api = {"server": "https://x", "ca": "/a", "cert": "/b", "key": "/c"}
    data = {"api": api, "root_ca": "/a", "center_pod_cidrs": {"east1": "10.101.0.0/25"}}
    with pytest.raises(configuration.ConfigError, match=r"center_pod_cidrs\.east1"):
        configuration.build(data, Config)


def node(ready: str | None = "True", **more: Any) -> dict[str, Any]:
    conditions = [] if ready is None else [{"type": "Ready", "status": ready, "lastHeartbeatTime": "t"}]
    return {
        "metadata": {"name": "n1", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": more.get("spec", {}),
        "status": {"conditions": conditions + more.get("conditions", [])},
    }


def keys(taints: list[dict[str, Any]]) -> list[str]:
    return sorted(f"{taint['key'].rpartition('/')[2]}:{taint['effect']}" for taint in taints)


@pytest.mark.parametrize(
    ("subject", "wanted"),
    [
        (node("True"), []),
        (node("Unknown"), ["unreachable:NoExecute", "unreachable:NoSchedule"]),
        (node("False"), ["not-ready:NoExecute", "not-ready:NoSchedule"]),
        (node(None), ["not-ready:NoExecute", "not-ready:NoSchedule"]),
        (node("True", conditions=[{"type": "DiskPressure", "status": "True"}]), ["disk-pressure:NoSchedule"]),
        (node("True", spec={"unschedulable": True}), ["unschedulable:NoSchedule"]),
        (node("True", spec={"taints": [{"key": "mine", "effect": "NoExecute"}]}), ["mine:NoExecute"]),
        (node("True", spec={"taints": [{"key": nodes.UNREACHABLE, "effect": "NoExecute"}]}), []),
    ],
)
def test_taints_follow_the_conditions(subject: dict[str, Any], wanted: list[str]) -> None:
    assert keys(nodes.wanted_taints(subject, evict=True, now=NOW)) == wanted


def test_taints_keep_their_time_and_settle() -> None:
    subject = node("Unknown")
    first = nodes.wanted_taints(subject, evict=True, now=NOW)
    subject["spec"]["taints"] = first
    assert nodes.wanted_taints(subject, evict=True, now=NOW + dt.timedelta(hours=1)) == first


def test_nobody_is_evicted_when_everybody_seems_lost() -> None:
    assert not nodes.anybody_ready([node("Unknown"), node("False")])
    assert keys(nodes.wanted_taints(node("Unknown"), evict=False, now=NOW)) == ["unreachable:NoSchedule"]


def test_any_heartbeat_is_a_sign_of_life() -> None:
    lease = {"spec": {"renewTime": "1"}}
    first = nodes.signs(node(), lease)
    assert nodes.signs(node(), lease) == first
    assert nodes.signs(node(), {"spec": {"renewTime": "2"}}) != first
    assert nodes.signs(node("Unknown"), lease) != first
    assert nodes.signs(node(), None) != first


def test_a_silent_node_becomes_unknown() -> None:
    made = {item["type"]: item for item in nodes.unknown_conditions(node(), NOW)}
    assert made["Ready"]["status"] == "Unknown"
    assert made["Ready"]["reason"] == "NodeStatusUnknown"
    assert made["MemoryPressure"]["reason"] == "NodeStatusNeverUpdated"


LOST = [{"key": nodes.UNREACHABLE, "effect": "NoExecute", "timeAdded": "2026-01-01T11:59:00Z"}]


def pod(*tolerations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p"} | more.pop("metadata", {}), "spec": {"tolerations": list(tolerations), **more}}


@pytest.mark.parametrize(
    ("subject", "wait"),
    [
        (pod(), 0.0),
        (pod({"key": nodes.UNREACHABLE, "operator": "Exists", "tolerationSeconds": 300}), 240.0),
        (pod({"key": nodes.UNREACHABLE, "operator": "Exists", "tolerationSeconds": 30}), 0.0),
        (pod({"key": nodes.UNREACHABLE, "operator": "Exists"}), None),
        (pod({"operator": "Exists"}), None),
        (pod({"key": nodes.UNREACHABLE, "operator": "Exists", "effect": "NoSchedule"}), 0.0),
    ],
)
def test_eviction_waits_for_the_toleration(subject: dict[str, Any], wait: float | None) -> None:
    assert nodes.eviction_in(subject, LOST, NOW) == wait
    assert nodes.eviction_in(subject, [], NOW) is None


def test_pods_of_a_lost_node_serve_no_more() -> None:
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Initialized", "status": "True"}]}}
    made = nodes.unready_conditions(ready, NOW)
    assert [item["status"] for item in made] == ["False", "True"]
    assert nodes.unready_conditions({"status": {"conditions": made}}, NOW) is None
    assert ready["status"]["conditions"][0]["status"] == "True", "the informer's object stays as it is"


def test_pods_that_nobody_takes_care_of() -> None:
    placed = pod(nodeName="n1")
    lost = pod(nodeName="gone")
    never = pod(metadata={"deletionTimestamp": "t"})
    assert podgc.missing_nodes([placed, lost, never], {"n1": {}}) == {"gone"}
    assert podgc.unplaced([placed, lost, never]) == [never]
    ended = [pod() | {"status": {"phase": "Failed"}} for _ in range(5)]
    assert len(podgc.surplus([placed, *ended], 2)) == 3
