"""From Services and Nodes to virtual servers, and to keepalived's file."""

import dataclasses
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tricenter.balancer import announcements, desired, model, rendering
from tricenter.balancer.config import Config, IngressConfig
from tricenter.runtime.config import ApiConfig, build

GOLDEN = Path(__file__).parent / "keepalived.golden.conf"
API = ApiConfig(server="https://10.0.0.1:6443", ca=Path("ca"), cert=Path("cert"), key=Path("key"))
CONFIG = Config(
    api=API,
    director_name="east1-lb1",
    center_name="east1",
    rack_name="east1-r1",
    vip_cidrs=("203.0.113.0/24",),
    ingress=IngressConfig(address="203.0.113.10", machines=("10.1.1.22", "10.1.1.21")),
)


def node(name: str, address: str, *, rack: str = "east1-r1", ready: str = "True", **labels: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {desired.ZONE_LABEL: "east1", desired.RACK_LABEL: rack, **labels}},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "conditions": [{"type": "Ready", "status": ready}],
        },
    }


def service(name: str, address: str, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "default", "name": name, "creationTimestamp": name},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30080}], **spec},
        "status": {"loadBalancer": {"ingress": [{"ip": address}]}},
    }


NODES = [node("east1-node2", "10.1.1.22"), node("east1-node1", "10.1.1.21")]


def test_forwards_to_ready_nodes_of_the_rack_in_the_order_of_their_addresses() -> None:
    nodes = [
        *NODES,
        node("gone", "10.1.1.23", ready="Unknown"),
        node("elsewhere", "10.1.2.23", rack="east1-r2"),
        node("left-out", "10.1.1.24", **{desired.EXCLUDED_LABEL: ""}),
        node("third", "10.1.1.9"),
    ]
    [server] = desired.service_servers(CONFIG, [service("shop", "203.0.113.11")], nodes)
    assert server.machines == ("10.1.1.9", "10.1.1.21", "10.1.1.22")
    assert (server.address, server.port, server.protocol, server.health_port) == ("203.0.113.11", 80, "TCP", 10256)


def test_local_service_is_checked_at_its_own_health_port() -> None:
    local = service("shop", "203.0.113.11", externalTrafficPolicy="Local", healthCheckNodePort=31000)
    [server] = desired.service_servers(CONFIG, [local], NODES)
    assert server.health_port == 31000


def test_every_port_and_protocol_is_forwarded() -> None:
    dns = service("dns", "203.0.113.12", ports=[{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}])
    found = desired.service_servers(CONFIG, [dns], NODES)
    assert [server.key for server in found] == ["tcp-53", "udp-53"]


@pytest.mark.parametrize(
    "odd",
    [
        service("a", "192.0.2.1"),
        service("a", "203.0.113.10"),
        service("a", "203.0.113.11", type="ClusterIP"),
        service("a", "203.0.113.11", loadBalancerClass="example.com/other"),
    ],
)
def test_does_not_forward_what_is_not_ours(odd: dict[str, Any]) -> None:
    assert desired.service_servers(CONFIG, [odd], NODES) == ()


def test_address_that_two_claim_is_the_older_ones_alone() -> None:
    first = service("a", "203.0.113.11")
    second = service("b", "203.0.113.11", ports=[{"port": 443}])
    assert [server.purpose for server in desired.service_servers(CONFIG, [second, first], NODES)] == ["default/a"]


def test_no_node_no_virtual_server() -> None:
    assert desired.service_servers(CONFIG, [service("a", "203.0.113.11")], []) == ()


def test_rack_without_ingress_machine_forwards_no_ingress() -> None:
    assert desired.ingress_servers(dataclasses.replace(CONFIG, ingress=None)) == ()
    empty = dataclasses.replace(CONFIG, ingress=IngressConfig(address="203.0.113.10", machines=()))
    assert model.arranged(desired.ingress_servers(empty)) == ()


def everything() -> tuple[model.VirtualServer, ...]:
    services = [
        service("shop", "203.0.113.11"),
        service("dns", "203.0.113.12", ports=[{"port": 53, "protocol": "UDP"}]),
    ]
    return model.arranged([*desired.ingress_servers(CONFIG), *desired.service_servers(CONFIG, services, NODES)])


def test_what_is_remembered_is_what_was_known() -> None:
    assert model.parse(model.dump(everything())) == everything()


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"address": "203.0.113.10"}]', '[{"machines": [], "odd": 1}]'])
def test_broken_memory_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        model.parse(text)


def test_file_for_keepalived() -> None:
    text = rendering.render("east1-lb1", Path("/usr/lib/tricenter/vip"), everything())
    assert text == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("keepalived") is None, reason="keepalived is on directors only")
def test_keepalived_accepts_the_file() -> None:
    command = ["keepalived", "--config-test", "--use-file", str(GOLDEN)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_stale_announcements_are_found() -> None:
    recorded = {
        "203.0.113.10": ["tcp-80", "tcp-443"],
        "203.0.113.11": ["tcp-80", "tcp-8080"],
        "203.0.113.99": ["tcp-1"],
    }
    loopback = ["127.0.0.1", "203.0.113.10", "203.0.113.11", "203.0.113.50", "203.0.113.99"]
    assert announcements.stale(recorded, loopback, everything(), CONFIG.vip_cidrs) == [
        ("203.0.113.11", "tcp-8080"),
        ("203.0.113.99", "tcp-1"),
        ("203.0.113.50", announcements.NOBODY),
    ]


def test_configuration_as_the_role_writes_it() -> None:
    data = {
        "api": {"server": "https://10.0.0.1:6443", "ca": "ca", "cert": "cert", "key": "key"},
        "director_name": "east1-lb1",
        "center_name": "east1",
        "rack_name": "east1-r1",
        "vip_cidrs": ["203.0.113.0/24"],
        "ingress": {"address": "203.0.113.10", "machines": ["10.1.1.22", "10.1.1.21"]},
    }
    assert build(data, Config) == CONFIG


@pytest.mark.parametrize("address", ["", "node1.example", "fd00::21", "10.1.1", "10.1.1.21; evil"])
def test_a_node_whose_address_is_none_does_not_stop_the_others(address: str) -> None:
    """The API takes any text there; keepalived would refuse the whole file."""
    [server] = desired.service_servers(CONFIG, [service("shop", "203.0.113.11")], [node("bad", address), *NODES])
    assert server.machines == ("10.1.1.21", "10.1.1.22")
