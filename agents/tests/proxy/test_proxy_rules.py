"""Which addresses lead where: the promises of a Service to its users."""

from typing import Any

import pytest

from tricenter.proxy import endpoints, rules, services, state, table
from tricenter.proxy.endpoints import Place

HERE = Place(node="east1-node1", zone="east1")


def service(**spec: Any) -> dict[str, Any]:
    spec = {"clusterIP": "10.96.0.20", "ports": [{"name": "http", "port": 80, "protocol": "TCP"}], **spec}
    status = spec.pop("status", {})
    return {"metadata": {"namespace": "default", "name": "shop"}, "spec": spec, "status": status}


def endpoint(address: str, node: str = "east1-node1", zone: str = "east1", **more: Any) -> dict[str, Any]:
    return {"addresses": [address], "nodeName": node, "zone": zone, **more}


def slice_of(*entries: dict[str, Any], port: int = 8080) -> dict[str, Any]:
    ports = [{"name": "http", "port": port, "protocol": "TCP"}]
    return {"metadata": {}, "addressType": "IPv4", "ports": ports, "endpoints": list(entries)}


LOCAL = endpoint("10.101.0.5")
REMOTE = endpoint("10.103.0.6", node="west1-node1", zone="west1")


def state_of(svc: dict[str, Any], *entries: dict[str, Any], place: Place = HERE) -> state.ServiceState:
    return state.service_state(svc, [slice_of(*entries)], place)


def target(found: state.ServiceState, address: str, port: int = 80) -> str | None:
    return found.fragment.elements[table.SERVICE_IPS, (address, "tcp", port)]


def test_cluster_address_leads_to_all_endpoints() -> None:
    found = state_of(service(), LOCAL, REMOTE)
    assert target(found, "10.96.0.20") == "service/default/shop/tcp/80"
    text = str(found.fragment.chains["service/default/shop/tcp/80"])
    assert "10.101.0.5" in text
    assert "10.103.0.6" in text


def test_service_without_endpoints_is_refused() -> None:
    found = state_of(service())
    assert target(found, "10.96.0.20") == table.REJECT
    assert not found.fragment.chains


def test_headless_external_name_and_foreign_services_are_not_served() -> None:
    other = service()
    other["metadata"]["labels"] = {services.PROXY_NAME_LABEL: "cilium"}
    for svc in (service(clusterIP="None"), service(type="ExternalName", clusterIP=""), other, None):
        assert state.service_state(svc, [slice_of(LOCAL)], HERE) == state.NOTHING


def test_node_port_asks_for_masquerading_unless_the_source_is_a_pod_of_this_node() -> None:
    svc = service(type="NodePort", ports=[{"name": "http", "port": 80, "nodePort": 30080}])
    found = state_of(svc, REMOTE)
    assert found.fragment.elements[table.NODE_PORTS, ("tcp", 30080)] == "external/default/shop/tcp/80"
    first = found.fragment.chains["external/default/shop/tcp/80"][0]
    assert first == (table.match(table.ip("saddr"), "@local-pods", "!="), table.mark())


def test_external_policy_local_keeps_to_this_node_and_drops_without_endpoint() -> None:
    svc = service(
        type="LoadBalancer",
        externalTrafficPolicy="Local",
        status={"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}},
    )
    with_local = state_of(svc, LOCAL, REMOTE)
    assert target(with_local, "203.0.113.7") == "external/default/shop/tcp/80"
    assert with_local.fragment.chains["external/default/shop/tcp/80"][-1] == (table.goto("local/default/shop/tcp/80"),)
    assert "10.103.0.6" not in str(with_local.fragment.chains["local/default/shop/tcp/80"])
    without = state_of(svc, REMOTE)
    assert without.fragment.chains["external/default/shop/tcp/80"][-1] == ({"drop": None},)
    assert target(without, "10.96.0.20") == "service/default/shop/tcp/80"


def test_internal_policy_local_drops_when_only_others_have_endpoints() -> None:
    svc = service(internalTrafficPolicy="Local")
    assert target(state_of(svc, LOCAL, REMOTE), "10.96.0.20") == "local/default/shop/tcp/80"
    assert target(state_of(svc, REMOTE), "10.96.0.20") == rules.DROP


def test_source_ranges_stand_before_the_balanced_address_only() -> None:
    svc = service(
        type="LoadBalancer",
        loadBalancerSourceRanges=["10.0.0.0/8", "10.1.0.0/16", "192.0.2.7/32"],
        externalIPs=["198.51.100.9"],
        status={"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}, {"ip": "203.0.113.8", "ipMode": "Proxy"}]}},
    )
    found = state_of(svc, LOCAL)
    assert target(found, "203.0.113.7") == "firewall/default/shop/tcp/80"
    assert target(found, "198.51.100.9") == "external/default/shop/tcp/80"
    assert (table.SERVICE_IPS, ("203.0.113.8", "tcp", 80)) not in found.fragment.elements
    ranges = found.fragment.chains["firewall/default/shop/tcp/80"][0][0]["match"]["right"]["set"]
    assert ranges == [table.prefix("10.0.0.0/8"), table.prefix("192.0.2.7/32")]


def test_affinity_remembers_the_client_for_the_time_asked() -> None:
    svc = service(sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 60}})
    found = state_of(svc, LOCAL, REMOTE)
    assert set(found.fragment.timed_sets.values()) == {60}
    assert len([name for name in found.fragment.chains if name.startswith("endpoint/")]) == 2
    assert len(found.fragment.chains["service/default/shop/tcp/80"]) == 3


