"""The inventory becomes machines and cables."""

from __future__ import annotations

import ipaddress
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricenter_replica import files, plan, wiring

MANAGEMENT = "198.18.0.0/24"
LINK = {"a": "core", "a_address": "10.1.0.0", "b": "tor", "b_address": "10.1.0.1", "rtt_ms": 30}


def hosts(servers: int = 2) -> dict[str, dict[str, object]]:
    """A core, a switch and servers in its rack."""
    rack = {"rack_name": "r1", "rack_cidr": "10.1.1.0/24", "rack_gateway": "10.1.1.1"}
    found: dict[str, dict[str, object]] = {
        "core": {"ansible_host": "198.18.0.2"},
        "tor": {"ansible_host": "198.18.0.3", "machine_address": "10.1.1.1", **rack},
    }
    for index in range(servers):
        found[f"server{index}"] = {
            "ansible_host": f"198.18.0.{10 + index}",
            "machine_address": f"10.1.1.{10 + index}",
            "machine_interface": "eth0",
            **rack,
        }
    return found


def test_a_server_is_plugged_into_the_switch_of_its_rack() -> None:
    site = plan.site(hosts(), [LINK], MANAGEMENT)
    ends = {(cable.a.machine, cable.a.interface, cable.b.machine, cable.b.interface) for cable in site.cables}
    assert ("server0", "eth0", "tor", "server0") in ends
    server = site.machine("server0")
    assert [(i.name, i.addresses, i.gateway) for i in server.interfaces] == [
        ("eth0", ("10.1.1.10/24",), "10.1.1.1"),  # first, as the kernel names the first card
        ("mgmt0", ("198.18.0.10/24",), None),
    ]


def test_a_switch_bridges_its_rack_and_owns_the_gateway() -> None:
    switch = plan.site(hosts(), [LINK], MANAGEMENT).machine("tor")
    assert switch.bridges == (("rack", "10.1.1.1/24"),)
    assert {i.name: i.bridge for i in switch.interfaces} == {
        "mgmt0": None,
        "core": None,
        "server0": "rack",
        "server1": "rack",
    }


def test_a_router_port_is_named_after_its_peer() -> None:
    core = plan.site(hosts(), [LINK], MANAGEMENT).machine("core")
    assert [(i.name, i.addresses) for i in core.interfaces][:-1] == [("tor", ("10.1.0.0/31",))]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"core": {"ansible_host": "10.0.0.1"}}, "outside site_management_cidr"),
        ({"a-name-that-no-port-bears": {"ansible_host": "198.18.0.9"}}, "choose a shorter"),
    ],
)
def test_what_cannot_be_built_is_refused_in_words(change: dict[str, dict[str, object]], says: str) -> None:
    with pytest.raises(plan.PlanError, match=says):
        plan.site({**hosts(), **change}, [LINK], MANAGEMENT)


def test_a_link_to_nobody_is_refused() -> None:
    with pytest.raises(plan.PlanError, match="nobody is not a host"):
        plan.site(hosts(), [{**LINK, "b": "nobody"}], MANAGEMENT)


@given(servers=st.integers(0, 40), virtual=st.sets(st.sampled_from(["server0", "server1", "tor", "core"])))
def test_wiring_names_no_port_twice_and_connects_every_interface(servers: int, virtual: set[str]) -> None:
    site = plan.site(hosts(servers), [LINK], MANAGEMENT)
    made = wiring.wire(site, virtual & {m.name for m in site.machines}, has_netem=False)
    ports = [(port.namespace, port.name) for pair in made.pairs for port in (pair.a, pair.b)]
    assert len(ports) == len(set(ports))
    interfaces = sum(len(machine.interfaces) for machine in site.machines)
    ends_at_machines = [place for place, _ in ports if place not in (wiring.HOST, "tri-mgmt", "tri-links")]
    assert len(ends_at_machines) == interfaces
    assert all(len(name) <= plan.LONGEST_NAME for _, name in ports)
    assert {place for place, _ in ports} <= {wiring.HOST, *made.namespaces}


def test_only_the_management_network_reaches_the_host() -> None:
    made = wiring.wire(plan.site(hosts(), [LINK], MANAGEMENT), (), has_netem=True)
    on_host = [port for pair in made.pairs for port in (pair.a, pair.b) if port.namespace == wiring.HOST]
    assert [(port.name, port.address) for port in on_host] == [("tri-mgmt", "198.18.0.1/24")]


def test_delay_is_half_the_round_trip_each_way() -> None:
    made = wiring.wire(plan.site(hosts(), [LINK], MANAGEMENT), (), has_netem=True)
    assert [port.delay_ms for pair in made.pairs for port in (pair.a, pair.b) if port.delay_ms] == [15, 15]


def test_without_netem_a_delayed_cable_passes_through_the_links_machine() -> None:
    site = plan.site(hosts(), [LINK], MANAGEMENT)
    made = wiring.wire(site, (), has_netem=False)
    assert [tap.name for tap in made.taps if tap.namespace == "tri-links"] == ["tap0", "tap1"]
    assert [(end.machine, end.interface) for end in wiring.link_ends(site)] == [("core", "tor"), ("tor", "core")]


names = st.text(string.ascii_lowercase, min_size=1, max_size=8)


@given(machine=names, interface=names)
def test_a_mac_is_stable_unicast_and_local(machine: str, interface: str) -> None:
    first = int(plan.mac(machine, interface).split(":")[0], 16)
    assert first & 0b11 == 0b10
    assert plan.mac(machine, interface) == plan.mac(machine, interface)


def test_the_gateway_is_behind_what_bird_learns() -> None:
    machine = plan.site(hosts(), [LINK], MANAGEMENT).machine("server0")
    made = files.machine_files(machine, virtual=False, cgroup_v1=False, authorized_key="k", host_key="h")
    assert "Gateway=10.1.1.1\nMetric=1024" in made["etc/systemd/network/10-eth0.network"].content
    assert made["etc/ssh/ssh_host_ed25519_key"].mode == 0o600
    assert "etc/systemd/network/10-eth0.link" not in made


def test_a_virtual_machine_names_its_interfaces_by_mac() -> None:
    machine = plan.site(hosts(), [LINK], MANAGEMENT).machine("server0")
    made = files.machine_files(machine, virtual=True, cgroup_v1=True, authorized_key="k", host_key="h")
    assert machine.interfaces[0].mac in made["etc/systemd/network/10-eth0.link"].content
    assert not [path for path in made if "cgroups" in path]


@given(prefix=st.integers(20, 28))
def test_the_host_has_the_first_management_address(prefix: int) -> None:
    network = ipaddress.ip_network(f"198.18.0.0/{prefix}")
    assert plan.Site(machines=(), cables=(), management=str(network)).host_address == f"198.18.0.1/{prefix}"
