"""The anycast address: on loopback, and so announced by BIRD, exactly while Knot here answers.

It stays while only this agent restarts, for Knot serves on; Knot's unit takes it away when Knot itself stops.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Awaitable, Callable

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from tricenter.runtime.netlink import accept

_PATIENCE = 2
"""Questions without an answer until the address is taken away."""

_log = logging.getLogger(__name__)


async def keep(address: str, well: Callable[[], Awaitable[bool]], *, interval: float) -> None:
    """Ask `well` every `interval` seconds, and put the address on loopback or take it away, until cancelled."""
    failures = 0
    while True:
        failures = 0 if await well() else failures + 1
        if not failures or failures >= _PATIENCE:
            try:
                await asyncio.to_thread(_set, address, present=not failures)
            except (NetlinkError, OSError) as error:
                _log.error("address %s: %s", address, error)
        await asyncio.sleep(interval)


def _set(address: str, *, present: bool) -> None:
    with IPRoute() as netlink:
        index = netlink.link_lookup(ifname="lo")[0]
        known = {message.get("local") for message in netlink.get_addr(family=socket.AF_INET, index=index)}
        if present == (address in known):
            return
        with accept(errno.EEXIST if present else errno.EADDRNOTAVAIL):
            netlink.addr("add" if present else "del", index=index, address=address, prefixlen=32)
        _log.log(logging.INFO if present else logging.ERROR, "address %s %s", address, "on" if present else "off")
