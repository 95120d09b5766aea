"""From a Service port and its endpoints to nftables: the decision this agent makes.

Chains of a port, each made only when something leads to it:

    service/NS/NAME/PROTO/PORT     one of all endpoints, by a random number
    local/…                        one of this node's endpoints
    external/…                     entry for NodePort, external and load balancer addresses
    firewall/…                     `loadBalancerSourceRanges`, then external/…
    endpoint/…/ADDRESS/PORT        only with session affinity: remember the client, then go to the endpoint
"""

from tricenter.proxy import table
from tricenter.proxy.endpoints import Choice, Endpoint
from tricenter.proxy.fragment import Expression, Fragment, Key, Rule
from tricenter.proxy.services import ServicePort
from tricenter.proxy.table import goto, ip, match

DROP = "drop"
INLINE = 16
"""Up to this many endpoints are written as rules, more as one map. The kernel searches a free name for each map
without a name through all maps of the table: 10,000 of them take 30 s to load, 10,000 short chains one."""
LOCAL_SOURCE: Expression = {"fib": {"result": "type", "flags": ["saddr"]}}


def fragment(port: ServicePort, choice: Choice, node: str) -> Fragment:
    """All chains and elements for `port` on the node named `node`."""
    chains: dict[str, tuple[Rule, ...]] = {}
    timed: dict[str, int] = {}
    uses_local = port.internal_local or (port.external_local and port.reached_from_outside)
    groups = {"service": choice.cluster, "local": choice.local if uses_local else ()}
    for group, endpoints in groups.items():
        if endpoints:
            chains[f"{group}/{port.id}"] = _dispatch(port, endpoints)
    if port.affinity_seconds:
        for endpoint in {endpoint for endpoints in groups.values() for endpoint in endpoints}:
            chains[_endpoint_chain(port, endpoint)] = _sticky(port, endpoint)
            timed[_affinity_set(port, endpoint)] = port.affinity_seconds
    if port.reached_from_outside and choice.cluster:
        chains[f"external/{port.id}"] = _external(port, choice)
        if port.source_ranges and port.load_balancer_ips:
            chains[f"firewall/{port.id}"] = _firewall(port)
    return Fragment(chains=chains, timed_sets=timed, elements=_elements(port, choice, node))


def _elements(port: ServicePort, choice: Choice, node: str) -> dict[tuple[str, Key], str | None]:
    elements: dict[tuple[str, Key], str | None] = {}
    inside = _inside_target(port, choice)
    outside = f"external/{port.id}" if choice.cluster else table.REJECT
    balanced = f"firewall/{port.id}" if port.source_ranges and choice.cluster else outside
    for addresses, target in (
        (port.load_balancer_ips, balanced),
        (port.external_ips, outside),
        (port.cluster_ips, inside),
    ):
        for address in addresses:
            elements[table.SERVICE_IPS, (address, port.protocol, port.port)] = target
    for address in port.cluster_ips:
        elements[table.CLUSTER_IPS, (address,)] = None
    if port.node_port:
        elements[table.NODE_PORTS, (port.protocol, port.node_port)] = outside
    for endpoint in choice.cluster + choice.local:
        if endpoint.node == node:
            elements[table.HAIRPIN, (endpoint.address, endpoint.address)] = None
    return elements


def _inside_target(port: ServicePort, choice: Choice) -> str:
    """Where the cluster address leads: nobody at all is refused, nobody on this node alone is dropped (KEP-2086)."""
    if not choice.cluster:
        return table.REJECT
    if not port.internal_local:
        return f"service/{port.id}"
    return f"local/{port.id}" if choice.local else DROP


def _external(port: ServicePort, choice: Choice) -> tuple[Rule, ...]:
    everywhere = goto(f"service/{port.id}")
    if not port.external_local:
        # The endpoint may be on another node: the reply has to come back here. Pods of this node get theirs anyway.
        return ((match(ip("saddr"), f"@{table.LOCAL_PODS}", "!="), table.mark()), (everywhere,))
    rest: Rule = (goto(f"local/{port.id}"),) if choice.local else ({DROP: None},)
    return (
        # Who is inside the cluster already is not bound to this node's endpoints, as upstream does it.
        (match(ip("saddr"), f"@{table.LOCAL_PODS}"), everywhere),
        (match(LOCAL_SOURCE, "local"), table.mark(), everywhere),
        rest,
    )


def _firewall(port: ServicePort) -> tuple[Rule, ...]:
    allowed: Expression = {"set": [table.prefix(cidr) for cidr in port.source_ranges]}
    return ((match(ip("saddr"), allowed, "!="), {DROP: None}), (goto(f"external/{port.id}"),))


def _random(count: int) -> Expression:
    return {"numgen": {"mode": "random", "mod": count, "offset": 0}}


def _dispatch(port: ServicePort, endpoints: tuple[Endpoint, ...]) -> tuple[Rule, ...]:
    if port.affinity_seconds:
        known: tuple[Rule, ...] = tuple(
            (match(ip("saddr"), f"@{_affinity_set(port, endpoint)}"), goto(_endpoint_chain(port, endpoint)))
            for endpoint in endpoints
        )
        targets = [[number, goto(_endpoint_chain(port, endpoint))] for number, endpoint in enumerate(endpoints)]
        return (*known, ({"vmap": {"key": _random(len(endpoints)), "data": {"set": targets}}},))
    if len(endpoints) <= INLINE:
        return _one_by_one(port, endpoints)
    numbered = [[number, {"concat": [point.address, point.port]}] for number, point in enumerate(endpoints)]
    return (_dnat(port, {"addr": {"map": {"key": _random(len(endpoints)), "data": {"set": numbered}}}}),)


def _one_by_one(port: ServicePort, endpoints: tuple[Endpoint, ...]) -> tuple[Rule, ...]:
    """The first of n takes one in n, the next one in n-1 of the rest, the last all: every endpoint the same share."""
    rules: list[Rule] = []
    for left, endpoint in zip(range(len(endpoints), 0, -1), endpoints, strict=True):
        chance: Rule = (match(_random(left), 0),) if left > 1 else ()
        rules.append(chance + _dnat(port, {"addr": endpoint.address, "port": endpoint.port}))
    return tuple(rules)


def _dnat(port: ServicePort, to: Expression) -> Rule:
    # nft wants the protocol known in the rule itself before a port may be rewritten.
    return (match(table.L4PROTO, port.protocol), {"dnat": {"family": table.FAMILY, **to}})


def _sticky(port: ServicePort, endpoint: Endpoint) -> tuple[Rule, ...]:
    remember: Expression = {"set": {"op": "update", "elem": ip("saddr"), "set": f"@{_affinity_set(port, endpoint)}"}}
    return ((remember,), _dnat(port, {"addr": endpoint.address, "port": endpoint.port}))


def _endpoint_chain(port: ServicePort, endpoint: Endpoint) -> str:
    return f"endpoint/{port.id}/{endpoint.address}/{endpoint.port}"


def _affinity_set(port: ServicePort, endpoint: Endpoint) -> str:
    # The timeout is part of the name because a set's timeout cannot be changed.
    return f"affinity/{port.id}/{endpoint.address}/{endpoint.port}/{port.affinity_seconds}"
