"""Rules of pods and pod templates."""

from collections.abc import Iterator

from tricenter.apimachinery import copies, fielderrors, names, podresources
from tricenter.apimachinery.validation import claims, probes, remembered, security, windows
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
    one_of,
    sub,
    unique,
)  # fmt: skip
from tricenter.apimachinery.validation.scheduling import scheduling
from tricenter.apimachinery.validation.volumes import volumes

_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_SEARCH_PATHS, _SEARCH_LENGTH = 32, 2048
_NOT_FOR_INIT = ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe")
_NOT_FOR_EPHEMERAL = (*_NOT_FOR_INIT, "ports", "resources", "resizePolicy", "restartPolicy")
_LISTS = ("initContainers", "containers", "ephemeralContainers")
_APART = frozenset(("volumes", *_LISTS))
_MOUNTED = frozenset(("volumeMounts", "volumeDevices"))


def pod(obj: Object) -> Errors:
    """A new pod."""
    spec = sub(obj, "spec")
    yield from _pod(obj)
    if spec.get("ephemeralContainers"):
        yield fielderrors.forbidden("spec.ephemeralContainers", "cannot be set on create")
    if spec.get("nodeName") and spec.get("schedulingGates"):
        yield fielderrors.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared")


def _pod(obj: Object) -> Errors:
    """What holds for pods and not for templates, besides what holds for both."""
    spec = sub(obj, "spec")
    yield from pod_spec(spec, "spec")
    yield from security.apparmor_annotations(sub(sub(obj, "metadata"), "annotations"), _all(spec, "spec"))
    for where, found in _all(spec, "spec"):
        image = str(found.get("image", ""))
        if image != image.strip():
            yield fielderrors.invalid(f"{where}.image", image, "must not have leading or trailing whitespace")


def template(found: Object | None, path: str) -> Errors:
    """A pod template."""
    yield from template_metadata(found, path)
    yield from pod_spec(sub(found, "spec"), f"{path}.spec")
    if sub(found, "spec").get("ephemeralContainers"):
        yield fielderrors.forbidden(
            f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template"
        )


def template_metadata(found: Object | None, path: str) -> Errors:
    """What pods are called and marked with."""
    meta = sub(found, "metadata")
    yield from labels(meta.get("labels"), f"{path}.labels")
    yield from annotations(meta.get("annotations"), f"{path}.annotations")


def pod_spec(spec: Object, path: str) -> Errors:
    """The spec of a pod or of a template."""
    yield from volumes(spec, path)
    yield from _containers(spec, path)
    yield from windows.host_process(spec, path, _all(spec, path))
    yield from remembered.check(_others, {key: value for key, value in spec.items() if key not in _APART}, path)
    if spec.get("os") is not None:
        yield from security.operating_system(spec, path, _all(spec, path))


def _others(spec: Object, path: str) -> Errors:
    """Everything but containers and volumes."""
    yield from _basics(spec, path)
    yield from _identity(spec, path)
    yield from security.pod_context(spec, path)
    yield from _dns(spec, path)
    yield from claims.pod_claims(spec, path)
    yield from scheduling(spec, path)


def _all(spec: Object, path: str) -> Iterator[tuple[str, Object]]:
    for name in _LISTS:
        yield from each(spec, name, path)


def _containers(spec: Object, path: str) -> Errors:
    if not spec.get("containers"):
        yield fielderrors.required(f"{path}.containers")
    known = {str(volume.get("name", "")): volume for _, volume in each(spec, "volumes", path)}
    claimed = {str(claim.get("name")) for _, claim in each(spec, "resourceClaims", path)}
    never, host_users = spec.get("restartPolicy") == "Never", spec.get("hostUsers") is not False
    for where, found in _all(spec, path):
        # Names of volumes are often made for one pod; all else is the same in all pods of a workload.
        alike = {key: value for key, value in found.items() if key not in _MOUNTED}
        yield from remembered.check(container, alike, where, never=never, host_users=host_users)
        yield from mounts(found, where, known)
        if "claims" in sub(found, "resources"):
            yield from claims.container_claims(found, where, claimed)
    yield from unique((f"{where}.name", found.get("name")) for where, found in _all(spec, path))
    grace = spec.get("terminationGracePeriodSeconds")
    for where, found in each(spec, "containers", path):
        yield from _running(found, where, grace)
        if found.get("restartPolicy"):
            yield fielderrors.forbidden(f"{where}.restartPolicy", "may not be set for non-init containers")
    for where, found in each(spec, "initContainers", path):
        yield from _init(found, where, grace)
    for where, found in each(spec, "ephemeralContainers", path):
        yield from _ephemeral(spec, found, where)
    yield from _host_ports(spec, path)


