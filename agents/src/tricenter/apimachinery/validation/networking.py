"""Rules of Ingress, NetworkPolicy, EndpointSlice and their relatives."""

import ipaddress

from tricenter.apimachinery import fielderrors, names
from tricenter.apimachinery.validation.rules import (
    PROTOCOLS,
    Errors,
    Object,
    address,
    cidr,
    domain_path,
    each,
    named,
    one_of,
    ordinary_address,
    port_number,
    port_or_name,
    required,
    required_name,
    selector,
    sub,
    unchanged,
    unique,
)  # fmt: skip

_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_BAD_IN_PATH = ("//", "/./", "/../", "%2f", "%2F")
_MAX_ENDPOINTS, _MAX_ADDRESSES, _MAX_PORTS = 1000, 100, 20_000


def ingress(obj: Object) -> Errors:
    """networking.k8s.io/v1 Ingress."""
    spec = sub(obj, "spec")
    if not spec.get("rules") and spec.get("defaultBackend") is None:
        yield fielderrors.invalid(
            "spec", spec.get("rules") or [], "either `defaultBackend` or `rules` must be specified"
        )
    if spec.get("defaultBackend") is not None:
        yield from _backend(spec["defaultBackend"], "spec.defaultBackend")
    for where, rule in each(spec, "rules", "spec"):
        yield from _host(rule.get("host", ""), f"{where}.host")
        if "http" in rule:
            yield from _paths(sub(rule, "http"), f"{where}.http")
    for where, tls in each(spec, "tls", "spec"):
        for index, host in enumerate(tls.get("hosts") or ()):
            check = names.wildcard_subdomain if "*" in host else names.dns_subdomain
            yield from named(check, host, f"{where}.hosts[{index}]")
    if spec.get("ingressClassName"):
        yield from named(names.dns_subdomain, spec["ingressClassName"], "spec.ingressClassName")


def _host(host: str, path: str) -> Errors:
    if not host:
        return
    try:
        ipaddress.ip_address(host)
    except ValueError:
        yield from named(names.wildcard_subdomain if "*" in host else names.dns_subdomain, host, path)
    else:
        yield fielderrors.invalid(path, host, "must be a DNS name, not an IP address")


def _paths(http: Object, path: str) -> Errors:
    if not http.get("paths"):
        yield fielderrors.required(f"{path}.paths")
    for where, found in each(http, "paths", path):
        value, kind = found.get("path", ""), found.get("pathType")
        if kind is None:
            yield fielderrors.required(f"{where}.pathType", "pathType must be specified")
        else:
            yield from one_of(found, "pathType", where, _PATH_TYPES)
        if kind in {"Exact", "Prefix"} or value:
            if not value.startswith("/"):
                yield fielderrors.invalid(f"{where}.path", value, "must be an absolute path")
            for bad in _BAD_IN_PATH if kind in {"Exact", "Prefix"} else ():
                if bad in value:
                    yield fielderrors.invalid(f"{where}.path", value, f"must not contain '{bad}'")
        yield from _backend(sub(found, "backend"), f"{where}.backend")


def _backend(found: Object, path: str) -> Errors:
    service, resource = found.get("service"), found.get("resource")
    if resource is not None and service is not None:
        yield fielderrors.invalid(path, "", "cannot set both resource and service backends")
    elif service is not None:
        yield from required_name(service, "name", f"{path}.service", names.dns_label_1035)
        port, where = sub(service, "port"), f"{path}.service.port"
        if port.get("name") and port.get("number"):
            yield fielderrors.invalid(path, "", "cannot set both port name & port number")
        elif port.get("name"):
            yield from named(names.port_name, port["name"], f"{where}.name")
        elif port.get("number"):
            yield from port_number(port["number"], f"{where}.number")
        else:
            yield fielderrors.required(path, "port name or number is required")
    elif resource is not None:
        yield from required(resource, "kind", f"{path}.resource")
        yield from required(resource, "name", f"{path}.resource")
    else:
        yield fielderrors.required(path, "resource or service backend is required")


def ingress_class(obj: Object) -> Errors:
    """networking.k8s.io/v1 IngressClass."""
    spec = sub(obj, "spec")
    yield from domain_path(str(spec.get("controller", "")), "spec.controller")
    if parameters := spec.get("parameters"):
        for key in ("kind", "name"):
            yield from required(parameters, key, "spec.parameters")
        scope = parameters.get("scope")
        yield from one_of(parameters, "scope", "spec.parameters", ("Cluster", "Namespace"))
        if scope == "Namespace":
            yield from required(parameters, "namespace", "spec.parameters")
        elif parameters.get("namespace") is not None:
            detail = "`parameters.scope` is set to 'Cluster'"
            yield fielderrors.forbidden("spec.parameters.namespace", detail)


