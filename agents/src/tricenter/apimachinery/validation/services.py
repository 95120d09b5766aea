"""Rules of Services."""

from tricenter.apimachinery import fielderrors, names
from tricenter.apimachinery.validation.rules import (
    PROTOCOLS,
    Errors,
    Object,
    address,
    cidr,
    each,
    labels,
    named,
    one_of,
    ordinary_address,
    port_number,
    port_or_name,
    required,
    required_name,
    sub,
    unique,
)  # fmt: skip

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_FAMILIES = ("IPv4", "IPv6")
_EXTERNAL = ("LoadBalancer", "NodePort")
_DAY = 86_400


def service(obj: Object) -> Errors:
    """A Service."""
    spec = sub(obj, "spec")
    kind = spec.get("type")
    headless = spec.get("clusterIP") == "None"
    if not spec.get("ports") and not headless and kind != "ExternalName":
        yield fielderrors.required("spec.ports")
    if kind not in _TYPES:
        yield (fielderrors.not_supported("spec.type", kind, _TYPES) if kind else fielderrors.required("spec.type"))
    if kind in _EXTERNAL and headless:
        yield fielderrors.invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    if kind == "ExternalName":
        yield from _external_name(spec)
    yield from _ports(spec, kind or "")
    yield from labels(spec.get("selector"), "spec.selector")
    yield from _affinity(spec)
    yield from _addresses(spec)
    yield from _traffic(spec, kind or "")


def _external_name(spec: Object) -> Errors:
    for key in ("clusterIPs", "clusterIP"):
        if spec.get(key) not in (None, "", []):
            path = "spec.clusterIPs" if key == "clusterIPs" else "spec.clusterIP"
            yield fielderrors.forbidden(path, "may not be set when type is 'ExternalName'")
            break
    name = str(spec.get("externalName", "")).removesuffix(".")
    yield from required_name({"externalName": name}, "externalName", "spec", names.dns_subdomain)


def _ports(spec: Object, kind: str) -> Errors:
    several = len(spec.get("ports") or ()) > 1
    for where, port in each(spec, "ports", "spec"):
        if not port.get("name"):
            if several:
                yield fielderrors.required(f"{where}.name")
        else:
            yield from named(names.dns_label, port["name"], f"{where}.name")
        yield from port_number(port.get("port", 0), f"{where}.port")
        if not port.get("protocol"):
            yield fielderrors.required(f"{where}.protocol")
        yield from one_of(port, "protocol", where, PROTOCOLS)
        yield from port_or_name(port.get("targetPort"), f"{where}.targetPort")
        if port.get("appProtocol"):
            yield from named(names.qualified_name, port["appProtocol"], f"{where}.appProtocol")
        if port.get("nodePort"):
            if kind in {"ClusterIP", "ExternalName"}:
                yield fielderrors.forbidden(f"{where}.nodePort", f"may not be used when `type` is '{kind}'")
            yield from port_number(port["nodePort"], f"{where}.nodePort")
    yield from unique((f"{where}.name", port.get("name")) for where, port in each(spec, "ports", "spec"))
    for key in ("port", "nodePort"):
        yield from _pairs(spec, key)


def _pairs(spec: Object, key: str) -> Errors:
    seen: set[tuple[str, int]] = set()
    for where, port in each(spec, "ports", "spec"):
        pair = (str(port.get("protocol", "TCP")), int(port.get(key) or 0))
        if pair in seen and pair[1]:
            path = where if key == "port" else f"{where}.nodePort"
            yield fielderrors.duplicate(path, {"protocol": pair[0], key: pair[1]})
        seen.add(pair)


def _affinity(spec: Object) -> Errors:
    affinity = spec.get("sessionAffinity")
    if not affinity:
        yield fielderrors.required("spec.sessionAffinity")
    yield from one_of(spec, "sessionAffinity", "spec", ("ClientIP", "None"))
    config = spec.get("sessionAffinityConfig")
    path = "spec.sessionAffinityConfig"
    if affinity == "None" and config is not None:
        yield fielderrors.forbidden(path, "must not be set when session affinity is None")
    elif affinity == "ClientIP":
        seconds = sub(config, "clientIP").get("timeoutSeconds")
        if seconds is None:
            yield fielderrors.required(path, "must specify when session affinity type is ClientIP")
        elif not 0 < seconds <= _DAY:
            detail = f"must be greater than 0 and less than {_DAY}"
            yield fielderrors.invalid(f"{path}.clientIP.timeoutSeconds", seconds, detail)


