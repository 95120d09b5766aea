"""One test for each input that preflight rejects: the finding names the host, the value and the remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import inventory_under_test as given
import plugin_loader
import pytest

addresses = plugin_loader.load("filter/preflight_addresses.py")
layout = plugin_loader.load("filter/preflight_layout.py")
variables = plugin_loader.load("filter/preflight_variables.py")
machines = plugin_loader.load("filter/preflight_machines.py")

KNOWN = given.schema()["inventory_variables"]
OPTIONS = variables.role_options(str(given.ROOT / "roles"))


def findings(inventory: given.Inventory) -> list[dict[str, str]]:
    """What preflight finds in the inventory."""
    found = [
        *variables.variable_problems(
            inventory.machines, given.schema()["inventory_variables"], inventory.functions, OPTIONS
        ),
        *addresses.address_problems(inventory.machines),
        *layout.layout_problems(
            inventory.machines,
            inventory.functions,
            inventory.site["site_centers"],
            accept_risk=inventory.site["accept_quorum_risk"],
        ),
    ]
    assert all(problem["where"] and problem["what"] and problem["remedy"] for problem in found)
    return found


def texts(problems: list[dict[str, str]]) -> str:
    lines: list[str] = variables.problem_lines(problems)
    return "\n".join(lines)


@pytest.fixture
def inventory() -> given.Inventory:
    return given.replica()


def test_the_replica_is_accepted(inventory: given.Inventory) -> None:
    assert findings(inventory) == []
    assert variables.duplicate_names([str(given.REPLICA)]) == []


@pytest.mark.parametrize("name", ["machine_address", "ansible_host", "machine_asn"])
def test_a_duplicate_of_a_machines_own_value(inventory: given.Inventory, name: str) -> None:
    value = inventory.machines["east1-lb1"][name]
    inventory.machines["east1-lb2"][name] = value
    found = texts(findings(inventory))
    assert f"east1-lb2: {name} {value} is also {name} of east1-lb1" in found
    assert "give each machine its own" in found


def test_a_management_address_that_is_also_a_machine_address(inventory: given.Inventory) -> None:
    inventory.machines["east1-lb2"]["ansible_host"] = inventory.machines["east1-lb1"]["machine_address"]
    assert "ansible_host 10.1.1.11 is also machine_address of east1-lb1" in texts(findings(inventory))


def test_a_link_with_an_address_that_is_taken(inventory: given.Inventory) -> None:
    inventory.site["site_links"][0]["b_address"] = "10.1.0.0"
    assert "east1-tor1 on the link east1-core1-east1-tor1: address 10.1.0.0 is also" in texts(findings(inventory))


def test_a_name_given_to_two_machines(tmp_path: Path) -> None:
    files = given.copy_files(tmp_path, ("hosts.yml", "east2-lb1: {ansible_host", "east1-lb1: {ansible_host"))
    found = texts(variables.duplicate_names([str(files)]))
    assert "east1-lb1: the name is given to two machines, at hosts.yml:" in found
    assert "rename one of them" in found


def test_a_name_given_twice_in_one_place(tmp_path: Path) -> None:
    files = given.copy_files(tmp_path, ("hosts.yml", "east1-lb2: {ansible_host", "east1-lb1: {ansible_host"))
    assert "east1-lb1: the name is given twice" in texts(variables.duplicate_names([str(files)]))


@pytest.mark.parametrize(
    ("name", "value", "other"),
    [
        ("site_service_cidr", "10.101.0.0/16", "center_pod_cidr of east1"),
        ("site_snat_cidr", "203.0.113.0/25", "site_vip_cidrs"),
        ("site_management_cidr", "10.1.1.0/24", "rack_cidr of east1-r1"),
    ],
)
def test_ranges_that_overlap(inventory: given.Inventory, name: str, value: str, other: str) -> None:
    inventory.set_everywhere(name, value)
    found = texts(findings(inventory))
    assert "overlaps" in found
    assert name in found
    assert other in found
    assert "choose ranges that share no address" in found


def test_two_racks_with_one_range(inventory: given.Inventory) -> None:
    for machine in inventory.machines.values():
        if machine.get("rack_name") == "east2-r1":
            machine["rack_cidr"] = "10.1.1.0/24"
    assert "10.1.1.0/24 overlaps 10.1.1.0/24 (rack_cidr of east2-r1)" in texts(findings(inventory))


def test_an_address_outside_its_range(inventory: given.Inventory) -> None:
    inventory.machines["east1-cp1"]["machine_address"] = "10.1.3.31"
    assert "east1-cp1: machine_address 10.1.3.31 lies outside rack_cidr 10.1.2.0/24" in texts(findings(inventory))


def test_an_even_number_of_voters(inventory: given.Inventory) -> None:
    inventory.functions["etcd"].remove("east1-cp2")
    found = texts(findings(inventory))
    assert "group etcd: 4 voters (east1-cp1, east2-cp1, east2-cp2, west1-cp1): an even number" in found
    assert "add or remove one machine" in found


def test_a_center_whose_loss_breaks_the_quorum(inventory: given.Inventory) -> None:
    inventory.functions["etcd"] = ["east1-cp1", "east1-cp2", "west1-cp1"]
    found = texts(findings(inventory))
    assert "center east1: holds 2 of 3 etcd voters: its loss leaves 1, and 2 are needed" in found
    assert "accept_quorum_risk" in found


def test_the_risk_can_be_accepted(inventory: given.Inventory) -> None:
    inventory.functions["etcd"] = ["east1-cp1", "east1-cp2", "west1-cp1"]
    inventory.set_everywhere("accept_quorum_risk", value=True)
    assert findings(inventory) == []


def test_a_center_without_a_director(inventory: given.Inventory) -> None:
    inventory.remove("west1-lb1")
    found = texts(findings(inventory))
    assert "center west1: has no machine in group director" in found
    assert "add one to group director" in found


def test_a_center_without_a_node(inventory: given.Inventory) -> None:
    inventory.remove("west1-node1")
    assert "center west1: has no machine in group node: it cannot run pods" in texts(findings(inventory))


def test_an_ingress_node_out_of_a_directors_reach(inventory: given.Inventory) -> None:
    inventory.functions["ingress"].append("east1-node3")
    assert "east1-node3: is in group ingress, and its rack east1-r2 has no director" in texts(findings(inventory))


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("rack_gatway", "rack_gateway"), ("site_vip_cidr", "site_vip_cidrs"), ("cni_plugn", "cni_plugin")],
)
def test_a_misspelt_variable(inventory: given.Inventory, wrong: str, right: str) -> None:
    inventory.machines["east1-lb1"][wrong] = "x"
    assert f"east1-lb1: variable {wrong} is unknown. Remedy: did you mean {right}?" in texts(findings(inventory))


@pytest.mark.parametrize(
    ("name", "value"),
    [("machine_address", "10.1.1.300"), ("rack_cidr", "10.1.1.0"), ("machine_asn", "x"), ("accept_quorum_risk", "yes")],
)
def test_a_value_of_the_wrong_type(inventory: given.Inventory, name: str, value: str) -> None:
    inventory.machines["east1-lb1"][name] = value
    assert f"east1-lb1: {name} {value!r} is not of type" in texts(findings(inventory))


def test_a_variable_that_a_function_needs(inventory: given.Inventory) -> None:
    del inventory.machines["east1-lb1"]["machine_asn"]
    assert "east1-lb1: machine_asn is missing" in texts(findings(inventory))


def survey(**changes: Any) -> dict[str, Any]:
    system = {"os_id": "debian", "os_version": "13", "memory_mb": 2000, "disk_mb": 20000}
    return system | {"addresses": ["127.0.0.1", "10.1.1.11", "10.1.1.21", "10.1.2.31"]} | changes


def survey_findings(inventory: given.Inventory, **surveys: dict[str, Any]) -> str:
    known = given.schema()
    found = {host.replace("_", "-"): value for host, value in surveys.items()}
    limits = known["supported_systems"], known["machine_needs"]
    problems = machines.machine_problems(found, inventory.machines, *limits, inventory.functions)
    return texts(problems)


def test_good_machines_are_accepted(inventory: given.Inventory) -> None:
    assert survey_findings(inventory, east1_cp1=survey(), east1_lb1=survey(memory_mb=480, disk_mb=1500)) == ""


@pytest.mark.parametrize(("system", "version"), [("ubuntu", "24.04"), ("debian", "12")])
def test_an_unknown_operating_system(inventory: given.Inventory, system: str, version: str) -> None:
    found = survey_findings(inventory, east1_cp1=survey(os_id=system, os_version=version))
    assert f"east1-cp1: runs {system} {version}. Remedy: install one of: debian 13." in found


def test_too_little_memory(inventory: given.Inventory) -> None:
    found = survey_findings(inventory, east1_cp1=survey(memory_mb=512))
    assert "east1-cp1: has 512 MB of memory, control_plane needs 900 MB" in found


def test_too_little_disk(inventory: given.Inventory) -> None:
    found = survey_findings(inventory, east1_node1=survey(disk_mb=1000))
    assert "east1-node1: has 1000 MB of disk, node needs 4000 MB. Remedy: give it more disk" in found


def test_an_address_that_the_machine_does_not_have(inventory: given.Inventory) -> None:
    found = survey_findings(inventory, east1_lb1=survey(addresses=["127.0.0.1", "198.18.0.11"]))
    said = "machine_address 10.1.1.11 is on none of its interfaces, which have 127.0.0.1, 198.18.0.11. Remedy: set up"
    assert f"east1-lb1: {said}" in found


def test_the_survived_losses_in_words(inventory: given.Inventory) -> None:
    lines = layout.survival(inventory.machines, inventory.functions["etcd"])
    assert lines[0] == "5 etcd voters, 3 must agree."
    for center, left in (("east1", 3), ("east2", 3), ("west1", 4)):
        assert f"Loss of center {center}: {left} voters are left: the site goes on, nothing is lost." in lines
    (east,) = [line for line in lines if line.startswith("Loss of location east:")]
    assert "1 of 5 voters are left" in east
    assert "writes stop until an operator decides" in east


def test_the_playbook_reports_everything_at_once(tmp_path: Path) -> None:
    files = given.copy_files(
        tmp_path,
        ("hosts.yml", "machine_address: 10.1.1.12", "machine_address: 10.1.1.11"),
        ("hosts.yml", "rack_gateway: 10.2.2.1", "rack_gatway: 10.2.2.1"),
        ("hosts.yml", ", west1-cp1: {}}", "}"),
        ("group_vars/all/site.yml", "site_service_cidr: .*", "site_service_cidr: 10.101.0.0/16"),
    )
    result = given.run_preflight(files, tmp_path)
    printed = " ".join(result.stdout.split())
    assert result.returncode != 0
    for part in ("10.1.1.11 is also", "did you mean rack_gateway?", "4 voters", "overlaps"):
        assert part in printed, printed
    assert not list(tmp_path.glob("pki*"))


def test_the_playbook_accepts_the_replica_with_every_machine_down(tmp_path: Path) -> None:
    result = given.run_preflight(given.REPLICA, tmp_path)
    printed = " ".join(result.stdout.split())
    assert "Loss of center east1: 3 voters are left" in printed, printed + result.stderr
    assert "no answer. The run goes on without" in printed
    assert "localhost : ok=4" in printed


@pytest.mark.parametrize("name", ["vagrant", "metal"])
def test_the_other_inventories_follow_the_same_schema(name: str) -> None:
    inventory = given.load(given.ROOT / "inventories" / name)
    assert findings(inventory) == []
    assert variables.duplicate_names([str(given.ROOT / "inventories" / name)]) == []
    assert len({machine["center_name"] for machine in inventory.machines.values() if "center_name" in machine}) == 3
    assert len({machine["location_name"] for machine in inventory.machines.values() if "center_name" in machine}) == 2
