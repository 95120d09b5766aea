"""Rules of pods and pod templates."""

from collections.abc import Iterator

from tricenter.apimachinery import copies, fielderrors, names
from tricenter.apimachinery.validation import remembered
from tricenter.apimachinery.validation.containers import container, mounts
from tricenter.apimachinery.validation.metadata import annotations
from tricenter.apimachinery.validation.rules import (
    Errors,
    Object,
    address,
    between,
    each,
    labels,
    named,
    not_negative,
    one_of,
    required,
    sub,
    unique,
)  # fmt: skip
from tricenter.apimachinery.validation.scheduling import scheduling
from tricenter.apimachinery.validation.volumes import volumes

_RESTART_POLICIES = ("Always", "Never", "OnFailure")
_DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_NOT_FOR_INIT = ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe")
_NOT_FOR_EPHEMERAL = (*_NOT_FOR_INIT, "ports", "resources")
_LISTS = ("initContainers", "containers", "ephemeralContainers")
_APART = frozenset(("volumes", *_LISTS))


def pod(obj: Object) -> Errors:
    """A new pod."""
    spec = sub(obj, "spec")
    yield from pod_spec(spec, "spec")
    if spec.get("ephemeralContainers"):
        yield fielderrors.forbidden("spec.ephemeralContainers", "cannot be set on create")
    if spec.get("nodeName") and spec.get("schedulingGates"):
        yield fielderrors.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared")


def template(found: Object | None, path: str) -> Errors:
    """A pod template."""
    meta = sub(found, "metadata")
    yield from labels(meta.get("labels"), f"{path}.labels")
    yield from annotations(meta.get("annotations"), f"{path}.annotations")
    yield from pod_spec(sub(found, "spec"), f"{path}.spec")
    if sub(found, "spec").get("ephemeralContainers"):
        yield fielderrors.forbidden(
            f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template"
        )


def pod_spec(spec: Object, path: str) -> Errors:
    """The spec of a pod or of a template."""
    yield from volumes(spec, path)
    yield from _containers(spec, path)
    yield from remembered.check(_others, {key: value for key, value in spec.items() if key not in _APART}, path)


def _others(spec: Object, path: str) -> Errors:
    """Everything but containers and volumes."""
    yield from _basics(spec, path)
    yield from _identity(spec, path)
    yield from _security(spec, path)
    yield from _dns(spec, path)
    yield from scheduling(spec, path)


def _all(spec: Object, path: str) -> Iterator[tuple[str, Object]]:
    for name in _LISTS:
        yield from each(spec, name, path)


def _containers(spec: Object, path: str) -> Errors:
    if not spec.get("containers"):
        yield fielderrors.required(f"{path}.containers")
    known = {volume.get("name", "") for _, volume in each(spec, "volumes", path)}
    host = bool(spec.get("hostNetwork"))
    for where, found in _all(spec, path):
        # Names of volumes are often made for one pod; all else is the same in all pods of a workload.
        alike = {key: value for key, value in found.items() if key != "volumeMounts"}
        yield from remembered.check(container, alike, where, host_network=host)
        yield from mounts(found, where, known)
    yield from unique((f"{where}.name", found.get("name")) for where, found in _all(spec, path))
    for where, found in each(spec, "initContainers", path):
        yield from one_of(found, "restartPolicy", where, ("Always",))
        if found.get("restartPolicy") != "Always":
            for key in _NOT_FOR_INIT:
                if found.get(key):
                    detail = "may not be set for init containers without restartPolicy=Always"
                    yield fielderrors.forbidden(f"{where}.{key}", detail)
    for where, found in each(spec, "containers", path):
        if found.get("restartPolicy"):
            yield fielderrors.forbidden(f"{where}.restartPolicy", "may not be set for non-init containers")
    for where, found in each(spec, "ephemeralContainers", path):
        for key in _NOT_FOR_EPHEMERAL:
            if found.get(key):
                yield fielderrors.forbidden(f"{where}.{key}", "cannot be set for an Ephemeral Container")
    yield from _host_ports(spec, path)