def ingress_class_update(old: Object, new: Object) -> Errors:
    """The controller stays."""
    yield from unchanged(sub(old, "spec"), sub(new, "spec"), "spec", "controller")
    yield from ingress_class(new)


def network_policy(obj: Object) -> Errors:
    """networking.k8s.io/v1 NetworkPolicy."""
    spec = sub(obj, "spec")
    yield from selector(spec.get("podSelector"), "spec.podSelector")
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for where, rule in each(spec, direction, "spec"):
            for port_path, port in each(rule, "ports", where):
                yield from _policy_port(port, port_path)
            for peer_path, peer in each(rule, peers, where):
                yield from _peer(peer, peer_path)
    types = spec.get("policyTypes") or []
    if len(types) > 2:
        yield fielderrors.invalid("spec.policyTypes", types, "may not specify more than two policyTypes")
        return
    for index, kind in enumerate(types):
        if kind not in {"Egress", "Ingress"}:
            yield fielderrors.not_supported(f"spec.policyTypes[{index}]", kind, ("Egress", "Ingress"))


def _policy_port(port: Object, path: str) -> Errors:
    yield from one_of(port, "protocol", path, PROTOCOLS)
    value, end = port.get("port"), port.get("endPort")
    if value is not None:
        yield from port_or_name(value, f"{path}.port")
    if end is None:
        return
    if value is None:
        yield fielderrors.invalid(f"{path}.endPort", end, "may not be specified when `port` is not specified")
    elif isinstance(value, str):
        yield fielderrors.invalid(f"{path}.endPort", end, "may not be specified when `port` is non-numeric")
    else:
        if end < value:
            yield fielderrors.invalid(f"{path}.endPort", end, "must be greater than or equal to `port`")
        yield from port_number(end, f"{path}.endPort")


def _peer(peer: Object, path: str) -> Errors:
    block = peer.get("ipBlock")
    selecting = [key for key in ("podSelector", "namespaceSelector") if peer.get(key) is not None]
    for key in selecting:
        yield from selector(peer[key], f"{path}.{key}")
    if block is None:
        if not selecting:
            yield fielderrors.required(path, "must specify a peer")
        return
    if selecting:
        yield fielderrors.forbidden(path, "may not specify both ipBlock and another peer")
    if not block.get("cidr"):
        yield fielderrors.required(f"{path}.ipBlock.cidr")
        return
    problems = list(cidr(block["cidr"], f"{path}.ipBlock.cidr"))
    yield from problems
    for index, value in enumerate(block.get("except") or ()):
        where = f"{path}.ipBlock.except[{index}]"
        wrong = list(cidr(value, where))
        yield from wrong
        if not problems and not wrong and not _strictly_inside(value, block["cidr"]):
            yield fielderrors.invalid(where, value, "must be a strict subset of `cidr`")


def _strictly_inside(inner: str, outer: str) -> bool:
    small, large = ipaddress.ip_network(inner, strict=False), ipaddress.ip_network(outer, strict=False)
    if small.version != large.version or small == large:
        return False
    return small.network_address in large and small.prefixlen > large.prefixlen


def endpoint_slice(obj: Object) -> Errors:
    """discovery.k8s.io/v1 EndpointSlice."""
    yield from _slice(obj)
    yield from _ordinary_endpoints(obj)


def _slice(obj: Object) -> Errors:
    kind = obj.get("addressType", "")
    if not kind:
        yield fielderrors.required("addressType")
    elif kind not in {"FQDN", "IPv4", "IPv6"}:
        yield fielderrors.not_supported("addressType", kind, ("FQDN", "IPv4", "IPv6"))
    count = len(obj.get("endpoints") or ())
    if count > _MAX_ENDPOINTS:
        yield fielderrors.too_many("endpoints", count, _MAX_ENDPOINTS)
        return
    for index, endpoint in enumerate(obj.get("endpoints") or ()):
        yield from _endpoint(endpoint, f"endpoints[{index}]", kind)
    ports = obj.get("ports") or ()
    if len(ports) > _MAX_PORTS:
        yield fielderrors.too_many("ports", len(ports), _MAX_PORTS)
        return
    names_seen: set[str] = set()
    for index, port in enumerate(ports):
        name = port.get("name") or ""
        if name in names_seen:
            yield fielderrors.duplicate("ports", name)
        names_seen.add(name)
        if name:
            yield from named(names.dns_label, name, f"ports[{index}].name")
        yield from one_of(port, "protocol", f"ports[{index}]", PROTOCOLS)


