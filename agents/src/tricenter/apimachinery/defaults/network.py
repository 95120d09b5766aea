"""Defaults of Services and of networking and discovery kinds."""

from tricenter.apimachinery.defaults.fields import Object, each, optional, put, section

_CLIENT_IP_TIMEOUT = 10_800


def service(obj: Object) -> None:
    """v1 Service. Cluster addresses, IP families and node ports are allocated by the server, not defaulted."""
    spec = section(obj, "spec")
    put(spec, "sessionAffinity", "None")
    put(spec, "type", "ClusterIP")
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        put(section(section(spec, "sessionAffinityConfig"), "clientIP"), "timeoutSeconds", _CLIENT_IP_TIMEOUT)
    for port in each(spec, "ports"):
        put(port, "protocol", "TCP")
        if port.get("targetPort") in {None, "", 0}:
            port["targetPort"] = port.get("port")
    kind = spec["type"]
    if kind in {"NodePort", "LoadBalancer"} or (kind == "ClusterIP" and spec.get("externalIPs")):
        put(spec, "externalTrafficPolicy", "Cluster")
    if kind in {"NodePort", "LoadBalancer", "ClusterIP"}:
        put(spec, "internalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        put(spec, "allocateLoadBalancerNodePorts", True)
    for ingress in each(optional(obj, "status", "loadBalancer"), "ingress"):
        if ingress.get("ip"):
            put(ingress, "ipMode", "VIP")


def endpoints(obj: Object) -> None:
    """v1 Endpoints."""
    for subset in each(obj, "subsets"):
        for port in each(subset, "ports"):
            put(port, "protocol", "TCP")


def endpoint_slice(obj: Object) -> None:
    """discovery.k8s.io/v1 EndpointSlice."""
    for port in each(obj, "ports"):
        port.setdefault("name", "")
        put(port, "protocol", "TCP")


def network_policy(obj: Object) -> None:
    """networking.k8s.io/v1 NetworkPolicy."""
    spec = section(obj, "spec")
    section(spec, "podSelector")
    for direction in ("ingress", "egress"):
        for rule in each(spec, direction):
            for port in each(rule, "ports"):
                put(port, "protocol", "TCP")
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def ingress_class(obj: Object) -> None:
    """networking.k8s.io/v1 IngressClass."""
    if parameters := optional(obj, "spec", "parameters"):
        put(parameters, "scope", "Cluster")
