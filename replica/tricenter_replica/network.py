"""Make the host's namespaces and links match the wiring, over netlink."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pyroute2 import IPRoute, netns
from pyroute2.netlink.exceptions import NetlinkError

from .wiring import HOST, HOST_LINK, PREFIX, Pair, Port, Tap, Wiring

NAMESPACES = Path("/run/netns")
logging.getLogger("pyroute2").setLevel(logging.ERROR)


class Network:
    """The links of the namespaces that a wiring names."""

    def __init__(self, wiring: Wiring) -> None:
        """Remember what is wanted."""
        self.wiring = wiring

    def apply(self, *, check: bool = False) -> list[str]:
        """Create what is missing; return what was (or in check mode: would be) created."""
        changes = []
        for name in self.wiring.namespaces:
            if not exists(name):
                changes.append(f"namespace {name}")
                if not check:
                    create(name)
        if check:
            return changes + [_describe(pair) for pair in self._missing()]
        for place in dict.fromkeys(place for place, _ in self.wiring.bridges):
            self._bridges_and_taps(place)
        missing = self._missing()
        for pair in missing:
            _connect(pair)
        self._finish(missing)
        return changes + [_describe(pair) for pair in missing]

    def _bridges_and_taps(self, place: str) -> None:
        with inside(place) as route:
            present = _links(route)
            for where, name in self.wiring.bridges:
                if where == place and name not in present:
                    # No spanning tree and no ageing surprises: two ports, or the one management segment.
                    route.link("add", ifname=name, kind="bridge", br_forward_delay=0, br_mcast_snooping=0)
            present = _links(route)
            for tap in self.wiring.taps:
                if tap.namespace == place and tap.name not in present:
                    _make_tap(route, tap)
            present = _links(route)
            for name in [name for where, name in self.wiring.bridges if where == place]:
                route.link("set", index=present[name], state="up")

    def _missing(self) -> list[Pair]:
        places = {port.namespace for pair in self.wiring.pairs for port in (pair.a, pair.b)}
        names = {place: names_in(place) for place in places}
        return [
            pair
            for pair in self.wiring.pairs
            if pair.a.name not in names[pair.a.namespace] or pair.b.name not in names[pair.b.namespace]
        ]

    def _finish(self, pairs: Sequence[Pair]) -> None:
        ports = [port for pair in pairs for port in (pair.a, pair.b)]
        for place in dict.fromkeys(port.namespace for port in ports):
            with inside(place) as route:
                present = _links(route)
                for port in ports:
                    if port.namespace == place:
                        _set_up(route, port, present)


def exists(name: str) -> bool:
    """Whether namespace `name` is there, mounted."""
    path = NAMESPACES / name
    try:
        return path.stat().st_dev != path.parent.stat().st_dev
    except FileNotFoundError:
        return False


def create(name: str) -> None:
    """Create namespace `name` with loopback up and without IPv6 on its links."""
    delete(name)
    netns.create(name)
    with inside(name) as route:
        route.link("set", index=1, state="up")
        for scope in ("all", "default"):
            _sysctl(f"net/ipv6/conf/{scope}/disable_ipv6", "1")


def delete(name: str) -> None:
    """Delete namespace `name`; its veths vanish with it."""
    if (NAMESPACES / name).exists():
        netns.remove(name)


def ours() -> list[str]:
    """Namespaces that the replica made."""
    return sorted(entry.name for entry in NAMESPACES.glob(f"{PREFIX}*")) if NAMESPACES.is_dir() else []


def delete_host_link() -> bool:
    """Delete the host's end of the management network; return whether it was there."""
    with IPRoute() as route:
        index = _links(route).get(HOST_LINK)
        if index is not None:
            route.link("del", index=index)
        return index is not None


def names_in(place: str) -> set[str]:
    """Return the links in a namespace."""
    if place != HOST and not exists(place):
        return set()
    with inside(place) as route:
        return set(_links(route))


@contextmanager
def inside(place: str) -> Iterator[IPRoute]:
    """Enter a namespace and open netlink there; the calling thread is back afterwards."""
    if place == HOST:
        with IPRoute() as route:
            yield route
        return
    netns.pushns(place)
    try:
        with IPRoute() as route:
            yield route
    finally:
        netns.popns()


def _links(route: IPRoute) -> dict[str, int]:
    return {link.get_attr("IFLA_IFNAME"): link["index"] for link in route.get_links()}


def _sysctl(key: str, value: str) -> None:
    """Set a sysctl of the namespace that the thread is in; it is absent on a kernel without IPv6."""
    path = Path("/proc/sys") / key
    if path.exists():
        path.write_text(value)


def _make_tap(route: IPRoute, tap: Tap) -> None:
    route.link("add", ifname=tap.name, kind="tuntap", mode="tap", ifr={"vnet_hdr": 1, "no_pi": 1})
    links = _links(route)
    route.link("set", index=links[tap.name], master=links[tap.bridge], state="up")


def _connect(pair: Pair) -> None:
    """Create a veth pair whose ends are born where they belong, so that no name is taken on the host."""
    for port in (pair.a, pair.b):
        with inside(port.namespace) as route:
            index = _links(route).get(port.name)
            if index is not None:
                route.link("del", index=index)
    near = {"ifname": pair.a.name, "kind": "veth"}
    far = {"ifname": pair.b.name}
    if pair.a.mac:
        near["address"] = pair.a.mac
    if pair.b.mac:
        far["address"] = pair.b.mac
    if pair.b.namespace != HOST:
        far["net_ns_fd"] = pair.b.namespace
    with inside(pair.a.namespace) as route:
        route.link("add", peer=far, **near)


def _set_up(route: IPRoute, port: Port, present: dict[str, int]) -> None:
    index = present[port.name]
    if port.bridge:
        route.link("set", index=index, master=present[port.bridge])
    if port.address:
        address, _, prefix = port.address.partition("/")
        route.addr("add", index=index, address=address, prefixlen=int(prefix), family=socket.AF_INET)
    if port.delay_ms:
        route.tc("add", "netem", index=index, handle="1:", delay=int(port.delay_ms * 1000), limit=100_000)
    if port.up:
        route.link("set", index=index, state="up")


def _describe(pair: Pair) -> str:
    return f"cable {pair.a.namespace or 'host'}/{pair.a.name} - {pair.b.namespace or 'host'}/{pair.b.name}"


def has_netem() -> bool:
    """Whether the kernel can delay packets: tried on a veth of a namespace that is gone afterwards."""
    name = f"{PREFIX}probe"
    create(name)
    try:
        with inside(name) as route:
            route.link("add", ifname="probe", kind="veth", peer={"ifname": "probe1"})
            route.tc("add", "netem", index=_links(route)["probe"], handle="1:", delay=1000)
        return True
    except NetlinkError:
        return False
    finally:
        delete(name)
