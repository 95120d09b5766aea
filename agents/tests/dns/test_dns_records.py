"""The names a Service gets, by the DNS specification 1.1.0."""

from typing import Any

import pytest

from tricenter.dns import records, zones
from tricenter.dns.records import Names

COMMON = Names(domain="cluster.local", ttl=5)


def service(name: str = "shop", **spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}, {"port": 81}]
    return {"metadata": {"namespace": "default", "name": name}, "spec": {"ports": ports, **spec}}


def slice_of(*endpoints: dict[str, Any]) -> dict[str, Any]:
    return {"ports": [{"name": "http", "port": 8080, "protocol": "TCP"}], "endpoints": list(endpoints)}


def lines(svc: dict[str, Any] | None, *slices: dict[str, Any]) -> set[str]:
    return {f"{r.name} {r.type} {r.data}" for r in records.of_service(svc, slices, COMMON)}


def test_a_cluster_address_has_a_name_a_reverse_name_and_its_named_ports() -> None:
    assert lines(service(clusterIP="10.96.0.20")) == {
        "shop.default.svc.cluster.local. A 10.96.0.20",
        "20.0.96.10.in-addr.arpa. PTR shop.default.svc.cluster.local.",
        "_http._tcp.shop.default.svc.cluster.local. SRV 0 100 80 shop.default.svc.cluster.local.",
    }


def test_headless_names_every_ready_pod_by_host_name_or_address() -> None:
    named = {"addresses": ["10.101.0.5"], "hostname": "db-0", "conditions": {"ready": True}}
    plain = {"addresses": ["10.102.0.6"], "conditions": {}}
    starting = {"addresses": ["10.103.0.7"], "conditions": {"ready": False}}
    assert lines(service("db", clusterIP="None"), slice_of(named, plain, starting)) == {
        "db.default.svc.cluster.local. A 10.101.0.5",
        "db.default.svc.cluster.local. A 10.102.0.6",
        "db-0.db.default.svc.cluster.local. A 10.101.0.5",
        "10-102-0-6.db.default.svc.cluster.local. A 10.102.0.6",
        "5.0.101.10.in-addr.arpa. PTR db-0.db.default.svc.cluster.local.",
        "6.0.102.10.in-addr.arpa. PTR 10-102-0-6.db.default.svc.cluster.local.",
        "_http._tcp.db.default.svc.cluster.local. SRV 0 100 8080 db-0.db.default.svc.cluster.local.",
        "_http._tcp.db.default.svc.cluster.local. SRV 0 100 8080 10-102-0-6.db.default.svc.cluster.local.",
    }


def test_an_external_name_is_an_alias() -> None:
    svc = service("out", type="ExternalName", externalName="www.Example.com")
    assert lines(svc) == {"out.default.svc.cluster.local. CNAME www.example.com."}


@pytest.mark.parametrize("name", ["", "192.0.2.1", "bad name", "a..b", 'x"; drop', f"{'a' * 64}.example.com"])
def test_an_external_name_that_is_no_name_gets_none(name: str) -> None:
    assert lines(service(type="ExternalName", externalName=name)) == set()


@pytest.mark.parametrize("address", ["10.96.0.20", "None"])
def test_a_port_whose_name_leaves_no_room_for_the_underscore_has_no_record_of_its_own(address: str) -> None:
    """`_` and 63 characters are no label: the rest of the Service, and all other Services, keep their names."""
    long, ports = "p" * 63, [{"name": "p" * 63, "port": 80}, {"name": "p" * 62, "port": 81}]
    slices = {"ports": ports, "endpoints": [{"addresses": ["10.101.0.5"], "conditions": {"ready": True}}]}
    found = lines(service(clusterIP=address, ports=ports), slices)
    assert not any(long in line for line in found)
    assert any(line.startswith(f"_{'p' * 62}._tcp.shop.") for line in found)
    assert any(line.startswith("shop.default.svc.cluster.local. A ") for line in found)


def test_a_service_without_cluster_address_yet_and_none_at_all_have_no_names() -> None:
    assert lines(None) == set()
    assert lines(service(clusterIP="", ports=[])) == set()


def test_only_ipv4_is_named() -> None:
    assert lines(service(clusterIP="fd00::1", clusterIPs=["fd00::1", "10.96.0.9"], ports=[])) == {
        "shop.default.svc.cluster.local. A 10.96.0.9",
        "9.0.96.10.in-addr.arpa. PTR shop.default.svc.cluster.local.",
    }


def test_a_name_is_in_the_zone_that_matches_longest() -> None:
    known = zones.all_zones("cluster.local", ("96.10.in-addr.arpa",))
    assert zones.zone_of("a.default.svc.cluster.local.", known) == "cluster.local."
    assert zones.zone_of("1-2-3-4.default.pod.cluster.local.", known) == "pod.cluster.local."
    assert zones.zone_of("1.0.96.10.in-addr.arpa.", known) == "96.10.in-addr.arpa."
    assert zones.zone_of("1.0.97.10.in-addr.arpa.", known) is None
    assert zones.zone_of("xcluster.local.", known) is None


def test_every_zone_has_a_name_server_and_the_scheme_its_version() -> None:
    known = zones.all_zones("cluster.local", ("96.10.in-addr.arpa",))
    found = zones.fixed(COMMON, known, "10.96.0.10")
    assert {r.name for r in found if r.type == "NS"} == set(known)
    assert [(r.name, r.data) for r in found if r.type == "TXT"] == [("dns-version.cluster.local.", '"1.1.0"')]


@pytest.mark.parametrize("port", [-1, 0, 65536])
def test_a_port_that_is_none_has_no_record_of_its_own(port: int) -> None:
    """The API takes any number in an EndpointSlice; Knot refuses it, and with it the changes of all other Services."""
    entries = {"ports": [{"name": "http", "port": port}], "endpoints": [{"addresses": ["10.101.0.5"]}]}
    found = lines(service("db", clusterIP="None"), entries)
    assert "db.default.svc.cluster.local. A 10.101.0.5" in found
    assert not any("SRV" in line for line in found)
