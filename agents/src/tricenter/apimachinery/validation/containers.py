"""Rules of containers (upstream pkg/apis/core/validation)."""

from tricenter.apimachinery import fielderrors, names, quantity
from tricenter.apimachinery.validation.rules import (
    PROTOCOLS,
    Errors,
    Object,
    amount,
    between,
    each,
    named,
    not_negative,
    one_of,
    port_number,
    port_or_name,
    required,
    sub,
    unique,
)  # fmt: skip

_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES = ("FallbackToLogsOnError", "File")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_ENV_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef")
_PLAIN_FIELDS = {
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP",
    "status.hostIPs", "status.podIP", "status.podIPs",
}  # fmt: skip
_KEYED_FIELDS = ("metadata.annotations", "metadata.labels")
_NATIVE_INTEGERS = ("hugepages-",)


def container(obj: Object, path: str, *, host_network: bool = False) -> Errors:
    """What all sorts of containers have in common, but for their mounts."""
    if not obj.get("name"):
        yield fielderrors.required(f"{path}.name")
    else:
        yield from named(names.dns_label, obj["name"], f"{path}.name")
    image = obj.get("image", "")
    if not image:
        yield fielderrors.required(f"{path}.image")
    elif image != image.strip():
        yield fielderrors.invalid(f"{path}.image", image, "must not have leading or trailing whitespace")
    yield from one_of(obj, "imagePullPolicy", path, _PULL_POLICIES)
    yield from one_of(obj, "terminationMessagePolicy", path, _MESSAGE_POLICIES)
    yield from _ports(obj, path, host_network=host_network)
    yield from environment(obj, path)
    yield from resources(sub(obj, "resources"), f"{path}.resources")
    yield from _security(sub(obj, "securityContext"), f"{path}.securityContext")
    yield from _probes(obj, path)
    for hook in ("postStart", "preStop"):
        if found := sub(obj, "lifecycle").get(hook):
            yield from handler(found, f"{path}.lifecycle.{hook}", _HANDLERS)


def _ports(obj: Object, path: str, *, host_network: bool) -> Errors:
    for where, port in each(obj, "ports", path):
        if port.get("name"):
            yield from named(names.port_name, port["name"], f"{where}.name")
        if not port.get("containerPort"):
            yield fielderrors.required(f"{where}.containerPort")
        else:
            yield from port_number(port["containerPort"], f"{where}.containerPort")
        if port.get("hostPort"):
            yield from port_number(port["hostPort"], f"{where}.hostPort")
            if host_network and port["hostPort"] != port.get("containerPort"):
                yield fielderrors.invalid(
                    f"{where}.containerPort", port.get("containerPort"),
                    "must match `hostPort` when `hostNetwork` is true",
                )  # fmt: skip
        yield from one_of(port, "protocol", where, PROTOCOLS)
    yield from unique((f"{where}.name", port.get("name")) for where, port in each(obj, "ports", path))


def environment(obj: Object, path: str) -> Errors:
    """`env` and `envFrom` of a container."""
    for where, variable in each(obj, "env", path):
        if not variable.get("name"):
            yield fielderrors.required(f"{where}.name")
        else:
            yield from named(names.env_name, variable["name"], f"{where}.name")
        source = variable.get("valueFrom")
        if source is None:
            continue
        if variable.get("value"):
            yield fielderrors.invalid(f"{where}.valueFrom", "", "may not be specified when `value` is not empty")
        given = [key for key in _ENV_SOURCES if source.get(key)]
        if len(given) != 1:
            problem = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
            if given:
                problem = "may not have more than one field specified at a time"
            yield fielderrors.invalid(f"{where}.valueFrom", "", problem)
        for key in given:
            yield from _env_source(key, source[key], f"{where}.valueFrom.{key}")
    for where, source in each(obj, "envFrom", path):
        given = [key for key in ("configMapRef", "secretRef") if source.get(key)]
        if len(given) != 1:
            problem = "may not have more than one field specified at a time" if given else (
                "must specify one of: `configMapRef` or `secretRef`"
            )  # fmt: skip
            yield fielderrors.invalid(where, "", problem)
        for key in given:
            yield from required(source[key], "name", f"{where}.{key}")


def _env_source(kind: str, source: Object, path: str) -> Errors:
    if kind == "fieldRef":
        yield from field_reference(source, path, _PLAIN_FIELDS)
    elif kind == "resourceFieldRef":
        yield from required(source, "resource", path)
    else:
        yield from required(source, "name", path)
        if not source.get("key"):
            yield fielderrors.required(f"{path}.key")
        else:
            yield from named(names.config_key, source["key"], f"{path}.key")


def field_reference(source: Object, path: str, allowed: set[str]) -> Errors:
    """A reference to a field of the pod itself."""
    field = str(source.get("fieldPath", ""))
    if not field:
        yield fielderrors.required(f"{path}.fieldPath")
        return
    plain, bracket, key = field.partition("['")
    if bracket and plain in _KEYED_FIELDS and key.endswith("']"):
        yield from named(names.qualified_name, key[:-2].lower(), f"{path}.fieldPath")
    elif field not in allowed:
        yield fielderrors.not_supported(f"{path}.fieldPath", field, allowed)


