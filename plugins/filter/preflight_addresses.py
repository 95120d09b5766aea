"""Preflight of addresses: each is given once, in its range, and no two ranges overlap. Pure functions."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Machines = Mapping[str, Mapping[str, Any]]
Problem = dict[str, str]

# Ranges of the whole site, by variable.
SITE_RANGES = ("site_vip_cidrs", "site_snat_cidr", "site_service_cidr", "site_management_cidr")

# Variables that hold one machine's own value: two machines with the same one cannot both work.
OWN = ("ansible_host", "machine_address", "machine_asn", "machine_snat_address")

# Addresses of a site variable that must lie in the range of another.
SITE_WITHIN = (("site_ingress_vip", "site_vip_cidrs"), ("site_cluster_dns", "site_service_cidr"))

# The same for a machine's variables.
MACHINE_WITHIN = (
    ("machine_address", "rack_cidr"),
    ("rack_gateway", "rack_cidr"),
    ("machine_snat_address", "site_snat_cidr"),
    ("center_pod_cidr", "site_pod_cidr"),
    ("ansible_host", "site_management_cidr"),
)


def problem(where: str, what: str, remedy: str) -> Problem:
    """One finding: which host or setting, which value, what to do."""
    return {"where": where, "what": what, "remedy": remedy}


def network(value: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """A range or address as a network; None where it is neither, which the check of types reports."""
    try:
        return ipaddress.ip_network(str(value))
    except ValueError:
        return None


def as_list(value: Any) -> list[Any]:
    """A value that may be one or several."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def duplicates(machines: Machines) -> Iterator[Problem]:
    """The same address or number on two machines, whatever the variables that give it."""
    owners: dict[str, str] = {}
    for host, variables in machines.items():
        for name in OWN:
            value = variables.get(name)
            if value is None:
                continue
            key = f"asn {value}" if name == "machine_asn" else str(value)
            if key in owners:
                yield problem(
                    host,
                    f"{name} {value} is also {owners[key]}",
                    "give each machine its own in the inventory",
                )
            owners.setdefault(key, f"{name} of {host}")
    yield from shared_addresses(machines, owners)


def shared_addresses(machines: Machines, owners: dict[str, str]) -> Iterator[Problem]:
    """The addresses of links and of anycast services, against one another and those of machines."""
    site = first(machines)
    for link in site.get("site_links") or []:
        for end in ("a", "b"):
            address, owner = (
                str(link.get(f"{end}_address")),
                f"{link.get(end)} on the link {link.get('a')}-{link.get('b')}",
            )
            if address in owners:
                yield problem(owner, f"address {address} is also {owners[address]}", "give each end of a link its own")
            owners.setdefault(address, f"that of {owner}")
    for name in ("site_api_address", "site_dns_address", "site_ingress_vip", "site_cluster_dns"):
        address = str(site.get(name))
        if name in site and address in owners:
            yield problem(name, f"address {address} is also {owners[address]}", f"choose another address for {name}")
        owners.setdefault(address, name)


def ranges(machines: Machines) -> dict[str, Any]:
    """Every range of the site by a name that a reader finds in the inventory."""
    site = first(machines)
    found: dict[str, Any] = {}
    for name in SITE_RANGES:
        for index, value in enumerate(as_list(site.get(name))):
            found[f"{name}[{index}]" if index else name] = value
    for variables in machines.values():
        if variables.get("rack_cidr"):
            found[f"rack_cidr of {variables.get('rack_name')}"] = variables["rack_cidr"]
        if variables.get("center_pod_cidr"):
            found[f"center_pod_cidr of {variables.get('center_name')}"] = variables["center_pod_cidr"]
    for link in site.get("site_links") or []:
        found[f"link {link.get('a')}-{link.get('b')}"] = f"{link.get('a_address')}/31"
    for name in ("site_api_address", "site_dns_address"):
        if name in site:
            found[name] = site[name]
    return found


def overlaps(machines: Machines) -> Iterator[Problem]:
    """Two ranges that share an address."""
    parsed = {name: loose(value) for name, value in ranges(machines).items()}
    for (one, a), (two, b) in itertools.combinations(parsed.items(), 2):
        if a and b and a.version == b.version and a.overlaps(b):
            yield problem(one, f"{a} overlaps {b} ({two})", "choose ranges that share no address")


def loose(value: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """A network even where host bits are set: the odd end of a link names the same /31."""
    try:
        return ipaddress.ip_network(str(value), strict=False)
    except ValueError:
        return None


def outside(machines: Machines) -> Iterator[Problem]:
    """An address outside the range that it belongs to."""
    site = first(machines)
    for name, range_name in SITE_WITHIN:
        yield from not_within(name, site, name, range_name)
    for host, variables in machines.items():
        for name, range_name in MACHINE_WITHIN:
            yield from not_within(host, variables, name, range_name)


def not_within(where: str, variables: Mapping[str, Any], name: str, range_name: str) -> Iterator[Problem]:
    """A finding unless the value of `name` lies in one of the ranges of `range_name`."""
    value = network(variables.get(name))
    allowed = [cidr for cidr in map(network, as_list(variables.get(range_name))) if cidr]
    if value is None or not allowed:
        return
    if not any(value.version == cidr.version and value.subnet_of(cidr) for cidr in allowed):  # type: ignore[arg-type]
        listed = ", ".join(map(str, allowed))
        yield problem(
            where, f"{name} {variables[name]} lies outside {range_name} {listed}", f"correct {name} or {range_name}"
        )


def first(machines: Machines) -> Mapping[str, Any]:
    """Variables of any machine: settings of the site are the same on all."""
    return next(iter(machines.values()), {})


def address_problems(machines: Machines) -> list[Problem]:
    """Everything that is wrong with the addresses of an inventory."""
    return [*duplicates(machines), *overlaps(machines), *outside(machines)]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters of this file by name."""
        return {"address_problems": address_problems}
