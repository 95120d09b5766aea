"""The fabric: BGP and BFD with every neighbour, ECMP, pod, anycast and public routes where they belong."""

from __future__ import annotations

import ipaddress
import json
import math
import re
from typing import Any

import pytest

ROUTED = "router:director:control_plane:node"


@pytest.mark.on(ROUTED)
@pytest.mark.unit("bird")
def test_every_bgp_session_is_established(machine: Any, host: Any, eventually: Any) -> None:
    def sessions() -> list[list[str]]:
        lines = host.run("birdc show protocols").stdout.splitlines()
        return [line.split() for line in lines if len(line.split()) > 1 and line.split()[1] == "BGP"]

    eventually(lambda: sessions() and all("Established" in session for session in sessions()))


@pytest.mark.on(ROUTED)
@pytest.mark.unit("bird")
def test_every_bfd_session_is_up(machine: Any, host: Any, eventually: Any) -> None:
    def states() -> list[str]:
        return re.findall(r"^\d\S+\s+\S+\s+(\S+)", host.run("birdc show bfd sessions").stdout, re.MULTILINE)

    eventually(lambda: states() and all(state == "Up" for state in states()))


@pytest.mark.on("router")
@pytest.mark.unit("bird")
def test_routers_know_the_pods_of_every_node(machine: Any, host: Any, kubectl: Any) -> None:
    known = {route["dst"] for route in json.loads(host.run("ip -json -4 route show").stdout)}
    pods = {node["spec"]["podCIDR"] for node in kubectl.json("get", "nodes")["items"]}
    assert pods <= known, f"{machine} lacks {sorted(pods - known)}"


@pytest.mark.on("router")
@pytest.mark.unit("bird")
def test_routers_know_the_api_and_the_public_address(machine: Any, host: Any, site: Any) -> None:
    known = {route["dst"] for route in json.loads(host.run("ip -json -4 route show").stdout)}
    assert {site["site_api_address"], site["site_dns_address"], site["site_ingress_vip"]} <= known


@pytest.mark.one_of("internet")
@pytest.mark.unit("bird")
def test_the_internet_sees_public_addresses_only(machine: Any, host: Any, site: Any) -> None:
    public = [ipaddress.ip_network(cidr) for cidr in [*site["site_vip_cidrs"], site["site_snat_cidr"]]]
    routes = json.loads(host.run("ip -json -4 route show proto bird").stdout)
    seen = [ipaddress.ip_network(route["dst"]) for route in routes]
    assert seen, "isp1 has learned nothing"
    strangers = [str(net) for net in seen if not any(net.subnet_of(allowed) for allowed in public)]
    assert not strangers, f"leaked to the internet: {strangers}"
    assert ipaddress.ip_network(site["site_ingress_vip"]) in seen


def test_two_directors_of_a_rack_share_the_public_address(site: Any, connect: Any) -> None:
    racks: dict[str, list[Any]] = {}
    for director in site.group("director"):
        racks.setdefault(director["rack_gateway"], []).append(director)
    shared = [members for members in racks.values() if len(members) > 1]
    assert shared, "no rack has two directors"
    for members in shared:
        tor = next(m for m in site.group("router") if m.get("machine_address") == members[0]["rack_gateway"])
        route = json.loads(connect(tor.name).run("ip -json route show %s", site["site_ingress_vip"]).stdout)
        hops = {hop["gateway"] for hop in route[0].get("nexthops", route)}
        assert hops == {m["machine_address"] for m in members}


def test_links_between_centers_take_the_time_that_the_inventory_says(site: Any, connect: Any) -> None:
    slow = [link for link in site["site_links"] if link.get("rtt_ms")]
    assert slow, "no link has a round-trip time"
    for link in slow:
        address = str(link["b_address"]).split("/")[0]
        fastest = [_fastest_ping(connect(link["a"]), address)]
        # a busy host adds to every one of ten; none may take less
        while fastest[-1] > link["rtt_ms"] + 5 and len(fastest) < 6:
            fastest.append(_fastest_ping(connect(link["a"]), address))
        assert link["rtt_ms"] <= min(fastest) <= link["rtt_ms"] + 5, f"{link['a']}-{link['b']}: {fastest} ms"


def _fastest_ping(host: Any, address: str) -> float:
    """Milliseconds of the fastest of ten round trips; infinite where none came back."""
    found = re.search(r"= ([\d.]+)/", host.run("ping -q -n -i 0.2 -c 10 %s", address).stdout)
    return float(found.group(1)) if found else math.inf


@pytest.mark.on("node")
def test_what_leaves_for_the_internet_bears_a_gateway_address(machine: Any, host: Any, site: Any, connect: Any) -> None:
    client = next(m for m in site.group("internet") if not m.get("machine_asn"))
    allowed = {str(gateway["machine_snat_address"]).split("/")[0] for gateway in site.group("gateway")}
    seen = _source_seen_by(connect(client.name), host, str(client["machine_address"]).split("/")[0])
    assert seen in allowed, f"{machine} was seen as {seen}"


def _source_seen_by(server: Any, client: Any, address: str) -> str:
    """The source address that a one-shot TCP listener on the server sees when the client connects to it."""
    listener = "timeout 60 socat -d -d TCP-LISTEN:9099,reuseaddr /dev/null 2>&1 | grep -m1 'accepting connection from'"
    server.run(f'nohup sh -c "{listener} >/tmp/compliance-seen" >/dev/null 2>&1 &')
    client.run(
        f"for i in $(seq 20); do echo hi | socat -T2 - TCP:{address}:9099,connect-timeout=2 && break; sleep 1; done"
    )
    line = server.run(
        "for i in $(seq 300); do [ -s /tmp/compliance-seen ] && break; sleep 0.2; done; "
        "cat /tmp/compliance-seen; rm -f /tmp/compliance-seen"
    ).stdout
    found = re.search(r"accepting connection from AF=2 ([\d.]+):", line)
    return found.group(1) if found else f"nobody ({line!r})"