def _running(found: Object, path: str, grace: int | None) -> Errors:
    looked_after = {key: found[key] for key in _NOT_FOR_INIT if key in found}
    if looked_after:
        yield from remembered.check(probes.running, looked_after, path, grace=grace)


def _init(found: Object, path: str, grace: int | None) -> Errors:
    yield from one_of(found, "restartPolicy", path, ("Always",))
    if found.get("restartPolicy") == "Always":
        yield from _running(found, path, grace)
        return
    for key in _NOT_FOR_INIT:
        if found.get(key) is not None:
            detail = "may not be set for init containers without restartPolicy=Always"
            yield fielderrors.forbidden(f"{path}.{key}", detail)


def _ephemeral(spec: Object, found: Object, path: str) -> Errors:
    refusal = "cannot be set for an Ephemeral Container"
    for key in _NOT_FOR_EPHEMERAL:
        if found.get(key):
            yield fielderrors.forbidden(f"{path}.{key}", refusal)
    for where, mount in each(found, "volumeMounts", path):
        for key in ("subPath", "subPathExpr"):
            if mount.get(key):
                yield fielderrors.forbidden(f"{where}.{key}", refusal)
    target = found.get("targetContainerName")
    others = [other.get("name") for name in ("containers", "initContainers") for _, other in each(spec, name, path)]
    if target and target not in others:
        yield fielderrors.not_found(f"{path}.targetContainerName", target)


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
            if spec.get("hostNetwork") and port["hostPort"] != port.get("containerPort"):
                detail = "must match `containerPort` when `hostNetwork` is true"
                yield fielderrors.invalid(f"{port_path}.hostPort", port["hostPort"], detail)


def _basics(spec: Object, path: str) -> Errors:
    policy = spec.get("restartPolicy")
    if policy not in _RESTART_POLICIES:
        if policy:
            yield fielderrors.not_supported(f"{path}.restartPolicy", policy, _RESTART_POLICIES)
        else:
            yield fielderrors.required(f"{path}.restartPolicy")
    yield from between(spec, "activeDeadlineSeconds", path, 1, 2**31 - 1)
    for where, gate in each(spec, "readinessGates", path):
        yield from named(names.qualified_name, gate.get("conditionType", ""), f"{where}.conditionType")
    yield from one_of(spec, "preemptionPolicy", path, ("PreemptLowerPriority", "Never"))


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
        for index, host in enumerate(alias.get("hostnames") or ()):
            yield from named(names.dns_subdomain, host, f"{where}.hostnames[{index}]")


def _dns(spec: Object, path: str) -> Errors:
    policy = spec.get("dnsPolicy")
    if not policy:
        yield fielderrors.required(f"{path}.dnsPolicy")
    yield from one_of(spec, "dnsPolicy", path, _DNS_POLICIES)
    config, where = sub(spec, "dnsConfig"), f"{path}.dnsConfig"
    if policy == "None" and not config.get("nameservers"):
        if spec.get("dnsConfig") is None:
            yield fielderrors.required(where, "must provide `dnsConfig` when `dnsPolicy` is None")
        else:
            detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            yield fielderrors.required(f"{where}.nameservers", detail)
    if config:
        yield from _resolver(config, where)


