"""Forget UDP flows that point where no endpoint is any more.

Connection tracking remembers the translation of a flow. TCP ends and starts anew; a UDP client that keeps sending
from one port (a resolver, a game) keeps its flow alive and would talk to the old endpoint for ever.
"""

import asyncio
import errno
import logging
from collections.abc import Iterable
from typing import Any

from pyroute2.conntrack import Conntrack
from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple

from tricenter.proxy.state import UdpPort
from tricenter.runtime.netlink import accept

_UDP = 17

_log = logging.getLogger(__name__)


def is_stale(destination: tuple[str, int], answering: tuple[str, int], port: UdpPort, machine_address: str) -> bool:
    """Whether a flow to `destination` that `answering` replies to belongs to `port` and goes to no endpoint of it."""
    own = destination in port.addresses or (port.node_port and destination == (machine_address, port.node_port))
    return bool(own) and answering not in port.endpoints


async def forget_stale(ports: Iterable[UdpPort], machine_address: str) -> None:
    """Delete the stale flows of `ports`."""
    await asyncio.to_thread(_forget, list(ports), machine_address)


def _forget(ports: list[UdpPort], machine_address: str) -> None:
    with Conntrack() as netlink:
        for entry in list(netlink.dump_entries(tuple_orig=NFCTAttrTuple(proto=_UDP))):
            original, reply = entry.tuple_orig, entry.tuple_reply
            destination, answering = (original.daddr, original.dport), (reply.saddr, reply.sport)
            if any(is_stale(destination, answering, port, machine_address) for port in ports):
                _delete(netlink, original)


def _delete(netlink: Any, original: Any) -> None:
    with accept(errno.ENOENT):  # it ended by itself meanwhile
        netlink.entry("del", tuple_orig=original)
        _log.info("forgot the flow to %s:%s", original.daddr, original.dport)