def test_only_own_endpoints_are_hairpins() -> None:
    hairpins = [key for name, key in state_of(service(), LOCAL, REMOTE).fragment.elements if name == table.HAIRPIN]
    assert hairpins == [("10.101.0.5", "10.101.0.5")]


def test_draining_endpoints_serve_only_when_nobody_is_ready() -> None:
    draining = endpoint("10.101.0.7", conditions={"ready": False, "serving": True, "terminating": True})
    dead = endpoint("10.101.0.8", conditions={"ready": False, "serving": False, "terminating": True})
    assert "10.101.0.7" not in str(state_of(service(), LOCAL, draining).fragment.chains)
    alone = str(state_of(service(), draining, dead).fragment.chains)
    assert "10.101.0.7" in alone
    assert "10.101.0.8" not in alone


@pytest.mark.parametrize(
    ("spec", "hints", "expected"),
    [
        ({}, {}, {"10.101.0.5", "10.103.0.6"}),
        ({"trafficDistribution": "PreferClose"}, {}, {"10.101.0.5"}),
        ({}, {"hints": {"forZones": [{"name": "east1"}]}}, {"10.101.0.5", "10.103.0.6"}),
        ({"trafficDistribution": "PreferClose"}, {"hints": {"forZones": [{"name": "east1"}]}}, {"10.101.0.5"}),
    ],
)
def test_own_center_first(spec: dict[str, Any], hints: dict[str, Any], expected: set[str]) -> None:
    """Hints count when all endpoints have them: here only the local one has."""
    port = services.service_ports(service(**spec))[0]
    known = endpoints.of_port([slice_of({**LOCAL, **hints}, REMOTE)], port)
    assert {point.address for point in endpoints.choose(known, port, HERE).cluster} == expected


def test_complete_hints_decide() -> None:
    port = services.service_ports(service())[0]
    east = {"hints": {"forZones": [{"name": "east1"}, {"name": "east2"}]}}
    west = {"hints": {"forZones": [{"name": "west1"}]}}
    known = endpoints.of_port([slice_of({**LOCAL, **east}, {**REMOTE, **west})], port)
    assert [point.address for point in endpoints.choose(known, port, HERE).cluster] == ["10.101.0.5"]
    elsewhere = Place(node="x", zone="east3")
    assert len(endpoints.choose(known, port, elsewhere).cluster) == 2


def test_an_own_center_without_endpoints_uses_the_others() -> None:
    port = services.service_ports(service(trafficDistribution="PreferClose"))[0]
    known = endpoints.of_port([slice_of(REMOTE)], port)
    assert len(endpoints.choose(known, port, HERE).cluster) == 1


def test_an_address_in_two_slices_counts_once_and_ready_wins() -> None:
    port = services.service_ports(service())[0]
    not_ready = endpoint("10.101.0.5", conditions={"ready": False})
    assert [p.ready for p in endpoints.of_port([slice_of(not_ready), slice_of(LOCAL)], port)] == [True]


def test_many_endpoints_become_one_map() -> None:
    many = [endpoint(f"10.101.0.{number}") for number in range(2, 2 + rules.INLINE + 1)]
    chain = state_of(service(), *many).fragment.chains["service/default/shop/tcp/80"]
    assert len(chain) == 1
    assert len(chain[0][1]["dnat"]["addr"]["map"]["data"]["set"]) == rules.INLINE + 1


def test_each_of_few_endpoints_gets_the_same_share() -> None:
    few = [endpoint(f"10.101.0.{number}") for number in range(2, 7)]
    chain = state_of(service(), *few).fragment.chains["service/default/shop/tcp/80"]
    left, shares = 1.0, []
    for expressions in chain:
        chance = expressions[0]["match"]["left"].get("numgen", {"mod": 1})["mod"]
        shares.append(left / chance)
        left -= left / chance
    assert shares == pytest.approx([0.2] * 5)


@pytest.mark.parametrize("port", [-1, 0, 65536, 2**31 - 1])
def test_an_endpoint_slice_whose_port_is_none_has_no_endpoints(port: int) -> None:
    """The API takes any number; nft refuses it, and with it the changes of all other Services."""
    found = state.service_state(service(), [slice_of(LOCAL, port=port)], HERE)
    assert target(found, "10.96.0.20") == table.REJECT
    assert not found.fragment.chains


def test_a_hint_without_a_name_is_no_hint_of_ours() -> None:
    entry = endpoint("10.101.0.5", hints={"forZones": [{}]})
    assert target(state_of(service(), entry), "10.96.0.20") == "service/default/shop/tcp/80"