def _host_ports(spec: Object, path: str) -> Errors:
    seen: set[tuple[object, ...]] = set()
    for where, found in _all(spec, path):
        for port_path, port in each(found, "ports", where):
            if not port.get("hostPort"):
                continue
            key = (port.get("protocol", "TCP"), port.get("hostIP", ""), port["hostPort"])
            if key in seen:
                shown = "/".join(str(part) for part in key)
                yield fielderrors.duplicate(f"{port_path}.hostPort", shown)
            seen.add(key)


def _basics(spec: Object, path: str) -> Errors:
    policy = spec.get("restartPolicy")
    if policy not in _RESTART_POLICIES:
        if policy:
            yield fielderrors.not_supported(f"{path}.restartPolicy", policy, _RESTART_POLICIES)
        else:
            yield fielderrors.required(f"{path}.restartPolicy")
    yield from not_negative(spec, path, "terminationGracePeriodSeconds")
    yield from between(spec, "activeDeadlineSeconds", path, 1, 2**31 - 1)
    for where, gate in each(spec, "readinessGates", path):
        yield from named(names.qualified_name, gate.get("conditionType", ""), f"{where}.conditionType")
    for where, secret in each(spec, "imagePullSecrets", path):
        yield from required(secret, "name", where)
    yield from one_of(spec, "preemptionPolicy", path, ("Never", "PreemptLowerPriority"))


def _identity(spec: Object, path: str) -> Errors:
    for key, check in (
        ("serviceAccountName", names.dns_subdomain),
        ("nodeName", names.dns_subdomain),
        ("hostname", names.dns_label),
        ("subdomain", names.dns_label),
        ("priorityClassName", names.dns_subdomain),
        ("runtimeClassName", names.dns_subdomain),
    ):
        if spec.get(key):
            yield from named(check, spec[key], f"{path}.{key}")
    for where, alias in each(spec, "hostAliases", path):
        yield from address(alias.get("ip", ""), f"{where}.ip")
        for host in alias.get("hostnames") or ():
            yield from named(names.dns_subdomain, host, f"{where}.hostnames")


def _security(spec: Object, path: str) -> Errors:
    context, where = sub(spec, "securityContext"), f"{path}.securityContext"
    yield from not_negative(context, where, "runAsUser", "runAsGroup", "fsGroup")
    for index, group in enumerate(context.get("supplementalGroups") or ()):
        if group < 0:
            yield fielderrors.invalid(
                f"{where}.supplementalGroups[{index}]", group, "must be greater than or equal to 0"
            )
    yield from one_of(context, "fsGroupChangePolicy", where, ("Always", "OnRootMismatch"))
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        yield fielderrors.invalid(
            f"{path}.shareProcessNamespace", True, "ShareProcessNamespace and HostPID cannot both be enabled"
        )


def _dns(spec: Object, path: str) -> Errors:
    policy = spec.get("dnsPolicy")
    if not policy:
        yield fielderrors.required(f"{path}.dnsPolicy")
    yield from one_of(spec, "dnsPolicy", path, _DNS_POLICIES)
    config = sub(spec, "dnsConfig")
    servers = config.get("nameservers") or []
    if policy == "None" and not servers:
        detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        yield fielderrors.required(f"{path}.dnsConfig.nameservers", detail)
    if len(servers) > 3:
        yield fielderrors.invalid(f"{path}.dnsConfig.nameservers", servers, "must not have more than 3 nameservers")
    for index, server in enumerate(servers):
        yield from address(server, f"{path}.dnsConfig.nameservers[{index}]")


_MUTABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def pod_update(old: Object, new: Object) -> Errors:
    """An update of a pod: nearly everything is fixed, and a spec that stays as it is stays valid."""
    before, after = sub(old, "spec"), sub(new, "spec")
    if before == after:
        return
    yield from pod_spec(after, "spec")
    for name in ("containers", "initContainers"):
        if len(before.get(name) or ()) != len(after.get(name) or ()):
            yield fielderrors.forbidden(f"spec.{name}", "pod updates may not add or remove containers")
            return
    yield from _deadline(before, after)
    yield from _tolerations(before, after)
    gated = bool(before.get("schedulingGates"))
    known = {gate.get("name") for gate in before.get("schedulingGates") or ()}
    for where, gate in each(after, "schedulingGates", "spec"):
        if gate.get("name") not in known:
            detail = f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'"
            yield fielderrors.forbidden(where.rpartition("[")[0], detail)
    if _fixed(before, gated=gated) != _fixed(after, gated=gated):
        yield fielderrors.forbidden("spec", _MUTABLE)


def _fixed(spec: Object, *, gated: bool) -> Object:
    """The part of a spec that an update may not change. A gated pod may still narrow where it runs."""
    free = {"activeDeadlineSeconds", "tolerations", "schedulingGates"}
    if gated:
        free |= {"nodeSelector", "affinity"}
    result = {key: value for key, value in spec.items() if key not in free}
    for name in ("containers", "initContainers"):
        if name in result:
            result[name] = [{**found, "image": ""} for found in result[name]]
    if result.get("terminationGracePeriodSeconds", 0) < 0:
        result["terminationGracePeriodSeconds"] = 1
    return result


def _deadline(before: Object, after: Object) -> Errors:
    key = "activeDeadlineSeconds"
    old, new = before.get(key), after.get(key)
    if old is not None and (new is None or new > old):
        detail = "must not update from a positive integer to nil value"
        if new is not None:
            detail = f"must be less than or equal to previous value {old}"
        yield fielderrors.invalid(f"spec.{key}", new, detail)


def _tolerations(before: Object, after: Object) -> Errors:
    old, new = before.get("tolerations") or [], after.get("tolerations") or []
    comparable = [{**found, "tolerationSeconds": None} for found in new]
    if any({**found, "tolerationSeconds": None} not in comparable for found in old):
        yield fielderrors.forbidden(
            "spec.tolerations", "existing toleration can not be modified except its tolerationSeconds"
        )


def resize(old: Object, new: Object) -> Errors:
    """The `resize` subresource: only resources of containers change."""

    def without(obj: Object) -> Object:
        spec = copies.deep(sub(obj, "spec"))
        for _, found in _all(spec, "spec"):
            found.pop("resources", None)
            found.pop("resizePolicy", None)
        return spec

    yield from pod_spec(sub(new, "spec"), "spec")
    if without(old) != without(new):
        yield fielderrors.forbidden("spec", "only cpu and memory resources are mutable")


def ephemeral_containers(old: Object, new: Object) -> Errors:
    """The `ephemeralcontainers` subresource: they are added, never changed or removed."""
    before, after = sub(old, "spec"), sub(new, "spec")
    yield from pod_spec(after, "spec")
    given = {found.get("name"): found for found in after.get("ephemeralContainers") or ()}
    for index, found in enumerate(before.get("ephemeralContainers") or ()):
        where = f"spec.ephemeralContainers[{index}]"
        if found.get("name") not in given:
            detail = f"existing ephemeral containers {_quoted(found)} may not be removed"
            yield fielderrors.forbidden("spec.ephemeralContainers", detail)
        elif given[found.get("name")] != found:
            yield fielderrors.forbidden(where, f"existing ephemeral containers {_quoted(found)} may not be changed")
    key = "ephemeralContainers"
    if {k: v for k, v in before.items() if k != key} != {k: v for k, v in after.items() if k != key}:
        yield fielderrors.forbidden("spec", "only ephemeral containers may be changed here")


def _quoted(found: Object) -> str:
    """The quoted name of a container."""
    return fielderrors.show(found.get("name", ""))