def _addresses(spec: Object) -> Errors:
    found = spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
    if spec.get("clusterIPs") and spec.get("clusterIP", "") != spec["clusterIPs"][0]:
        yield fielderrors.invalid("spec.clusterIPs", spec["clusterIPs"], "first value must match `clusterIP`")
    for index, value in enumerate(found):
        if value != "None":
            yield from address(value, f"spec.clusterIPs[{index}]")
        elif len(found) > 1:
            detail = "'None' must be the first and only value"
            yield fielderrors.invalid(f"spec.clusterIPs[{index}]", value, detail)
    for index, value in enumerate(spec.get("externalIPs") or ()):
        yield from address(value, f"spec.externalIPs[{index}]")
        yield from ordinary_address(value, f"spec.externalIPs[{index}]")
    for index, family in enumerate(spec.get("ipFamilies") or ()):
        if family not in _FAMILIES:
            yield fielderrors.not_supported(f"spec.ipFamilies[{index}]", family, _FAMILIES)
        if family in spec["ipFamilies"][:index]:
            yield fielderrors.duplicate(f"spec.ipFamilies[{index}]", family)
    yield from one_of(spec, "ipFamilyPolicy", "spec", ("PreferDualStack", "RequireDualStack", "SingleStack"))


def _traffic(spec: Object, kind: str) -> Errors:
    external = spec.get("externalTrafficPolicy")
    reachable = kind in _EXTERNAL or (kind == "ClusterIP" and bool(spec.get("externalIPs")))
    if external and not reachable:
        detail = "may only be set for externally-accessible services"
        yield fielderrors.invalid("spec.externalTrafficPolicy", external, detail)
    elif reachable:
        yield from required(spec, "externalTrafficPolicy", "spec")
    if external:
        yield from one_of(spec, "externalTrafficPolicy", "spec", ("Cluster", "Local"))
    yield from one_of(spec, "internalTrafficPolicy", "spec", ("Cluster", "Local"))
    if spec.get("trafficDistribution"):
        yield from one_of(spec, "trafficDistribution", "spec", ("PreferClose", "PreferSameNode", "PreferSameZone"))
    if kind != "LoadBalancer":
        for key in ("loadBalancerSourceRanges", "loadBalancerClass", "allocateLoadBalancerNodePorts"):
            if spec.get(key) not in (None, "", []):
                yield fielderrors.forbidden(f"spec.{key}", "may only be used when `type` is 'LoadBalancer'")
    for index, value in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        yield from cidr(str(value).strip(), f"spec.loadBalancerSourceRanges[{index}]")
    if spec.get("healthCheckNodePort") and not (kind == "LoadBalancer" and external == "Local"):
        detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        yield fielderrors.invalid("spec.healthCheckNodePort", spec["healthCheckNodePort"], detail)


def service_update(old: Object, new: Object) -> Errors:
    """An update of a Service: its cluster address stays."""
    before, after = sub(old, "spec"), sub(new, "spec")
    if before.get("type") != "ExternalName" and after.get("type") != "ExternalName" and before.get("clusterIP"):
        given = after.get("clusterIPs") or ([after["clusterIP"]] if after.get("clusterIP") else [])
        if not given:
            yield fielderrors.invalid("spec.clusterIPs[0]", given, "primary clusterIP can not be unset")
        elif given[0] != before["clusterIP"]:
            yield fielderrors.invalid("spec.clusterIPs[0]", given, "may not change once set")
    balanced = before.get("type") == after.get("type") == "LoadBalancer"
    if balanced and before.get("loadBalancerClass") != after.get("loadBalancerClass"):
        yield fielderrors.invalid("spec.loadBalancerClass", after.get("loadBalancerClass"), "may not change once set")
    yield from service(new)
