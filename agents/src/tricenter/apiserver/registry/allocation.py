"""Cluster addresses and node ports of Services, taken as keys in etcd so that no two servers give out the same one.

A cluster address is an IPAddress object, as upstream's allocator has it (KEP-1880). A node port is a small key of its
own. Both name the Service that holds them; one whose Service does not hold it (a server died in between) is free.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterator
from typing import Any

from tricenter.apimachinery import fielderrors
from tricenter.apiserver import errors
from tricenter.apiserver.registry import addresses, nodeports
from tricenter.apiserver.resources import Resource, Resources
from tricenter.apiserver.storage import encoding
from tricenter.apiserver.storage.etcd import LARGEST_REVISION
from tricenter.apiserver.storage.store import Lost, Store

Object = dict[str, Any]

_RANDOM_TRIES = 64


class _Taken(list[str]):
    """Keys taken so far; `rehearsed` ones are only looked at, for a dry run."""

    def __init__(self, *, rehearsed: bool) -> None:
        super().__init__()
        self.rehearsed = rehearsed


class Allocation:
    """Takes and gives back what Services need; nothing for other kinds."""

    def __init__(self, store: Store, resources: Resources, service_cidr: str, nodeport_range: str) -> None:
        self._store = store
        self._services = resources["", "services"]
        self._network = ipaddress.ip_network(service_cidr)
        first, _, last = nodeport_range.partition("-")
        self._ports = range(int(first), int(last) + 1)

    async def allocate(
        self, resource: Resource, new: Object, old: Object | None, *, dry_run: bool = False
    ) -> list[str]:
        """Give a Service what it lacks, or take what it names; the keys taken, none in a dry run. Raises Invalid."""
        if resource.kind.plural != "services" or resource.kind.group:
            return []
        taken = _Taken(rehearsed=dry_run)
        self._check_families(new)
        try:
            await self._allocate_addresses(new, old, taken)
            addresses.complete(new)
            await self._allocate_ports(new, old, taken)
        except errors.StatusError:
            if not dry_run:
                await self.undo(taken)
            raise
        return [] if dry_run else taken

    def held(self, resource: Resource, obj: Object) -> list[str]:
        """The keys that an object holds."""
        if resource.kind.plural != "services" or resource.kind.group:
            return []
        return [*map(addresses.key, addresses.held(obj)), *map(nodeports.key, nodeports.held(obj))]

    def dropped(self, resource: Resource, old: Object, new: Object) -> list[str]:
        """The keys that an update lets go."""
        still = set(self.held(resource, new))
        return [key for key in self.held(resource, old) if key not in still]

    async def undo(self, keys: list[str]) -> None:
        """Give back keys that were taken for a Service that was not written."""
        await self.release(keys, LARGEST_REVISION)

    async def release(self, keys: list[str], revision: int) -> None:
        """Give back keys that a Service has let go at a revision, unless another one has taken them since."""
        for key in keys:
            present = await self._store.get(key)
            if present is not None and present.revision < revision:
                try:
                    await self._store.delete(key, present.revision)
                except Lost:
                    continue
        keys.clear()

    # --- addresses ---

    def _check_families(self, new: Object) -> None:
        """The site has addresses of one family (initIPFamilyFields in pkg/registry/core/service/storage/alloc.go)."""
        spec = new.get("spec") or {}
        if spec.get("type") == "ExternalName":
            return
        for index, family in enumerate(spec.get("ipFamilies") or ()):
            if family != f"IPv{self._network.version}" and spec.get("clusterIP") != "None":
                raise _refused(new, f"spec.ipFamilies[{index}]", family, "not configured on this cluster")
        if spec.get("ipFamilyPolicy") == "RequireDualStack" and spec.get("clusterIP") != "None":
            detail = "this cluster is not configured for dual-stack services"
            raise _refused(new, "spec.ipFamilyPolicy", "RequireDualStack", detail)

    async def _allocate_addresses(self, new: Object, old: Object | None, taken: _Taken) -> None:
        if not addresses.wanted(new):
            return
        have = set(addresses.held(old)) if old else set()
        given = addresses.held(new)
        if not given:
            addresses.assign(new, await self._free_address(new, taken))
            return
        for address in given:
            if address not in have and (why := await self._address_hindrance(address, new, taken)):
                raise _refused(new, "spec.clusterIPs", given, f"failed to allocate IP {address}: {why}")

    async def _address_hindrance(self, address: str, new: Object, taken: _Taken) -> str:
        """Take an address that a Service names; why it cannot be had, if so (registry/core/service/ipallocator)."""
        wanted, network = ipaddress.ip_address(address), self._network
        if wanted not in network:
            return "the provided network does not match the current range"
        if wanted in (network.network_address, network.broadcast_address):
            return f"the provided IP ({address}) is not in the valid range. The range of valid IPs is {network}"
        free = await self._take(addresses.key(address), addresses.claim(address, new), taken)
        return "" if free else "provided IP is already allocated"

    async def _free_address(self, obj: Object, taken: _Taken) -> str:
        low, count = int(self._network.network_address), self._network.num_addresses
        for offset in _candidates(1, count - 1):
            address = str(ipaddress.ip_address(low + offset))
            if await self._take(addresses.key(address), addresses.claim(address, obj), taken):
                return address
        raise _exhausted(obj, "failed to allocate a serviceIP: range is full")

    # --- ports ---

    async def _allocate_ports(self, new: Object, old: Object | None, taken: _Taken) -> None:
        have = set(nodeports.held(old)) if old else set()
        for index, port in enumerate(nodeports.wanting(new)):
            number = port.get("nodePort")
            if not number:
                port["nodePort"] = await self._free_port(new, taken)
            elif number in have or nodeports.key(number) in taken:
                continue
            elif why := await self._hindrance(number, new, taken):
                raise _refused(new, f"spec.ports[{index}].nodePort", number, why)
        if nodeports.wants_health_check(new):
            await self._allocate_health_check(new, have, taken)

    async def _allocate_health_check(self, new: Object, have: set[int], taken: _Taken) -> None:
        """The port on which nodes answer health checks is one like others (allocHealthCheckNodePort in alloc.go)."""
        number = new["spec"].get("healthCheckNodePort")
        if not number:
            new["spec"]["healthCheckNodePort"] = await self._free_port(new, taken)
        elif number not in have and (why := await self._hindrance(number, new, taken)):
            text = f"failed to allocate requested HealthCheck NodePort {number}: {why}"
            raise errors.Internal(f"Internal error occurred: {text}", causes=[{"message": text}])

    async def _hindrance(self, number: int, new: Object, taken: _Taken) -> str:
        """Take a node port that a Service names; why it cannot be had, if so."""
        if number not in self._ports:
            valid = f"{self._ports[0]}-{self._ports[-1]}"
            return f"provided port is not in the valid range. The range of valid ports is {valid}"
        free = await self._take(nodeports.key(number), nodeports.claim(number, new), taken)
        return "" if free else "provided port is already allocated"

    async def _free_port(self, obj: Object, taken: _Taken) -> int:
        for offset in _candidates(0, len(self._ports)):
            number = self._ports[offset]
            if await self._take(nodeports.key(number), nodeports.claim(number, obj), taken):
                return number
        raise _exhausted(obj, "failed to allocate a nodePort: range is full")

    # --- keys ---

    async def _take(self, key: str, claim: Object, taken: _Taken) -> bool:
        if taken.rehearsed:
            present = await self._store.get(key)
            if key in taken or (present is not None and not self._abandoned(present.load(), key)):
                return False
            taken.append(key)
            return True
        try:
            await self._store.create(key, claim)
        except Lost as lost:
            if lost.current is None or not self._abandoned(lost.current.load(), key):
                return False
            try:
                await self._store.replace(key, encoding.dump(claim), lost.current.revision)
            except Lost:
                return False
        taken.append(key)
        return True

    def _abandoned(self, claim: Object, key: str) -> bool:
        """Whether the Service that a claim names is long gone or holds something else."""
        if not addresses.old_enough(claim):
            return False
        parent = (claim.get("spec") or {}).get("parentRef") or {}
        entry = self._services.objects.get(parent.get("namespace", ""), parent.get("name", ""))
        return entry is None or key not in self.held(self._services, entry.load())


def _candidates(first: int, end: int) -> Iterator[int]:
    """Some numbers at random, then all of them: a range that is nearly full is still used up."""
    for _ in range(_RANDOM_TRIES):
        yield random.randrange(first, end)  # noqa: S311  # spreads servers, hides nothing
    yield from range(first, end)


def _refused(obj: Object, path: str, value: Any, detail: str) -> errors.StatusError:
    target = errors.Target(kind="Service", name=obj["metadata"]["name"])
    return errors.invalid(target, [fielderrors.invalid(path, value, detail)])


def _exhausted(obj: Object, text: str) -> errors.StatusError:
    return errors.Internal(text, errors.Target(kind="Service", name=obj["metadata"]["name"]))