def _resolver(config: Object, path: str) -> Errors:
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    if len(servers) > 3:
        yield fielderrors.invalid(f"{path}.nameservers", servers, "must not have more than 3 nameservers")
    for index, server in enumerate(servers):
        yield from address(server, f"{path}.nameservers[{index}]")
    if len(searches) > _SEARCH_PATHS:
        detail = f"must not have more than {_SEARCH_PATHS} search paths"
        yield fielderrors.invalid(f"{path}.searches", searches, detail)
    if len(" ".join(searches)) > _SEARCH_LENGTH:
        detail = f"must not have more than {_SEARCH_LENGTH} characters (including spaces) in the search list"
        yield fielderrors.invalid(f"{path}.searches", searches, detail)
    for index, search in enumerate(searches):
        if search != ".":
            yield from named(names.dns_search, search.removesuffix("."), f"{path}.searches[{index}]")
    for where, option in each(config, "options", path):
        if not option.get("name"):
            yield fielderrors.required(where, "must not be empty")


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
    yield from _pod(new)
    for name in ("containers", "initContainers"):
        if len(before.get(name) or ()) != len(after.get(name) or ()):
            yield fielderrors.forbidden(f"spec.{name}", "pod updates may not add or remove containers")
            return
    yield from _deadline(before, after)
    yield from _tolerations(before, after)
    gated = bool(before.get("schedulingGates"))
    if gated and not sub(before, "nodeSelector").items() <= sub(after, "nodeSelector").items():
        detail = "only additions are allowed (no mutations or deletions)"
        yield fielderrors.invalid("spec.nodeSelector", after.get("nodeSelector"), detail)
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
    if gated:
        result["affinity"] = {key: value for key, value in sub(spec, "affinity").items() if key != "nodeAffinity"}
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
            detail = "must be less than or equal to previous value"
        yield fielderrors.invalid(f"spec.{key}", new, detail)


def _tolerations(before: Object, after: Object) -> Errors:
    old, new = before.get("tolerations") or [], after.get("tolerations") or []
    comparable = [{**found, "tolerationSeconds": None} for found in new]
    if any({**found, "tolerationSeconds": None} not in comparable for found in old):
        yield fielderrors.forbidden(
            "spec.tolerations", "existing toleration can not be modified except its tolerationSeconds"
        )


def resize(old: Object, new: Object) -> Errors:
    """The `resize` subresource: what containers get of cpu and memory changes, the pod's class of service does not."""
    before, after = sub(old, "spec"), sub(new, "spec")
    wrong = list(pod_spec(after, "spec"))
    yield from wrong
    if wrong:
        return
    if podresources.qos_class(before) != podresources.qos_class(after):
        detail = "Pod QOS Class may not change as a result of resizing"
        yield fielderrors.invalid("spec", podresources.qos_class(before), detail)
    for (where, had), (_, wants) in zip(_all(before, "spec"), _all(after, "spec"), strict=False):
        yield from _resized(had, wants, where)
    if _unresizable(before) != _unresizable(after):
        yield fielderrors.forbidden("spec", "only cpu and memory resources are mutable")


def _resized(had: Object, wants: Object, path: str) -> Errors:
    before, after = sub(had, "resources"), sub(wants, "resources")
    if ".initContainers[" in path and had.get("restartPolicy") != "Always":
        if before != after:
            detail = "resources for non-sidecar init containers are immutable"
            yield fielderrors.forbidden(f"{path}.resources", detail)
        return
    for part in ("limits", "requests"):
        if sub(before, part).keys() - sub(after, part).keys():
            yield fielderrors.forbidden(f"{path}.resources.{part}", f"resource {part} cannot be removed")


def _unresizable(spec: Object) -> Object:
    """A spec without what `resize` may change."""
    spec = copies.deep(spec)
    for _, found in _all(spec, "spec"):
        resources = found.pop("resources", None) or {}
        for part in ("limits", "requests"):
            kept = {name: value for name, value in sub(resources, part).items() if name not in ("cpu", "memory")}
            resources = {**resources, part: kept}
        found["resources"] = resources
    return spec


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
