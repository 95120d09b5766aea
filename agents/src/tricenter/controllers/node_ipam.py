"""Node IPAM: every node gets a pod range out of its center's (the zone label); the Node object is the only record."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterable
from typing import Any

from tricenter.client import errors
from tricenter.client.events import NORMAL, WARNING
from tricenter.client.resources import NODES
from tricenter.controllers.context import Context, Controller

Object = dict[str, Any]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

ZONE = "topology.kubernetes.io/zone"


def lowest_free(center: Network, prefix: int, used: Iterable[Network]) -> Network | None:
    """The lowest range of `prefix` bits in `center` that overlaps none of `used`; None if there is none."""
    mine = sorted((item for item in used if item.version == center.version and item.overlaps(center)), key=_start)
    size = 2 ** (center.max_prefixlen - prefix)
    candidate = int(center.network_address)
    end = int(center.broadcast_address)
    for item in mine:
        if int(item.network_address) >= candidate + size:
            break
        after = int(item.broadcast_address) + 1
        candidate = max(candidate, -(-after // size) * size)
    if candidate + size - 1 > end:
        return None
    return type(center)((candidate, prefix))


def _start(network: Network) -> int:
    return int(network.network_address)


def ranges_of(nodes: Iterable[Object]) -> dict[str, list[Network]]:
    """The pod ranges that nodes have, by node name; what is none takes none, and with bits of a host it is one."""
    found: dict[str, list[Network]] = {}
    for node in nodes:
        spec = node.get("spec") or {}
        texts = spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])
        if texts:
            found[node["metadata"]["name"]] = list(_networks(texts))
    return found


def _networks(texts: Iterable[str]) -> Iterable[Network]:
    for text in texts:
        with contextlib.suppress(ValueError):
            yield ipaddress.ip_network(text, strict=False)


class NodeIPAM(Controller):
    """Gives ranges to nodes, one node at a time, so that no two can get the same."""

    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._nodes = self.informer(NODES)
        self._centers = {center: ipaddress.ip_network(cidr) for center, cidr in context.config.center_pod_cidrs.items()}
        self._given: dict[str, Network] = {}
        """Written by us, until the informer shows it."""
        self.enqueue_on(self._nodes)

    async def reconcile(self, key: str) -> float | None:
        node = self._nodes.store.get(key)
        if node is None:
            self._given.pop(key, None)
            return None
        if (node.get("spec") or {}).get("podCIDR"):
            self._given.pop(key, None)
            return None
        zone = (node["metadata"].get("labels") or {}).get(ZONE, "")
        center = self._centers.get(zone)
        if center is None:
            self._complain(node, f'the zone label is "{zone}", and pod ranges are known for {", ".join(self._centers)}')
            return None
        used = [network for networks in ranges_of(self._nodes.store.values()).values() for network in networks]
        given = [network for name, network in self._given.items() if name != key]
        free = lowest_free(center, self.context.config.node_cidr_prefix, used + given)
        if free is None:
            self._complain(node, f"the range {center} of center {zone} is used up")
            return 30.0
        await self._give(node, key, free)
        return None

    async def _give(self, node: Object, key: str, free: Network) -> None:
        self._given[key] = free  # stays if the write fails: it may have arrived
        text = str(free)
        metadata = {"uid": node["metadata"]["uid"], "resourceVersion": node["metadata"]["resourceVersion"]}
        patch = {"metadata": metadata, "spec": {"podCIDR": text, "podCIDRs": [text]}}
        try:
            await self.api.patch(NODES, key, patch)
        except errors.NotFound:
            self._given.pop(key, None)
            return
        self.context.recorder.event(node, NORMAL, "CIDRAssigned", f"Node {key} has pod range {text}")

    def _complain(self, node: Object, why: str) -> None:
        name = node["metadata"]["name"]
        self.context.recorder.event(node, WARNING, "CIDRNotAvailable", f"Node {name} gets no pod range: {why}")
