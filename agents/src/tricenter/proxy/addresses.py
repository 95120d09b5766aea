"""Load balancer addresses on loopback.

The directors forward by rewriting the MAC address only (IPVS direct routing), so the node must accept packets to the
address itself. Ours carry the label `lo:proxy`: others on loopback (anycast, the ingress address) are not touched.
"""

import asyncio
import errno
import ipaddress
import logging
import socket
from collections.abc import Iterable

from pyroute2 import IPRoute

from tricenter.runtime.netlink import accept

LABEL = "lo:proxy"

_log = logging.getLogger(__name__)


def wanted(vips: Iterable[str], pools: Iterable[str]) -> set[str]:
    """The addresses among `vips` that lie in one of the pools; others may belong to somebody else."""
    networks = [ipaddress.ip_network(pool) for pool in pools]
    return {vip for vip in vips if any(ipaddress.ip_address(vip) in network for network in networks)}


async def sync(addresses: set[str]) -> None:
    """Make exactly `addresses` those that carry our label on loopback."""
    await asyncio.to_thread(_sync, addresses)


def _sync(addresses: set[str]) -> None:
    with IPRoute() as netlink:
        index = netlink.link_lookup(ifname="lo")[0]
        present = {
            message.get("local") or message.get("address")
            for message in netlink.get_addr(family=socket.AF_INET, index=index)
            if message.get("label") == LABEL
        }
        for address in sorted(addresses - present):
            with accept(errno.EEXIST):  # another agent holds the address on loopback: that serves as well
                netlink.addr("add", index=index, address=address, prefixlen=32, label=LABEL)
                _log.info("address %s put on loopback", address)
        for address in sorted(present - addresses):
            with accept(errno.EADDRNOTAVAIL):
                netlink.addr("del", index=index, address=address, prefixlen=32, label=LABEL)
                _log.info("address %s taken from loopback", address)
