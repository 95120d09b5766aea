"""Which node a pod gets, and what a user is told when there is none."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scheduling_site import Site, make_pod

from tricenter.apimachinery import selectors
from tricenter.scheduler import decide, filters, pods
from tricenter.scheduler.decide import Refusal
from tricenter.scheduler.state import Matching

WEB = {"app": "web"}
WEB_SELECTOR = selectors.from_map(WEB)
ZONE = "topology.kubernetes.io/zone"
HOSTNAME = "kubernetes.io/hostname"


def spread(max_skew: int = 1, key: str = ZONE, **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "maxSkew": max_skew,
            "topologyKey": key,
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": WEB},
        }
        | more
    ]


def test_no_nodes(site, pod) -> None:
    assert site.decide(pod()) == Refusal("no nodes available to schedule pods")


def test_each_node_has_its_reason(site, pod) -> None:
    site.node("a", cpu="1")
    site.node("b", cpu="1", memory="1Mi")
    site.node("c", taints=[{"key": "dedicated", "value": "db", "effect": "NoSchedule"}])
    site.node("d", unschedulable=True)
    site.node("e", pods=0)
    site.node("f", labels={"disk": "hdd"})
    outcome = site.decide(pod(cpu="2", memory="1Gi", nodeSelector={"disk": "ssd"}))
    assert outcome == Refusal(
        "0/6 nodes are available: 1 node(s) had untolerated taint {dedicated: db}, 1 node(s) were unschedulable, "
        "4 node(s) didn't match Pod's node affinity/selector."
    )
    outcome = site.decide(pod(cpu="5", memory="1Gi"))
    assert outcome == Refusal(
        "0/6 nodes are available: 1 Insufficient memory, 1 Too many pods, 1 node(s) had untolerated taint "
        "{dedicated: db}, 1 node(s) were unschedulable, 4 Insufficient cpu."
    )


def test_the_emptier_node_wins(site, pod) -> None:
    site.node("a")
    site.node("b")
    site.state.place(pod(cpu="2", memory="4Gi"), "a")
    assert site.decide(pod(cpu="1", memory="2Gi")) == "b"


def test_an_extended_resource_is_needed(site, pod) -> None:
    site.node("a")
    site.node("b", extended={"example.com/gpu": "1"})
    gpu = {"containers": [{"name": "c", "resources": {"requests": {"example.com/gpu": "1"}}}]}
    assert site.schedule(pod(**gpu)) == "b"
    assert site.schedule(pod(**gpu)) == Refusal("0/2 nodes are available: 2 Insufficient example.com/gpu.")


def test_the_four_replicas_of_a_shop_reach_all_centers(site, pod) -> None:
    site.three_centers()
    zones = Counter(site.zone(site.schedule(pod(labels=WEB), WEB_SELECTOR)) for _ in range(4))
    assert set(zones) == {"east1", "east2", "west1"}


def test_a_hard_skew_is_kept_and_a_full_center_blocks(site, pod) -> None:
    site.three_centers()
    zones = Counter(site.zone(site.schedule(pod(labels=WEB, topologySpreadConstraints=spread()))) for _ in range(9))
    assert zones == {"east1": 3, "east2": 3, "west1": 3}
    site.node("west1-node1", "west1", unschedulable=True)
    for _ in range(2):
        site.schedule(pod(labels=WEB, topologySpreadConstraints=spread()))
    outcome = site.decide(pod(labels=WEB, topologySpreadConstraints=spread()))
    assert outcome == Refusal(
        "0/6 nodes are available: 1 node(s) were unschedulable, 5 node(s) didn't match pod topology spread constraints."
    )


def test_a_node_without_the_label_is_no_domain(site, pod) -> None:
    site.node("a", "east1")
    site.node("b")
    assert site.schedule(pod(labels=WEB, topologySpreadConstraints=spread())) == "a"
    site.node("a", "east1", unschedulable=True)
    outcome = site.decide(pod(labels=WEB, topologySpreadConstraints=spread()))
    assert "(missing required label)" in outcome.message


def test_min_domains_counts_absent_centers_as_empty(site, pod) -> None:
    site.node("a", "east1")
    constraints = spread(minDomains=2)
    assert site.schedule(pod(labels=WEB, topologySpreadConstraints=constraints)) == "a"
    assert isinstance(site.decide(pod(labels=WEB, topologySpreadConstraints=constraints)), Refusal)


def test_match_label_keys_separate_revisions(site, pod) -> None:
    site.node("a", "east1")
    site.node("b", "east2")
    constraints = spread(matchLabelKeys=["rev"])
    site.state.place(pod(labels=WEB | {"rev": "1"}), "a")
    site.state.place(pod(labels=WEB | {"rev": "1"}), "a")
    new = pod(labels=WEB | {"rev": "2"}, topologySpreadConstraints=constraints)
    assert pods.read(new.obj).constraints[0].selector.matches(WEB | {"rev": "2"})
    assert not new.constraints[0].selector.matches(WEB | {"rev": "1"})


def term(key: str, **labels: str) -> dict[str, Any]:
    return {"topologyKey": key, "labelSelector": {"matchLabels": labels}}


def test_anti_affinity_holds_in_both_directions(site, pod) -> None:
    site.three_centers()
    loner = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term(ZONE, app="web")]}}
    seen = {site.zone(site.schedule(pod(labels=WEB, affinity=loner))) for _ in range(3)}
    assert seen == {"east1", "east2", "west1"}
    refused = site.decide(pod(labels=WEB, affinity=loner))
    assert refused == Refusal("0/6 nodes are available: 6 node(s) didn't match pod anti-affinity rules.")
    refused = site.decide(pod(labels=WEB))
    assert refused == Refusal("0/6 nodes are available: 6 node(s) didn't satisfy existing pods anti-affinity rules.")


def test_affinity_follows_and_the_first_of_a_group_may_start(site, pod) -> None:
    site.three_centers()
    near = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term(ZONE, app="web")]}}
    refused = site.decide(pod(affinity=near))
    assert refused == Refusal("0/6 nodes are available: 6 node(s) didn't match pod affinity rules.")
    first = site.zone(site.schedule(pod(labels=WEB, affinity=near)))
    assert {site.zone(site.schedule(pod(affinity=near))) for _ in range(5)} == {first}


def test_affinity_selects_namespaces_by_label(site, pod) -> None:
    site.node("a", "east1")
    site.node("b", "east2")
    other = pod(labels=WEB)
    other.namespace = "shop"
    site.state.place(other, "b")
    required = term(ZONE, app="web") | {"namespaceSelector": {"matchLabels": {"team": "x"}}}
    near = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [required]}}
    assert isinstance(site.decide(pod(affinity=near)), Refusal)
    site.state.set_namespace("shop", {"team": "x"})
    assert site.decide(pod(affinity=near)) == "b"


def test_preferred_terms_attract_and_repel(site, pod) -> None:
    site.node("a", "east1")
    site.node("b", "east2")
    site.state.place(pod(labels=WEB), "b")
    weighted = [{"weight": 100, "podAffinityTerm": term(ZONE, app="web")}]
    near = {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": weighted}}
    apart = {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": weighted}}
    assert site.decide(pod(affinity=near)) == "b"
    assert site.decide(pod(affinity=apart)) == "a"


def test_preferred_node_affinity_and_soft_taints(site, pod) -> None:
    site.node("a", labels={"disk": "ssd"})
    site.node("b", taints=[{"key": "busy", "effect": "PreferNoSchedule"}])
    site.node("c")
    expression = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
    preferred = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 10, "preference": expression}]}
    assert site.decide(pod(affinity={"nodeAffinity": preferred})) == "a"
    assert site.decide(pod()) != "b"


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [
        ({"hostPort": 80}, {"hostPort": 80}, False),
        ({"hostPort": 80}, {"hostPort": 81}, True),
        ({"hostPort": 80, "protocol": "UDP"}, {"hostPort": 80}, True),
        ({"hostPort": 80, "hostIP": "10.0.0.1"}, {"hostPort": 80, "hostIP": "10.0.0.2"}, True),
        ({"hostPort": 80, "hostIP": "10.0.0.1"}, {"hostPort": 80}, False),
    ],
)
def test_host_ports(site, pod, first: dict[str, Any], second: dict[str, Any], fits: bool) -> None:
    site.node("a")
    site.schedule(pod(containers=[{"name": "c", "ports": [first]}]))
    outcome = site.decide(pod(containers=[{"name": "c", "ports": [second]}]))
    assert (outcome == "a") is fits
    if not fits:
        assert filters.NODE_PORTS in outcome.message


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        ({"key": "k", "operator": "Equal", "value": "v", "effect": "NoSchedule"}, True),
        ({"key": "k", "value": "v"}, True),
        ({"key": "k", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"key": "k", "value": "w"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({"key": "k", "operator": "Exists", "effect": "NoExecute"}, False),
    ],
)
def test_tolerations(toleration: dict[str, str], tolerated: bool) -> None:
    assert filters.tolerates([toleration], {"key": "k", "value": "v", "effect": "NoSchedule"}) is tolerated


@pytest.mark.parametrize(
    ("operator", "values", "matches"),
    [
        ("In", ["5"], True),
        ("NotIn", ["5"], False),
        ("Exists", [], True),
        ("DoesNotExist", [], False),
        ("Gt", ["4"], True),
        ("Gt", ["5"], False),
        ("Lt", ["6"], True),
        ("Lt", ["x"], False),
    ],
)
def test_node_affinity_operators(site, pod, operator: str, values: list[str], matches: bool) -> None:
    site.node("a", labels={"n": "5"})
    terms = [{"matchExpressions": [{"key": "n", "operator": operator, "values": values}]}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    outcome = site.decide(pod(affinity={"nodeAffinity": required}))
    assert (outcome == "a") is matches


def test_a_node_is_chosen_by_field(site, pod) -> None:
    site.node("a")
    site.node("b")
    terms = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["b"]}]}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    assert site.decide(pod(affinity={"nodeAffinity": required})) == "b"


def test_requests_count_the_initialising_peak_sidecars_and_overhead() -> None:
    def container(cpu: str, **more: Any) -> dict[str, Any]:
        return {"resources": {"requests": {"cpu": cpu}}} | more

    spec = {
        "initContainers": [container("100m", restartPolicy="Always"), container("2"), container("500m")],
        "containers": [container("300m"), container("400m")],
        "overhead": {"cpu": "50m"},
    }
    assert pods.requests(spec) == {"cpu": 2150}
    spec["initContainers"].pop(1)
    assert pods.requests(spec) == {"cpu": 850}


def test_sampling_never_hides_a_node_of_a_small_site() -> None:
    assert decide.sample_size(6) == 6
    assert decide.sample_size(100) == 100
    assert decide.sample_size(1000) == 420
    assert decide.sample_size(100_000) == 5000


@settings(max_examples=60, deadline=None)
@given(
    nodes=st.lists(st.tuples(st.sampled_from(["east1", "east2", "west1"]), st.integers(0, 4000)), max_size=6),
    wanted=st.lists(st.tuples(st.integers(0, 2000), st.booleans(), st.booleans()), max_size=30),
)
def test_nothing_is_ever_overcommitted_or_skewed(
    nodes: list[tuple[str, int]], wanted: list[tuple[int, bool, bool]]
) -> None:
    site = Site()
    for number, (zone, cpu) in enumerate(nodes):
        site.node(f"n{number}", zone, cpu=f"{cpu}m", pods=5)
    zones = {zone for zone, _ in nodes}
    for cpu, constrained, gone in wanted:
        constraints = spread() if constrained else []
        new = make_pod(cpu=f"{cpu}m", labels=WEB if constrained else {}, topologySpreadConstraints=constraints)
        outcome = site.schedule(new)
        for node in site.state.nodes.values():
            assert sum(p.requests.get("cpu", 0) for p in node.pods.values()) == node.requested.get("cpu", 0)
            assert node.requested.get("cpu", 0) <= node.allocatable["cpu"]
            assert len(node.pods) <= 5
        if isinstance(outcome, str) and constrained:
            counts = Counter(dict.fromkeys(zones, 0))
            for node in site.state.nodes.values():
                counts[node.labels[ZONE]] += sum(p.labels == WEB for p in node.pods.values())
            assert counts[site.zone(outcome)] - min(counts.values()) <= 1
        if isinstance(outcome, Refusal) and not constrained:
            assert not any(not filters.resources(new, node) for node in site.state.nodes.values()), (
                "refused although a node had room"
            )
        if gone and not constrained and isinstance(outcome, str):
            site.state.remove(new.uid)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.booleans()), max_size=40))
def test_counts_kept_current_equal_counts_made_anew(steps: list[tuple[bool, int, bool]]) -> None:
    site = Site()
    site.three_centers()
    matching = Matching(WEB_SELECTOR, namespace="default")
    site.state.count(matching)
    site.state.count_by(matching, ZONE)
    placed: list[Any] = []
    names = list(site.state.nodes)
    for add, where, web in steps:
        if add or not placed:
            new = make_pod(labels=WEB if web else {})
            site.state.place(new, names[where])
            placed.append(new)
        else:
            site.state.remove(placed.pop(where % len(placed)).uid)
    expected = Counter(site.state.node_of(p.uid) for p in placed if p.labels == WEB)
    assert site.state.count(matching) == expected
    zones: Counter[str] = Counter()
    for name, number in expected.items():
        zones[site.zone(name)] += number
    assert site.state.count_by(matching, ZONE) == zones


def test_a_node_that_moves_takes_its_pods_along(site, pod) -> None:
    site.node("a", "east1")
    site.node("b", "east2")
    site.schedule(pod(labels=WEB, nodeSelector={HOSTNAME: "a"}, topologySpreadConstraints=spread(max_skew=5)))
    matching = Matching(WEB_SELECTOR, namespace="default")
    assert site.state.count_by(matching, ZONE) == {"east1": 1}
    site.node("a", "east2")
    assert site.state.count_by(matching, ZONE) == {"east2": 1}


def test_what_a_node_was_is_forgotten_when_it_changes(site, pod) -> None:
    site.node("a", cpu="1")
    assert isinstance(site.decide(pod(cpu="2")), Refusal)
    site.node("a", cpu="4")
    assert site.decide(pod(cpu="2")) == "a"
    site.node("a", cpu="4", unschedulable=True)
    assert isinstance(site.decide(pod(cpu="2")), Refusal)