def resources(found: Object, path: str) -> Errors:
    """Requests and limits."""
    limits, requests = sub(found, "limits"), sub(found, "requests")
    for part, given in (("limits", limits), ("requests", requests)):
        for name, value in given.items():
            yield from named(names.qualified_name, name, f"{path}.{part}")
            yield from amount(value, f"{path}.{part}[{name}]" if "/" in name else f"{path}.{part}.{name}")
    for name, request in requests.items():
        if name not in limits:
            continue
        try:
            over = quantity.parse(request) > quantity.parse(limits[name])
        except quantity.QuantityError:
            continue
        if over:
            detail = f"must be less than or equal to {name} limit of {limits[name]}"
            yield fielderrors.invalid(f"{path}.requests", request, detail)


def mounts(obj: Object, path: str, volumes: set[str]) -> Errors:
    """The mounts of a container. `volumes` are the names that they may use."""
    seen: set[str] = set()
    for where, mount in each(obj, "volumeMounts", path):
        if not mount.get("name"):
            yield fielderrors.required(f"{where}.name")
        elif mount["name"] not in volumes:
            yield fielderrors.not_found(f"{where}.name", mount["name"])
        target = mount.get("mountPath")
        if not target:
            yield fielderrors.required(f"{where}.mountPath")
        elif target in seen:
            yield fielderrors.invalid(f"{where}.mountPath", target, "must be unique")
        else:
            seen.add(target)
        if mount.get("subPath") and mount.get("subPathExpr"):
            yield fielderrors.invalid(f"{where}.subPathExpr", mount["subPathExpr"], "subPathExpr and subPath are "
                                      "mutually exclusive")  # fmt: skip
        for key in ("subPath", "subPathExpr"):
            yield from local_path(mount.get(key), f"{where}.{key}")
        yield from one_of(mount, "mountPropagation", where, ("Bidirectional", "HostToContainer", "None"))


def local_path(value: str | None, path: str) -> Errors:
    """A path that stays below where it starts."""
    if not value:
        return
    if value.startswith("/"):
        yield fielderrors.invalid(path, value, "must be a relative path")
    if ".." in value.split("/"):
        yield fielderrors.invalid(path, value, "must not contain '..'")


def _security(context: Object, path: str) -> Errors:
    yield from not_negative(context, path, "runAsUser", "runAsGroup")
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            yield fielderrors.invalid(
                path, context, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            )
        if "SYS_ADMIN" in (sub(context, "capabilities").get("add") or ()):
            yield fielderrors.invalid(
                path, context, "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            )
    yield from one_of(context, "procMount", path, ("Default", "Unmasked"))


def _probes(obj: Object, path: str) -> Errors:
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = obj.get(name)
        if probe is None:
            continue
        where = f"{path}.{name}"
        yield from handler(probe, where, _PROBE_HANDLERS)
        yield from not_negative(
            probe, where, "initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold",
            "failureThreshold",
        )  # fmt: skip
        if name != "readinessProbe" and probe.get("successThreshold", 1) != 1:
            yield fielderrors.invalid(f"{where}.successThreshold", probe["successThreshold"], "must be 1")
        grace = probe.get("terminationGracePeriodSeconds")
        if grace is not None and name == "readinessProbe":
            yield fielderrors.invalid(
                f"{where}.terminationGracePeriodSeconds", grace, "must not be set for readinessProbes"
            )
        elif grace is not None and grace <= 0:
            yield fielderrors.invalid(f"{where}.terminationGracePeriodSeconds", grace, "must be greater than 0")


def handler(found: Object, path: str, kinds: tuple[str, ...]) -> Errors:
    """What a probe or hook does: exactly one thing."""
    given = [key for key in kinds if found.get(key) is not None]
    if not given:
        yield fielderrors.required(path, "must specify a handler type")
    for extra in given[1:]:
        yield fielderrors.forbidden(f"{path}.{extra}", "may not specify more than 1 handler type")
    if not given:
        return
    where, action = f"{path}.{given[0]}", found[given[0]]
    match given[0]:
        case "exec":
            yield from required(action, "command", where)
        case "httpGet":
            yield from required(action, "path", where)
            yield from port_or_name(action.get("port"), f"{where}.port")
            yield from one_of(action, "scheme", where, ("HTTP", "HTTPS"))
            for header_path, header in each(action, "httpHeaders", where):
                yield from named(names.http_header, header.get("name", ""), f"{header_path}.name")
        case "tcpSocket":
            yield from port_or_name(action.get("port"), f"{where}.port")
        case "grpc":
            yield from port_number(action.get("port", 0), f"{where}.port")
        case "sleep":
            yield from between(action, "seconds", where, 0, 2**31 - 1)
