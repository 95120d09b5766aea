"""Which Service has which public address: a pure decision of the leader.

An address belongs to one Service. A Service keeps what its status names for as long as that is in a pool, not reserved,
not another's, and not in conflict with what it asks for; else it gets what it asks for, or the lowest free address.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tricenter.balancer import services
from tricenter.balancer.services import Object


@dataclass(frozen=True)
class Pool:
    """Addresses that may be given away."""

    cidrs: tuple[str, ...]
    reserved: frozenset[str] = frozenset()

    def __contains__(self, address: object) -> bool:
        """Whether the address may be given to a Service."""
        try:
            value = ipaddress.ip_address(str(address))
        except ValueError:
            return False
        return str(value) not in self.reserved and any(value in ipaddress.ip_network(cidr) for cidr in self.cidrs)

    def __iter__(self) -> Iterator[str]:
        """Addresses in the order in which they are given away; some clients refuse a network's first and last."""
        for cidr in self.cidrs:
            for value in ipaddress.ip_network(cidr).hosts():
                if str(value) not in self.reserved:
                    yield str(value)


@dataclass(frozen=True)
class Assignment:
    """A Service's status is to name `address`, or none."""

    service: Object
    address: str = ""


@dataclass(frozen=True)
class Refusal:
    """A Service cannot have an address; `reason` says why to its owner."""

    service: Object
    reason: str


@dataclass(frozen=True)
class Plan:
    """What the leader has to write and to say."""

    assignments: tuple[Assignment, ...] = ()
    refusals: tuple[Refusal, ...] = ()


def plan(everything: Iterable[Object], pool: Pool, load_balancer_class: str) -> Plan:
    """Compare all Services with what they should have."""
    ordered = services.age_order(everything)
    ours = [service for service in ordered if services.is_ours(service, load_balancer_class)]
    taken = _kept(ours, pool)
    held = {services.key_of(service) for service in taken.values()}
    assignments, refusals = _released(ordered, ours, pool), []
    for service in ours:
        if services.key_of(service) in held:
            continue
        address, reason = _choose(service, pool, taken)
        if address:
            taken[address] = service
            assignments.append(Assignment(service, address))
            continue
        refusals.append(Refusal(service, reason))
        if services.addresses(service):
            assignments.append(Assignment(service))
    return Plan(tuple(assignments), tuple(refusals))


def _kept(ours: Sequence[Object], pool: Pool) -> dict[str, Object]:
    """Address to Service, for those whose status is right."""
    kept: dict[str, Object] = {}
    for service in ours:
        named = services.addresses(service)
        if len(named) != 1 or named[0] not in pool or named[0] in kept:
            continue
        if services.requested(service) in ("", named[0]):
            kept[named[0]] = service
    return kept


def _released(ordered: Sequence[Object], ours: Sequence[Object], pool: Pool) -> list[Assignment]:
    """Services that are not (any more) to have an address of ours, and name one."""
    mine = {services.key_of(service) for service in ours}
    return [
        Assignment(service)
        for service in ordered
        if services.key_of(service) not in mine
        and not service["metadata"].get("deletionTimestamp")
        and (service.get("spec") or {}).get("type") != "LoadBalancer"
        and any(address in pool for address in services.addresses(service))
    ]


def _choose(service: Object, pool: Pool, taken: dict[str, Object]) -> tuple[str, str]:
    """The address to give, or nothing and why."""
    wish = services.requested(service)
    if not wish:
        free = next((address for address in pool if address not in taken), "")
        return free, f"no free address in {', '.join(pool.cidrs)}"
    if wish not in pool:
        return "", f"{wish} is not an address of {', '.join(pool.cidrs)} that a Service may have"
    if wish in taken:
        return "", f"{wish} belongs to Service {services.key_of(taken[wish])}"
    return wish, ""
