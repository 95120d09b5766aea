"""Facts that follow from the inventory: names, addresses and URLs of the site's machines. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

HostVars = Mapping[str, Mapping[str, Any]]


def site_addresses(hostvars: HostVars, hosts: Iterable[str]) -> dict[str, str]:
    """Name to address inside the site; a router without an address of its own is known by its first link's."""
    addresses: dict[str, str] = {}
    for host in hosts:
        variables = hostvars[host]
        address = variables.get("machine_address") or link_address(host, variables.get("site_links") or [])
        if address:
            addresses[host] = str(address)
    return addresses


def link_address(host: str, links: Iterable[Mapping[str, Any]]) -> str | None:
    """A router's address on the first link that it has."""
    for link in links:
        for end in ("a", "b"):
            if link[end] == host:
                return str(link[f"{end}_address"])
    return None


def machine_urls(hosts: Iterable[str], hostvars: HostVars, port: int, variable: str = "machine_address") -> list[str]:
    """HTTPS URLs of a service on machines."""
    return [f"https://{hostvars[host][variable]}:{port}" for host in hosts]


def endpoints(hosts: Iterable[str], hostvars: HostVars, port: int) -> list[str]:
    """ADDRESS:PORT of a service on machines."""
    return [f"{hostvars[host]['machine_address']}:{port}" for host in hosts]


def host_urls(
    hosts: Iterable[str], hostvars: HostVars, variable: str, port_variable: str = "site_api_port"
) -> dict[str, str]:
    """Machine to the HTTPS URL of its API server."""
    found = {host: hostvars[host] for host in hosts}
    return {host: f"https://{values[variable]}:{values[port_variable]}" for host, values in found.items()}


def nearest_first(hosts: Iterable[str], hostvars: HostVars, host: str) -> list[str]:
    """Machines in the order in which one asks them: itself, its rack, its center, its location, the others.

    Equal distances keep the inventory's order.
    """
    mine = hostvars[host]

    def distance(other: str) -> int:
        theirs = hostvars[other]
        same = [other == host] + [
            mine.get(place) is not None and mine.get(place) == theirs.get(place)
            for place in ("rack_name", "center_name", "location_name")
        ]
        return same.index(True) if True in same else len(same)

    return sorted(hosts, key=distance)


def with_value(hosts: Iterable[str], hostvars: HostVars, variable: str, value: Any) -> list[str]:
    """Those machines whose variable has a value: `groups.node | with_value(hostvars, 'rack_name', rack_name)`."""
    return [host for host in hosts if hostvars[host].get(variable) == value]


def etcd_members(hosts: Iterable[str], hostvars: HostVars) -> list[dict[str, str]]:
    """Name and address of every voter."""
    return [{"name": host, "address": str(hostvars[host]["machine_address"])} for host in hosts]


def host_values(hosts: Iterable[str], hostvars: HostVars, variable: str) -> dict[str, Any]:
    """Machine to the value of one of its variables."""
    return {host: hostvars[host][variable] for host in hosts}


def center_values(hostvars: HostVars, centers: Iterable[str], variable: str) -> dict[str, Any]:
    """Center to the value of one of its variables, such as center_pod_cidr."""
    found: dict[str, Any] = {}
    for host in hostvars:
        variables = hostvars[host]
        if variables.get("center_name") is not None and variable in variables:
            found.setdefault(variables["center_name"], variables[variable])
    return {center: found[center] for center in centers if center in found}


def node_labels(variables: Mapping[str, Any]) -> dict[str, str]:
    """The labels that say where a node stands."""
    return {
        "topology.kubernetes.io/region": str(variables["location_name"]),
        "topology.kubernetes.io/zone": str(variables["center_name"]),
        "topology.tricenter.io/rack": str(variables["rack_name"]),
    }


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters of this file by name."""
        return {
            "site_addresses": site_addresses,
            "machine_urls": machine_urls,
            "endpoints": endpoints,
            "host_urls": host_urls,
            "nearest_first": nearest_first,
            "with_value": with_value,
            "etcd_members": etcd_members,
            "host_values": host_values,
            "center_values": center_values,
            "node_labels": node_labels,
        }