def _endpoint(endpoint: Object, path: str, kind: str) -> Errors:
    addresses = endpoint.get("addresses") or []
    if not addresses:
        yield fielderrors.required(f"{path}.addresses", "must contain at least 1 address")
    elif len(addresses) > _MAX_ADDRESSES:
        yield fielderrors.too_many(f"{path}.addresses", len(addresses), _MAX_ADDRESSES)
    for index, value in enumerate(addresses):
        where = f"{path}.addresses[{index}]"
        if kind == "FQDN":
            yield from named(names.dns_subdomain, value, where)
            continue
        problems = list(address(value, where))
        yield from problems
        if not problems and f"IPv{ipaddress.ip_address(value).version}" != kind:
            yield fielderrors.invalid(where, value, f"must be an {kind} address")
    if endpoint.get("nodeName"):
        yield from named(names.dns_subdomain, endpoint["nodeName"], f"{path}.nodeName")
    if endpoint.get("hostname"):
        yield from named(names.dns_label, endpoint["hostname"], f"{path}.hostname")


def _ordinary_endpoints(obj: Object) -> Errors:
    if obj.get("addressType") == "FQDN":
        return
    for number, endpoint in enumerate(obj.get("endpoints") or ()):
        for index, value in enumerate(endpoint.get("addresses") or ()):
            yield from ordinary_address(value, f"endpoints[{number}].addresses[{index}]")


def endpoint_slice_update(old: Object, new: Object) -> Errors:
    """The address type stays; addresses of loopback that were stored when they were taken do, too."""
    if old.get("addressType") != new.get("addressType"):
        yield fielderrors.invalid("addressType", new.get("addressType"), "field is immutable")
    yield from _slice(new)
    if old.get("endpoints") != new.get("endpoints"):
        yield from _ordinary_endpoints(new)


def endpoints(obj: Object) -> Errors:
    """v1 Endpoints."""
    yield from _subsets(obj)
    yield from _ordinary_subsets(obj)


def endpoints_update(old: Object, new: Object) -> Errors:
    """What is stored may stay, as in EndpointSlices."""
    yield from _subsets(new)
    if old.get("subsets") != new.get("subsets"):
        yield from _ordinary_subsets(new)


def _ordinary_subsets(obj: Object) -> Errors:
    for index, subset in enumerate(obj.get("subsets") or ()):
        for key in ("addresses", "notReadyAddresses"):
            for path, found in each(subset, key, f"subsets[{index}]"):
                yield from ordinary_address(found.get("ip", ""), f"{path}.ip")


def _subsets(obj: Object) -> Errors:
    for index, subset in enumerate(obj.get("subsets") or ()):
        where = f"subsets[{index}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            yield fielderrors.required(where, "must specify `addresses` or `notReadyAddresses`")
        for key in ("addresses", "notReadyAddresses"):
            for path, found in each(subset, key, where):
                yield from address(found.get("ip", ""), f"{path}.ip")
        for path, port in each(subset, "ports", where):
            if not port.get("name") and len(subset["ports"]) > 1:
                yield fielderrors.required(f"{path}.name")
            yield from port_number(port.get("port", 0), f"{path}.port")
            yield from one_of(port, "protocol", path, PROTOCOLS)


def service_cidr(obj: Object) -> Errors:
    """networking.k8s.io/v1 ServiceCIDR."""
    found = sub(obj, "spec").get("cidrs") or []
    if not found:
        yield fielderrors.required("spec.cidrs", "at least one CIDR required")
    for index, value in enumerate(found):
        yield from cidr(value, f"spec.cidrs[{index}]")
    yield from unique((f"spec.cidrs[{index}]", value) for index, value in enumerate(found))


def ip_address(obj: Object) -> Errors:
    """networking.k8s.io/v1 IPAddress."""
    parent = sub(obj, "spec").get("parentRef")
    if not parent:
        yield fielderrors.required("spec.parentRef")
        return
    for key in ("resource", "name"):
        yield from required(parent, key, "spec.parentRef")
