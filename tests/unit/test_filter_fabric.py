"""Sessions of the fabric, derived from links and racks."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

SOURCE = Path(__file__).parents[2] / "plugins" / "filter" / "fabric.py"
_spec = importlib.util.spec_from_file_location("filter_fabric", SOURCE)
assert _spec is not None
assert _spec.loader is not None
fabric = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fabric)

RACK = {"rack_name": "c1-r1", "rack_gateway": "10.1.1.1"}
HOSTVARS: dict[str, dict[str, Any]] = {
    "core": {"center_name": "c1", "machine_asn": 1},
    "other": {"center_name": "c2", "machine_asn": 2},
    "isp": {"machine_asn": 3},
    "tor": {"center_name": "c1", "machine_asn": 4, "machine_address": "10.1.1.1", **RACK},
    "lb": {"center_name": "c1", "machine_asn": 5, "machine_address": "10.1.1.11", **RACK},
    "node": {"center_name": "c1", "machine_asn": 6, "machine_address": "10.1.1.21", **RACK},
    "far": {"center_name": "c1", "machine_asn": 7, "machine_address": "10.1.2.21", "rack_name": "c1-r2"},
}
LINKS = [
    {"a": "core", "a_address": "10.1.0.0", "b": "tor", "b_address": "10.1.0.1"},
    {"a": "core", "a_address": "10.0.1.0", "b": "other", "b_address": "10.0.1.1"},
    {"a": "isp", "a_address": "100.64.1.0", "b": "core", "b_address": "100.64.1.1"},
]


def test_what_a_neighbour_is_follows_from_where_it_stands() -> None:
    found = {peer["name"]: (peer["kind"], peer["address"]) for peer in fabric.link_peers("core", HOSTVARS, LINKS)}
    assert found == {
        "tor": ("fabric", "10.1.0.1"),
        "other": ("center", "10.0.1.1"),
        "isp": ("internet", "100.64.1.0"),
    }
    assert [peer["kind"] for peer in fabric.link_peers("isp", HOSTVARS, LINKS)] == ["site"]


def test_links_to_the_internet_are_not_announced() -> None:
    assert fabric.link_interfaces(fabric.link_peers("core", HOSTVARS, LINKS)) == ["tor", "other"]


def test_switch_peers_with_the_servers_of_its_rack_and_knows_what_each_may_announce() -> None:
    announcers = {"pods": ["node", "far"], "anycast": [], "vips": ["lb"]}
    found = fabric.server_peers("tor", HOSTVARS, ["lb", "node", "far"], announcers)
    assert {peer["name"]: peer["announces"] for peer in found} == {"lb": ["vips"], "node": ["pods"]}
    assert fabric.server_peers("core", HOSTVARS, ["lb", "node"], announcers) == []


def test_server_peers_with_its_gateway_or_with_what_the_inventory_names() -> None:
    [peer] = fabric.rack_peers("node", HOSTVARS, ["core", "tor"])
    assert (peer["name"], peer["address"], peer["asn"], peer["kind"]) == ("tor", "10.1.1.1", 4, "rack")
    own = {**HOSTVARS, "node": HOSTVARS["node"] | {"rack_peers": [{"name": "sw", "address": "10.1.1.2", "asn": 9}]}}
    assert [peer["name"] for peer in fabric.rack_peers("node", own, [])] == ["sw"]


def test_server_without_a_neighbour_is_refused_with_the_remedy() -> None:
    with pytest.raises(AnsibleFilterError, match=r"node: no BGP neighbour; give rack_peers for rack c1-r1"):
        fabric.rack_peers("node", HOSTVARS, [])


def test_addresses_of_a_rack() -> None:
    assert fabric.rack_addresses(["node", "far"], HOSTVARS, "c1-r1") == ["10.1.1.21"]
