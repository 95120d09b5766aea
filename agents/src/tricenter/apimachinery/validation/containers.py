"""Rules of containers (upstream pkg/apis/core/validation)."""

from collections.abc import Mapping

from tricenter.apimachinery import fielderrors, names
from tricenter.apimachinery.validation.environment import environment
from tricenter.apimachinery.validation.resources import resize_policy, resources
from tricenter.apimachinery.validation.rules import (
    PROTOCOLS,
    Errors,
    Object,
    each,
    local_path,
    named,
    one_of,
    port_number,
    required,
    required_name,
    sub,
    unique,
)  # fmt: skip
from tricenter.apimachinery.validation.security import container_context

_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE = ("Disabled", "Enabled", "IfPossible")
_BLOCK_SOURCES = ("persistentVolumeClaim", "ephemeral")
_ELSEWHERE = {"name": "in volumeMounts", "devicePath": "as a path in volumeMounts"}


def container(obj: Object, path: str, *, never: bool = False, host_users: bool = True) -> Errors:
    """What all sorts of containers have in common, but for what they mount.

    `never`: the pod restarts nothing; `host_users`: user ids inside are those of the node.
    """
    yield from required_name(obj, "name", path, names.dns_label)
    yield from required(obj, "image", path)
    yield from one_of(obj, "imagePullPolicy", path, _PULL_POLICIES)
    yield from one_of(obj, "terminationMessagePolicy", path, _MESSAGE_POLICIES)
    yield from _ports(obj, path)
    yield from environment(obj, path)
    if obj.get("resources"):
        yield from resources(obj["resources"], f"{path}.resources")
    if obj.get("resizePolicy"):
        yield from resize_policy(obj, path, never=never)
    if obj.get("securityContext"):
        yield from container_context(obj["securityContext"], f"{path}.securityContext", host_users=host_users)


def _ports(obj: Object, path: str) -> Errors:
    for where, port in each(obj, "ports", path):
        if port.get("name"):
            yield from named(names.port_name, port["name"], f"{where}.name")
        if not port.get("containerPort"):
            yield fielderrors.required(f"{where}.containerPort")
        else:
            yield from port_number(port["containerPort"], f"{where}.containerPort")
        if port.get("hostPort"):
            yield from port_number(port["hostPort"], f"{where}.hostPort")
        yield from one_of(port, "protocol", where, PROTOCOLS)
    yield from unique((f"{where}.name", port.get("name")) for where, port in each(obj, "ports", path))


def mounts(obj: Object, path: str, volumes: Mapping[str, Object]) -> Errors:
    """What a container mounts. `volumes` are those of the pod by name."""
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
            detail = "subPathExpr and subPath are mutually exclusive"
            yield fielderrors.invalid(f"{where}.subPathExpr", mount["subPathExpr"], detail)
        for key in ("subPath", "subPathExpr"):
            yield from local_path(mount.get(key), f"{where}.{key}")
        if mount.get("mountPropagation"):
            yield from _propagation(obj, mount, where)
        if mount.get("recursiveReadOnly"):
            yield from _recursive(mount, where)
    if obj.get("volumeDevices"):
        yield from _devices(obj, path, volumes)


def _propagation(obj: Object, mount: Object, path: str) -> Errors:
    yield from one_of(mount, "mountPropagation", path, _PROPAGATIONS)
    if mount["mountPropagation"] == "Bidirectional" and not sub(obj, "securityContext").get("privileged"):
        detail = "Bidirectional mount propagation is available only to privileged containers"
        yield fielderrors.forbidden(f"{path}.mountPropagation", detail)


def _recursive(mount: Object, path: str) -> Errors:
    wanted, where = mount["recursiveReadOnly"], f"{path}.recursiveReadOnly"
    yield from one_of(mount, "recursiveReadOnly", path, _RECURSIVE)
    if wanted == "Disabled":
        return
    if not mount.get("readOnly"):
        yield fielderrors.forbidden(where, "may only be specified when readOnly is true")
    if mount.get("mountPropagation") not in (None, "None"):
        yield fielderrors.forbidden(where, "may only be specified when mountPropagation is None or not specified")


def _devices(obj: Object, path: str, volumes: Mapping[str, Object]) -> Errors:
    """Volumes that a container gets as block devices: each once, and not mounted too."""
    mounted = [mount for _, mount in each(obj, "volumeMounts", path)]
    taken = {key: {mount.get(of) for mount in mounted} for key, of in (("name", "name"), ("devicePath", "mountPath"))}
    seen: dict[str, set[str]] = {key: set() for key in taken}
    for where, device in each(obj, "volumeDevices", path):
        yield from _device(device, where, volumes)
        for key, others in taken.items():
            value = device.get(key, "")
            if value in others:
                yield fielderrors.invalid(f"{where}.{key}", value, f"must not already exist {_ELSEWHERE[key]}")
            if value in seen[key]:
                yield fielderrors.invalid(f"{where}.{key}", value, "must be unique")
            seen[key].add(value)


def _device(device: Object, path: str, volumes: Mapping[str, Object]) -> Errors:
    name, target = device.get("name", ""), device.get("devicePath", "")
    yield from required(device, "name", path)
    yield from required(device, "devicePath", path)
    if name not in volumes:
        yield fielderrors.not_found(f"{path}.name", name)
    elif not any(key in volumes[name] for key in _BLOCK_SOURCES):
        detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
        yield fielderrors.invalid(f"{path}.name", name, detail)
    if ".." in target.split("/"):
        yield fielderrors.invalid(f"{path}.devicePath", target, "can not contain backsteps ('..')")
