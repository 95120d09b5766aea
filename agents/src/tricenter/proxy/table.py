"""The fixed part of the table: hooks, sets and maps that the fragments of Services fill.

    prerouting, output → services → service-ips / service-nodeports → chains of the Service
    postrouting → hairpin and marked packets get the node's own address

Only the first packet of a connection passes here (nat hooks); connection tracking carries the rest, so the number
of Services costs nothing per packet, and one lookup per connection.
"""

from dataclasses import dataclass
from typing import Any

from tricenter.proxy.fragment import Expression, Rule

FAMILY = "ip"
TABLE = "tricenter_proxy"

SERVICE_IPS = "service-ips"
NODE_PORTS = "service-nodeports"
CLUSTER_IPS = "cluster-ips"
HAIRPIN = "hairpin"
LOCAL_PODS = "local-pods"
NODE_PORT_IPS = "nodeport-ips"
REJECT = "reject"

MASQUERADE_MARK = 0x4000
"""Bit of the packet mark that asks for the node's address as source; the bit upstream's proxies use."""

SET_TYPES: dict[str, tuple[str, ...]] = {
    SERVICE_IPS: ("ipv4_addr", "inet_proto", "inet_service"),
    NODE_PORTS: ("inet_proto", "inet_service"),
    CLUSTER_IPS: ("ipv4_addr",),
    HAIRPIN: ("ipv4_addr", "ipv4_addr"),
    LOCAL_PODS: ("ipv4_addr",),
    NODE_PORT_IPS: ("ipv4_addr",),
}
VERDICT_MAPS = (SERVICE_IPS, NODE_PORTS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """Of this node: addresses that NodePorts answer on, range of its pods, range of all cluster addresses."""

    node_port_addresses: tuple[str, ...] = ()
    pod_cidrs: tuple[str, ...] = ()
    service_cidr: str = ""


def ip(field: str) -> Expression:
    """Field of the IP header."""
    return {"payload": {"protocol": "ip", "field": field}}


L4PROTO: Expression = {"meta": {"key": "l4proto"}}
DPORT: Expression = {"payload": {"protocol": "th", "field": "dport"}}


def match(left: Expression, right: Any, operator: str = "==") -> Expression:
    """Comparison; `right` may be a value, a prefix or `@set`."""
    return {"match": {"op": operator, "left": left, "right": right}}


def goto(chain: str) -> Expression:
    """Continue in another chain and do not come back."""
    return {"goto": {"target": chain}}


def prefix(cidr: str) -> Expression:
    """A network as libnftables-json writes it."""
    address, _, length = cidr.partition("/")
    return {"prefix": {"addr": address, "len": int(length or 32)}}


def mark() -> Expression:
    """Ask for masquerading in postrouting."""
    return {"mangle": {"key": {"meta": {"key": "mark"}}, "value": {"|": [{"meta": {"key": "mark"}}, MASQUERADE_MARK]}}}


def _unmark() -> Expression:
    return {"mangle": {"key": {"meta": {"key": "mark"}}, "value": {"^": [{"meta": {"key": "mark"}}, MASQUERADE_MARK]}}}


MASQUERADE: Expression = {"masquerade": {"flags": "fully-random"}}


def _services(node: Node) -> list[Rule]:
    rules: list[Rule] = [
        ({"vmap": {"key": {"concat": [ip("daddr"), L4PROTO, DPORT]}, "data": f"@{SERVICE_IPS}"}},),
        (
            match(ip("daddr"), f"@{NODE_PORT_IPS}"),
            {"vmap": {"key": {"concat": [L4PROTO, DPORT]}, "data": f"@{NODE_PORTS}"}},
        ),
        # A cluster address is nobody's interface: without these a packet to a closed port would go to the default
        # gateway and come back until its TTL ends.
        (match(ip("daddr"), f"@{CLUSTER_IPS}"), goto(REJECT)),
    ]
    if node.service_cidr:
        rules.append((match(ip("daddr"), prefix(node.service_cidr)), {"drop": None}))
    return rules


def _prerouting(node: Node) -> list[Rule]:
    jump: Rule = ({"jump": {"target": "services"}},)
    if not node.pod_cidrs:
        return [jump]
    # Whoever reaches a cluster address from elsewhere than a pod of this node would get the reply from the pod
    # directly and not know it; so the reply has to come back through this node.
    foreign = (match(ip("daddr"), f"@{CLUSTER_IPS}"), match(ip("saddr"), f"@{LOCAL_PODS}", "!="), mark())
    return [foreign, jump]


def _postrouting() -> list[Rule]:
    hairpin = {"concat": [ip("saddr"), ip("daddr")]}
    marked = {"&": [{"meta": {"key": "mark"}}, MASQUERADE_MARK]}
    return [
        # A pod that reaches itself through its Service would see its own address as the peer and drop the packet.
        ({"match": {"op": "in", "left": {"ct": {"key": "status"}}, "right": "dnat"}}, match(hairpin, f"@{HAIRPIN}"),
         MASQUERADE),
        # Replies of this node's pods pass through this node anyway: the pod may see the client's address.
        (match(ip("daddr"), f"@{LOCAL_PODS}", "!="), match(marked, MASQUERADE_MARK), _unmark(), MASQUERADE),
    ]  # fmt: skip


def chains(node: Node) -> dict[str, list[Rule]]:
    """The fixed chains and their rules."""
    return {
        REJECT: [({"reject": {"type": "icmp", "expr": "port-unreachable"}},)],
        "services": _services(node),
        "prerouting": _prerouting(node),
        "output": [({"jump": {"target": "services"}},)],
        "postrouting": _postrouting(),
    }


HOOKS: dict[str, tuple[str, int]] = {
    "prerouting": ("prerouting", -100),
    "output": ("output", -100),
    "postrouting": ("postrouting", 100),
}
