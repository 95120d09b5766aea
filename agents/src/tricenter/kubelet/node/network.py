"""The node's part of pod networking: CNI configuration and the route that makes BIRD announce the pod CIDR."""

import asyncio
import contextlib
import errno
import logging
import os
from typing import Any

import orjson
from pyroute2 import IPRoute, NetlinkError

from tricenter.kubelet.config import CniConfig
from tricenter.kubelet.node import cni

Object = dict[str, Any]

# BIRD learns kernel routes of this protocol number and announces them.
ROUTE_PROTOCOL = 77
# Worse than the connected route of the bridge, better than none: packets to a pod that is not there get an answer.
ROUTE_METRIC = 4096
UNREACHABLE = "unreachable"

_log = logging.getLogger(__name__)


class PodNetwork:
    """Connects this node's pods once their range is known."""

    def __init__(self, config: CniConfig) -> None:
        self._config = config
        self.pod_cidr = self._configured()

    @property
    def ready(self) -> bool:
        """Whether sandboxes can have addresses."""
        return bool(self.pod_cidr)

    def missing(self) -> str:
        """Why the network is not ready; empty when it is."""
        return "" if self.ready else "network is not ready: the node has no pod CIDR yet"

    async def set_pod_cidr(self, cidr: str) -> None:
        """Use this range from now on; the same one again only repairs what is missing."""
        await asyncio.to_thread(self._apply, cidr)
        if cidr != self.pod_cidr:
            _log.info("pod CIDR %s", cidr)
        self.pod_cidr = cidr

    def _apply(self, cidr: str) -> None:
        with IPRoute() as netlink:
            self._route(netlink, cidr)
            mtu = self._config.mtu or _mtu(netlink, self._config.interface)
        path = self._config.config_dir / cni.FILE
        text = orjson.dumps(cni.conflist(self._config, cidr, mtu), option=orjson.OPT_INDENT_2)
        if not path.is_file() or path.read_bytes() != text:
            self._config.config_dir.mkdir(parents=True, exist_ok=True)
            fresh = path.with_name(f".{path.name}")
            fresh.write_bytes(text)
            fresh.rename(path)

    def _route(self, netlink: IPRoute, cidr: str) -> None:
        """Keep exactly one unreachable route of ours, the one for `cidr`."""
        present = False
        for route in netlink.get_routes(family=2, proto=ROUTE_PROTOCOL):
            length = route["dst_len"]
            destination = f"{route.get_attr('RTA_DST')}/{length}"
            if destination == cidr:
                present = True
            elif route.get_attr("RTA_PRIORITY") == ROUTE_METRIC:
                netlink.route("del", dst=destination, type=UNREACHABLE, proto=ROUTE_PROTOCOL, priority=ROUTE_METRIC)
        if present:
            return
        try:
            netlink.route("add", dst=cidr, type=UNREACHABLE, proto=ROUTE_PROTOCOL, priority=ROUTE_METRIC)
        except NetlinkError as error:
            if error.code != errno.EEXIST:
                raise OSError(error.code, os.strerror(error.code), cidr) from error

    def _configured(self) -> str:
        """The range of the configuration that is in place: known before the API answers."""
        with contextlib.suppress(OSError, ValueError, LookupError):
            document = orjson.loads((self._config.config_dir / cni.FILE).read_bytes())
            return str(document["plugins"][0]["ipam"]["ranges"][0][0]["subnet"])
        return ""


def _mtu(netlink: IPRoute, interface: str) -> int:
    """The MTU of the machine's interface, 0 where there is none of that name."""
    found = netlink.link_lookup(ifname=interface)
    return int(netlink.get_links(found[0])[0].get_attr("IFLA_MTU")) if found else 0
