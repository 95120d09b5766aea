"""Which namespaces, veth pairs, bridges and taps make the cables of a site. Pure.

Each machine has the network namespace `tri-<machine>`; the management network is a bridge in `tri-mgmt`, which one
veth joins to the host. A virtual machine's namespace holds, for each interface, a tap and a veth on a bridge.
Where the host has no sch_netem, a cable that adds delay passes through the virtual machine in `tri-links`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from . import REPLICA
from .plan import MANAGEMENT, Cable, End, Machine, Site

HOST = ""
"""The host's own namespace."""
PREFIX = f"{REPLICA}-"
"""Namespaces with this prefix are ours."""
HOST_LINK = f"{PREFIX}mgmt"
"""The host's end of the management network."""
MANAGEMENT_NAMESPACE = f"{PREFIX}mgmt"
MANAGEMENT_BRIDGE = "mgmt"
LINKS_NAMESPACE = f"{PREFIX}links"


@dataclass(frozen=True, kw_only=True)
class Port:
    """One end of a veth pair."""

    namespace: str
    name: str
    mac: str | None = None
    bridge: str | None = None
    address: str | None = None
    up: bool = True
    """Set up by the replica; a container's networkd does it itself."""
    delay_ms: float = 0.0
    """Delay that netem adds to what leaves here."""


@dataclass(frozen=True)
class Pair:
    """A veth pair."""

    a: Port
    b: Port


@dataclass(frozen=True, kw_only=True)
class Tap:
    """Host end of a virtual machine's interface."""

    namespace: str
    name: str
    bridge: str


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """Everything on the host that carries packets."""

    namespaces: tuple[str, ...]
    bridges: tuple[tuple[str, str], ...]
    """Namespace and name."""
    pairs: tuple[Pair, ...]
    taps: tuple[Tap, ...]


def namespace(machine: str) -> str:
    """Return the network namespace of a machine."""
    return f"{PREFIX}{machine}"


def delayed(site: Site) -> tuple[Cable, ...]:
    """Cables that add delay."""
    return tuple(cable for cable in site.cables if cable.rtt_ms)


def wire(site: Site, virtual: Collection[str], *, has_netem: bool) -> Wiring:
    """Return the wiring of `site`, whose machines in `virtual` are virtual machines."""
    bridges = [(MANAGEMENT_NAMESPACE, MANAGEMENT_BRIDGE)]
    taps: list[Tap] = []
    pairs = [
        Pair(
            Port(namespace=HOST, name=HOST_LINK, address=site.host_address),
            Port(namespace=MANAGEMENT_NAMESPACE, name="host", bridge=MANAGEMENT_BRIDGE),
        )
    ]
    ports: dict[tuple[str, str], Port] = {}
    for machine in site.machines:
        for index, interface in enumerate(machine.interfaces):
            if machine.name in virtual:
                port = _behind_tap(machine, index, bridges, taps)
            else:
                port = Port(namespace=namespace(machine.name), name=interface.name, mac=interface.mac, up=False)
            ports[machine.name, interface.name] = port
        switch = Port(namespace=MANAGEMENT_NAMESPACE, name=machine.name, bridge=MANAGEMENT_BRIDGE)
        pairs.append(Pair(ports[machine.name, MANAGEMENT], switch))
    for cable in site.cables:
        ends = [ports[end.machine, end.interface] for end in (cable.a, cable.b)]
        if not cable.rtt_ms:
            pairs.append(Pair(*ends))
        elif has_netem:
            pairs.append(Pair(*(_with_delay(port, cable.rtt_ms / 2) for port in ends)))
    namespaces = [MANAGEMENT_NAMESPACE, *(namespace(machine.name) for machine in site.machines)]
    if not has_netem and delayed(site):
        namespaces.append(LINKS_NAMESPACE)
        _through_links(site, ports, bridges, pairs, taps)
    return Wiring(namespaces=tuple(namespaces), bridges=tuple(bridges), pairs=tuple(pairs), taps=tuple(taps))


def link_ends(site: Site) -> tuple[End, ...]:
    """Ends of the delayed cables in the order of the `links` machine's interfaces, two a cable."""
    return tuple(end for cable in delayed(site) for end in (cable.a, cable.b))


def _behind_tap(machine: Machine, index: int, bridges: list[tuple[str, str]], taps: list[Tap]) -> Port:
    place = namespace(machine.name)
    bridges.append((place, f"br{index}"))
    taps.append(Tap(namespace=place, name=f"tap{index}", bridge=f"br{index}"))
    return Port(namespace=place, name=f"cable{index}", bridge=f"br{index}")


def _with_delay(port: Port, delay_ms: float) -> Port:
    return Port(**{**vars(port), "delay_ms": delay_ms})


def _through_links(
    site: Site,
    ports: dict[tuple[str, str], Port],
    bridges: list[tuple[str, str]],
    pairs: list[Pair],
    taps: list[Tap],
) -> None:
    for index, end in enumerate(link_ends(site)):
        bridge = f"br{index}"
        bridges.append((LINKS_NAMESPACE, bridge))
        taps.append(Tap(namespace=LINKS_NAMESPACE, name=f"tap{index}", bridge=bridge))
        far = Port(namespace=LINKS_NAMESPACE, name=f"cable{index}", bridge=bridge)
        pairs.append(Pair(ports[end.machine, end.interface], far))
