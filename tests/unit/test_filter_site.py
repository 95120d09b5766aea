"""Facts that follow from the inventory, and the table of certificates."""

from __future__ import annotations

import ipaddress
from typing import Any

import plugin_loader
import pytest
from hypothesis import given
from hypothesis import strategies as st

site = plugin_loader.load("filter/site.py")
certificates = plugin_loader.load("filter/certificates.py")


def machine(location: str, center: str, rack: str, address: str, **more: Any) -> dict[str, Any]:
    place = {"location_name": location, "center_name": center, "rack_name": rack, "machine_address": address}
    settings = {
        "site_service_cidr": "10.96.0.0/16",
        "site_cluster_domain": "cluster.local",
        "site_api_address": "10.0.0.1",
        "site_api_port": 6443,
        "site_links": [{"a": "core", "a_address": "10.1.0.0", "b": "tor", "b_address": "10.1.0.1"}],
        "center_pod_cidr": f"10.10{address.split('.')[1]}.0.0/16",
    }
    return place | settings | more


HOSTVARS: dict[str, dict[str, Any]] = {
    "west1-a": machine("west", "west1", "west1-r1", "10.3.1.1"),
    "east2-a": machine("east", "east2", "east2-r1", "10.2.1.1"),
    "east1-b": machine("east", "east1", "east1-r2", "10.1.2.1"),
    "east1-c": machine("east", "east1", "east1-r1", "10.1.1.2"),
    "east1-a": machine("east", "east1", "east1-r1", "10.1.1.1", ansible_host="198.18.0.1"),
    "core": {
        "center_name": "east1",
        "site_links": [{"a": "core", "a_address": "10.1.0.0", "b": "x", "b_address": "1"}],
    },
}
SERVERS = [host for host in HOSTVARS if host != "core"]


def test_the_nearest_machine_comes_first() -> None:
    ordered = site.nearest_first(SERVERS, HOSTVARS, "east1-a")
    assert ordered == ["east1-a", "east1-c", "east1-b", "east2-a", "west1-a"]


@given(st.permutations(SERVERS), st.sampled_from(SERVERS))
def test_nearest_first_only_changes_the_order(hosts: list[str], host: str) -> None:
    ordered = site.nearest_first(hosts, HOSTVARS, host)
    assert sorted(ordered) == sorted(hosts)
    assert ordered[0] == host


def test_a_router_is_known_by_the_address_of_its_first_link() -> None:
    assert site.site_addresses(HOSTVARS, ["east1-a", "core"]) == {"east1-a": "10.1.1.1", "core": "10.1.0.0"}


def test_urls_and_endpoints() -> None:
    assert site.machine_urls(["east1-a"], HOSTVARS, 5000) == ["https://10.1.1.1:5000"]
    assert site.endpoints(["east1-a", "west1-a"], HOSTVARS, 2379) == ["10.1.1.1:2379", "10.3.1.1:2379"]
    assert site.host_urls(["east1-a"], HOSTVARS, "ansible_host") == {"east1-a": "https://198.18.0.1:6443"}
    assert site.etcd_members(["east1-a"], HOSTVARS) == [{"name": "east1-a", "address": "10.1.1.1"}]


def test_values_by_place() -> None:
    assert site.center_values(HOSTVARS, ["east1", "west1", "north"], "center_pod_cidr") == {
        "east1": "10.101.0.0/16",
        "west1": "10.103.0.0/16",
    }
    assert site.with_value(SERVERS, HOSTVARS, "rack_name", "east1-r1") == ["east1-c", "east1-a"]
    assert site.node_labels(HOSTVARS["east2-a"]) == {
        "topology.kubernetes.io/region": "east",
        "topology.kubernetes.io/zone": "east2",
        "topology.tricenter.io/rack": "east2-r1",
    }


def plan() -> dict[str, dict[str, Any]]:
    rows = certificates.certificate_plan(
        HOSTVARS,
        etcd=["east1-a"],
        control_plane=["east1-a"],
        node=["east1-b"],
        ingress=["east1-b"],
        director=["east1-c"],
        registry=["east1-a"],
    )
    return {row["path"]: row for row in rows}


@pytest.mark.parametrize(
    ("path", "authority", "common_name", "organization"),
    [
        ("local/admin", "api", "kubernetes-admin", "system:masters"),
        ("hosts/east1-a/apiserver-kubelet-client", "api", "kube-apiserver-kubelet-client", "system:masters"),
        ("hosts/east1-a/apiserver-etcd-client", "etcd", "kube-apiserver", ""),
        ("hosts/east1-a/front-proxy-client", "front-proxy", "front-proxy-client", ""),
        ("hosts/east1-a/controllers", "api", "system:kube-controller-manager", ""),
        ("hosts/east1-a/scheduler", "api", "system:kube-scheduler", ""),
        ("hosts/east1-a/registry", "registry", "east1-a", ""),
        ("hosts/east1-b/kubelet", "api", "system:node:east1-b", "system:nodes"),
        ("hosts/east1-b/proxy", "api", "system:kube-proxy", ""),
        ("hosts/east1-b/containerd", "registry", "east1-b", ""),
        ("hosts/east1-b/ingress", "api", "system:tricenter:ingress", ""),
        ("hosts/east1-c/balancer", "api", "system:tricenter:balancer", ""),
    ],
)
def test_subjects_are_those_that_kubernetes_expects(
    path: str, authority: str, common_name: str, organization: str
) -> None:
    row = plan()[path]
    assert (row["authority"], row["common_name"], row["organization"]) == (authority, common_name, organization)


def test_the_api_server_is_reached_under_all_its_names() -> None:
    sans = plan()["hosts/east1-a/apiserver"]["sans"]
    assert {
        "kubernetes",
        "kubernetes.default.svc.cluster.local",
        "10.96.0.1",
        "10.0.0.1",
        "10.1.1.1",
        "198.18.0.1",
    } <= {*sans}
    assert len(sans) == len(set(sans))


def test_a_certificate_that_serves_says_where() -> None:
    for row in plan().values():
        assert bool(row["sans"]) is ("server" in row["usages"]), row["path"]
        for name in row["sans"]:
            assert name.replace(".", "").isdigit() is False or ipaddress.ip_address(name)


def test_paths_are_unique() -> None:
    rows = certificates.certificate_plan(HOSTVARS, etcd=SERVERS, control_plane=SERVERS, node=SERVERS)
    assert len({row["path"] for row in rows}) == len(rows)


def test_an_unknown_function_is_refused() -> None:
    with pytest.raises(ValueError, match="no function nodes"):
        certificates.certificate_plan(HOSTVARS, nodes=[])


def test_keys_are_placed_secretly_and_trust_holds_one_authority_each() -> None:
    entries = certificates.certificate_entries(["proxy"], "/pki", "east1-a", "/etc/pki", private=True, public=True)
    placed = {entry["dest"]: entry for entry in entries}
    for key in ("/etc/pki/proxy.key", "/etc/pki/sa.key"):
        assert placed[key]["mode"] == "0600"
        assert placed[key]["secret"]
    assert placed["/etc/pki/ca.crt"]["src"] == "/pki/ca/api.crt"
    assert placed["/etc/pki/etcd-ca.crt"]["src"] == "/pki/ca/etcd.crt"
    assert "/etc/pki/sa.pub" in placed
