"""What a director forwards: the desired state, and how it is kept over a restart."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, kw_only=True)
class VirtualServer:
    """One public address and port, and the machines that serve it."""

    address: str
    port: int
    protocol: str
    """TCP, UDP or SCTP."""
    machines: tuple[str, ...]
    """Addresses of the real servers, in the order of their numbers: every director then builds the same hash table."""
    health_port: int
    """Port of a machine's own address that is asked for its health."""
    health_path: str
    """Path that answers 200 while the machine is to be used."""
    purpose: str
    """What it is for, a comment to the reader of keepalived's file: `default/shop` or `ingress`."""

    @property
    def key(self) -> str:
        """Name among the ports of the address, for example `tcp-80`."""
        return f"{self.protocol.lower()}-{self.port}"


def ordered(addresses: Iterable[str]) -> tuple[str, ...]:
    """Addresses without duplicates in the order of their numbers."""
    return tuple(sorted(set(addresses), key=ipaddress.ip_address))


def arranged(servers: Iterable[VirtualServer]) -> tuple[VirtualServer, ...]:
    """Servers that have a machine, in the order of address and port; of two for the same port the first is kept."""
    kept: dict[tuple[str, str], VirtualServer] = {}
    for server in servers:
        if server.machines:
            kept.setdefault((server.address, server.key), server)
    return tuple(sorted(kept.values(), key=lambda one: (ipaddress.ip_address(one.address), one.port, one.protocol)))


def dump(servers: Iterable[VirtualServer]) -> str:
    """Servers as JSON."""
    return json.dumps([asdict(server) for server in servers], indent=1) + "\n"


def parse(text: str) -> tuple[VirtualServer, ...]:
    """Servers from JSON; raises ValueError for anything that `dump` did not write."""
    try:
        return tuple(VirtualServer(**(entry | {"machines": tuple(entry["machines"])})) for entry in json.loads(text))
    except (TypeError, KeyError) as error:
        raise ValueError(f"not a list of virtual servers: {error}") from error
