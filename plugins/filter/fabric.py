"""Who peers with whom: the sessions of the fabric, derived from the links and racks of the inventory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

HostVars = Mapping[str, Mapping[str, Any]]
"""Variables of every machine by host name, as Ansible's `hostvars`."""


def _kind(host: Mapping[str, Any], neighbour: Mapping[str, Any]) -> str:
    """What a neighbour behind a link is, seen from here; a machine without a center is outside the site."""
    if "center_name" not in host:
        return "site"
    if "center_name" not in neighbour:
        return "internet"
    return "fabric" if host["center_name"] == neighbour["center_name"] else "center"


def link_peers(host: str, hostvars: HostVars, links: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Neighbours at the other ends of a router's own links."""
    peers = []
    for link in links:
        for near, far in (("a", "b"), ("b", "a")):
            if link[near] == host:
                name = link[far]
                peers.append(
                    {
                        "name": name,
                        "address": link[f"{far}_address"],
                        "asn": hostvars[name]["machine_asn"],
                        "kind": _kind(hostvars[host], hostvars[name]),
                    }
                )
    return peers


def server_peers(
    host: str, hostvars: HostVars, servers: Iterable[str], announcers: Mapping[str, Iterable[str]]
) -> list[dict[str, Any]]:
    """Servers below an access switch. `announcers`: what may be announced (pods, anycast, vips) → hosts that may."""
    rack = hostvars[host].get("rack_name")
    if rack is None:
        return []
    return [
        {
            "name": name,
            "address": hostvars[name]["machine_address"],
            "asn": hostvars[name]["machine_asn"],
            "kind": "server",
            "announces": [what for what, hosts in announcers.items() if name in hosts],
        }
        for name in servers
        if name != host and hostvars[name].get("rack_name") == rack
    ]


def rack_peers(host: str, hostvars: HostVars, routers: Iterable[str]) -> list[dict[str, Any]]:
    """A server's access switches: `rack_peers` where the inventory gives them, else the router that is its gateway."""
    mine = hostvars[host]
    given = mine.get("rack_peers")
    if given is None:
        given = [
            {"name": name, "address": mine["rack_gateway"], "asn": hostvars[name]["machine_asn"]}
            for name in routers
            if hostvars[name].get("machine_address") == mine["rack_gateway"]
        ]
    if not given:
        raise AnsibleFilterError(
            f"{host}: no BGP neighbour; give rack_peers for rack {mine.get('rack_name')} or a router with the "
            f"address of its gateway {mine.get('rack_gateway')}"
        )
    return [{**peer, "kind": "rack"} for peer in given]


def link_interfaces(peers: Iterable[Mapping[str, Any]]) -> list[str]:
    """Interfaces of a router towards the site; each is named after the machine at its other end."""
    return [peer["name"] for peer in peers if peer["kind"] in {"fabric", "center"}]


def rack_addresses(hosts: Iterable[str], hostvars: HostVars, rack: str) -> list[str]:
    """Addresses of those of `hosts` that stand in `rack`."""
    return [hostvars[name]["machine_address"] for name in hosts if hostvars[name].get("rack_name") == rack]


class FilterModule:
    """Filters that Ansible finds by this name."""

    def filters(self) -> dict[str, Any]:
        """Name of each filter and what it calls."""
        return {
            "link_interfaces": link_interfaces,
            "link_peers": link_peers,
            "rack_addresses": rack_addresses,
            "rack_peers": rack_peers,
            "server_peers": server_peers,
        }
