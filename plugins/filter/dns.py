"""Zones for the names of addresses (RFC 1035, section 3.5)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from typing import Any


def reverse_zones(cidrs: Iterable[str]) -> list[str]:
    """The zones whose names are the addresses of IPv4 ranges, each once: `10.96.0.0/16` → `96.10.in-addr.arpa`.

    A zone ends at a dot: a range that does not end at a byte becomes several zones.
    """
    zones = []
    for cidr in cidrs:
        network = ipaddress.IPv4Network(cidr)
        prefix = min(24, -(-network.prefixlen // 8) * 8)
        if prefix < network.prefixlen:
            network = network.supernet(new_prefix=prefix)
        for part in network.subnets(new_prefix=prefix):
            labels = str(part.network_address).split(".")[: prefix // 8]
            zones.append(".".join([*reversed(labels), "in-addr.arpa"]))
    return sorted(set(zones))


class FilterModule:
    """What Ansible looks for in a filter plugin."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"reverse_zones": reverse_zones}
