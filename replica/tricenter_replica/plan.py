"""Machines and cables of a site, derived from the inventory's variables. Pure.

A machine whose `machine_address` is its rack's gateway is the rack's switch: every other machine of the rack is
plugged into its bridge. `site_links` are the cables between routers, their ends named after the peer.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MANAGEMENT = "mgmt0"
"""Interface of every machine on the out-of-band network."""
RACK_BRIDGE = "rack"
"""Bridge of a switch that holds the ports of its rack."""
LINK_PREFIX = 31
"""Cables between routers are /31 (RFC 3021)."""
LONGEST_NAME = 15
"""IFNAMSIZ without its final zero: ports are named after machines."""


class PlanError(Exception):
    """The inventory cannot be built; the text names host, value and remedy."""


@dataclass(frozen=True, kw_only=True)
class Interface:
    """One network interface of a machine."""

    name: str
    mac: str
    addresses: tuple[str, ...] = ()
    """Addresses with prefix length."""
    gateway: str | None = None
    """Default gateway, if this interface leads to it."""
    bridge: str | None = None
    """Bridge in the machine that this interface is a port of."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine as the inventory describes it."""

    name: str
    management: str
    """Address on the management network, without prefix."""
    address: str | None
    interfaces: tuple[Interface, ...]
    bridges: tuple[tuple[str, str], ...] = ()
    """Bridges inside the machine: name and address with prefix length."""
    needs: frozenset[str] = frozenset()
    """Kernel features (names of modules) that the machine cannot do without."""


@dataclass(frozen=True, kw_only=True)
class End:
    """An end of a cable."""

    machine: str
    interface: str
    mac: str


@dataclass(frozen=True, kw_only=True)
class Cable:
    """A cable between two machines."""

    a: End
    b: End
    rtt_ms: float = 0.0
    """Round trip time that the cable adds."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """Everything that the host has to make."""

    machines: tuple[Machine, ...]
    cables: tuple[Cable, ...]
    management: str
    """Management network in CIDR notation; the host has its first address."""

    def machine(self, name: str) -> Machine:
        """Return the machine called `name`; KeyError if there is none."""
        return {machine.name: machine for machine in self.machines}[name]

    @property
    def host_address(self) -> str:
        """Address of the host on the management network, with prefix length."""
        network = ipaddress.ip_network(self.management)
        return f"{network[1]}/{network.prefixlen}"


def mac(machine: str, interface: str) -> str:
    """Return a locally administered address that is the same in every run."""
    digest = hashlib.sha256(f"{machine}/{interface}".encode()).digest()
    return ":".join(f"{octet:02x}" for octet in (2, *digest[:5]))


def site(hosts: Mapping[str, Mapping[str, Any]], links: Sequence[Mapping[str, Any]], management: str) -> Site:
    """Derive the site from the variables of its hosts and `site_links`."""
    _check(hosts, links, management)
    switches = {
        rack: name
        for name, facts in hosts.items()
        if (rack := facts.get("rack_name")) and facts.get("machine_address") == facts.get("rack_gateway")
    }
    cables = [_link(link) for link in links]
    for name, facts in hosts.items():
        switch = switches.get(str(facts.get("rack_name")))
        if switch and switch != name:
            cables.append(_cable(name, str(facts.get("machine_interface", "eth0")), switch, name))
    addresses = _link_addresses(links)
    machines = tuple(
        _machine(name, facts, switches, cables, addresses, management) for name, facts in sorted(hosts.items())
    )
    return Site(machines=machines, cables=tuple(cables), management=management)


def _cable(a: str, a_interface: str, b: str, b_interface: str, rtt_ms: float = 0.0) -> Cable:
    return Cable(
        a=End(machine=a, interface=a_interface, mac=mac(a, a_interface)),
        b=End(machine=b, interface=b_interface, mac=mac(b, b_interface)),
        rtt_ms=rtt_ms,
    )


def _link(link: Mapping[str, Any]) -> Cable:
    return _cable(link["a"], link["b"], link["b"], link["a"], float(link.get("rtt_ms", 0)))


def _link_addresses(links: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    addresses = {}
    for link in links:
        addresses[link["a"], link["b"]] = f"{link['a_address']}/{LINK_PREFIX}"
        addresses[link["b"], link["a"]] = f"{link['b_address']}/{LINK_PREFIX}"
    return addresses


def _machine(  # noqa: PLR0917 -- no two are alike
    name: str,
    facts: Mapping[str, Any],
    switches: Mapping[str, str],
    cables: Sequence[Cable],
    link_addresses: Mapping[tuple[str, str], str],
    management: str,
) -> Machine:
    prefix = ipaddress.ip_network(management).prefixlen
    interfaces = []
    is_switch = name in switches.values()
    for cable in cables:
        for end, peer in ((cable.a, cable.b), (cable.b, cable.a)):
            if end.machine != name:
                continue
            if address := link_addresses.get((name, peer.machine)):
                interfaces.append(Interface(name=end.interface, mac=end.mac, addresses=(address,)))
            elif is_switch:
                interfaces.append(Interface(name=end.interface, mac=end.mac, bridge=RACK_BRIDGE))
            else:
                interfaces.append(_rack_port(end, facts))
    # Last: the kernel calls a virtual machine's first card eth0, so the rack's keeps that name. Were they to swap names
    # at boot, udev might give up on the one whose name the other still has.
    own = f"{facts['ansible_host']}/{prefix}"
    interfaces.append(Interface(name=MANAGEMENT, mac=mac(name, MANAGEMENT), addresses=(own,)))
    bridges = ((RACK_BRIDGE, _in_rack(str(facts["rack_gateway"]), facts)),) if is_switch else ()
    return Machine(
        name=name,
        management=str(facts["ansible_host"]),
        address=facts.get("machine_address"),
        interfaces=tuple(interfaces),
        bridges=bridges,
        needs=frozenset(facts.get("machine_kernel_modules", ())),
    )


def _rack_port(end: End, facts: Mapping[str, Any]) -> Interface:
    address = _in_rack(str(facts["machine_address"]), facts)
    return Interface(name=end.interface, mac=end.mac, addresses=(address,), gateway=str(facts["rack_gateway"]))


def _in_rack(address: str, facts: Mapping[str, Any]) -> str:
    return f"{address}/{ipaddress.ip_network(facts['rack_cidr']).prefixlen}"


def _check(hosts: Mapping[str, Mapping[str, Any]], links: Sequence[Mapping[str, Any]], management: str) -> None:
    """Reject what would fail half way; playbooks/preflight.yml checks the rest of the inventory."""
    network = ipaddress.ip_network(management)
    for name, facts in hosts.items():
        if len(name) > LONGEST_NAME:
            raise PlanError(f"{name}: a port is named after it, so at most {LONGEST_NAME} characters: choose a shorter")
        if ipaddress.ip_address(str(facts.get("ansible_host"))) not in network:
            raise PlanError(
                f"{name}: ansible_host {facts.get('ansible_host')} is outside site_management_cidr {network}"
            )
    for link in links:
        for end in ("a", "b"):
            if link[end] not in hosts:
                raise PlanError(f"site_links: {link[end]} is not a host of the inventory: add it or remove the link")
