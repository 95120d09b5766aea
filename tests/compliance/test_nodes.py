"""Nodes are registered as the inventory places them."""

from __future__ import annotations

import ipaddress
from typing import Any


def test_every_node_is_ready_and_placed(site: Any, kubectl: Any) -> None:
    nodes = {node["metadata"]["name"]: node for node in kubectl.json("get", "nodes")["items"]}
    assert set(nodes) == {machine.name for machine in site.group("node")}
    for machine in site.group("node"):
        node = nodes[machine.name]
        labels = node["metadata"]["labels"]
        assert labels["topology.kubernetes.io/region"] == machine["location_name"]
        assert labels["topology.kubernetes.io/zone"] == machine["center_name"]
        assert labels["topology.tricenter.io/rack"] == machine["rack_name"]
        conditions = {c["type"]: c["status"] for c in node["status"]["conditions"]}
        assert conditions["Ready"] == "True", f"{machine}: {conditions}"
        addresses = {a["type"]: a["address"] for a in node["status"]["addresses"]}
        assert addresses["InternalIP"] == machine["machine_address"]


def test_pod_ranges_follow_the_center_and_do_not_overlap(site: Any, kubectl: Any) -> None:
    ranges = {}
    for node in kubectl.json("get", "nodes")["items"]:
        cidr = ipaddress.ip_network(node["spec"]["podCIDR"])
        machine = site.machines[node["metadata"]["name"]]
        assert cidr.subnet_of(ipaddress.ip_network(machine["center_pod_cidr"])), f"{machine} has {cidr}"
        ranges[machine.name] = cidr
    assert len(set(ranges.values())) == len(ranges)


def test_kubectl_shows_nodes_as_people_know_them(site: Any, kubectl: Any) -> None:
    lines = kubectl("get", "nodes", "--output=wide").splitlines()
    assert lines[0].split()[:5] == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert len(lines) == 1 + len(site.group("node"))
