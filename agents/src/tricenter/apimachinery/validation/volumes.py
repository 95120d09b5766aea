"""Rules of pod volumes."""

from tricenter.apimachinery import fielderrors, names
from tricenter.apimachinery.validation import remembered
from tricenter.apimachinery.validation.environment import field_reference, resource_reference
from tricenter.apimachinery.validation.rules import (
    Errors,
    Object,
    amount,
    each,
    local_path,
    one_of,
    required,
    required_name,
    unique,
)  # fmt: skip

_HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
_DOWNWARD_FIELDS = {"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"}
_REQUIRED: dict[str, tuple[str, ...]] = {
    "configMap": ("name",), "secret": ("secretName",), "persistentVolumeClaim": ("claimName",), "hostPath": ("path",),
    "nfs": ("server", "path"), "csi": ("driver",), "iscsi": ("targetPortal", "iqn"), "gitRepo": ("repository",),
    "ephemeral": ("volumeClaimTemplate",),
}  # fmt: skip
_MAX_MODE = 0o777


def volumes(spec: Object, path: str) -> Errors:
    """All volumes of a pod."""
    for where, volume in each(spec, "volumes", path):
        yield from required_name(volume, "name", where, names.dns_label)
        content = {key: value for key, value in volume.items() if key != "name"}
        yield from remembered.check(source, content, where)
    yield from unique((f"{where}.name", volume.get("name")) for where, volume in each(spec, "volumes", path))


def source(volume: Object, path: str, ignored: tuple[str, ...] = ("name",)) -> Errors:
    """A volume has exactly one source."""
    given = [key for key, value in volume.items() if key not in ignored and isinstance(value, dict)]
    if not given:
        yield fielderrors.required(path, "must specify a volume type")
        return
    for extra in given[1:]:
        yield fielderrors.forbidden(f"{path}.{extra}", "may not specify more than 1 volume type")
    kind = given[0]
    where, found = f"{path}.{kind}", volume[kind]
    for key in _REQUIRED.get(kind, ()):
        yield from required(found, key, where)
    yield from _mode(found, "defaultMode", where)
    if kind in {"configMap", "secret"}:
        yield from _items(found, where)
    match kind:
        case "nfs":
            if not str(found.get("path", "")).startswith("/"):
                yield fielderrors.invalid(f"{where}.path", found.get("path", ""), "must be an absolute path")
        case "hostPath":
            yield from one_of(found, "type", where, _HOST_PATH_TYPES)
            if ".." in str(found.get("path", "")).split("/"):
                yield fielderrors.invalid(f"{where}.path", found["path"], "must not contain '..'")
        case "emptyDir":
            yield from _empty(found, where)
        case "downwardAPI":
            yield from _downward(found, where)
        case "projected":
            yield from _projected(found, where)


def _empty(found: Object, path: str) -> Errors:
    if found.get("sizeLimit") is not None and list(amount(found["sizeLimit"], path)):
        yield fielderrors.forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _mode(found: Object, key: str, path: str) -> Errors:
    mode = found.get(key)
    if mode is not None and not 0 <= mode <= _MAX_MODE:
        yield fielderrors.invalid(f"{path}.{key}", mode, "must be a number between 0 and 0777 (octal), both inclusive")


def _items(found: Object, path: str) -> Errors:
    for where, item in each(found, "items", path):
        yield from required(item, "key", where)
        yield from _file(item, where)


def _file(item: Object, path: str) -> Errors:
    """Where a key or field is to be found in a volume."""
    yield from required(item, "path", path)
    yield from local_path(item.get("path"), f"{path}.path")
    target = str(item.get("path", ""))
    if target.startswith("..") and not target.startswith("../"):
        yield fielderrors.invalid(f"{path}.path", target, "must not start with '..'")
    yield from _mode(item, "mode", path)


def _downward(found: Object, path: str) -> Errors:
    for where, item in each(found, "items", path):
        yield from _file(item, where)
        if reference := item.get("fieldRef"):
            yield from field_reference(reference, f"{where}.fieldRef", _DOWNWARD_FIELDS)
            if item.get("resourceFieldRef"):
                yield fielderrors.invalid(
                    where, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"
                )
        elif reference := item.get("resourceFieldRef"):
            yield from resource_reference(reference, f"{where}.resourceFieldRef", volume=True)
        else:
            yield fielderrors.required(where, "one of fieldRef and resourceFieldRef is required")


def _projected(found: Object, path: str) -> Errors:
    taken: set[str] = set()
    for where, item in each(found, "sources", path):
        given = [key for key, value in item.items() if isinstance(value, dict)]
        for extra in given[1:]:
            yield fielderrors.forbidden(f"{where}.{extra}", "may not specify more than 1 volume type")
        for kind in given[:1]:
            yield from _projection(kind, item[kind], f"{where}.{kind}")
            for target in _targets(kind, item[kind]):
                if target in taken:
                    yield fielderrors.invalid(path, target, "conflicting duplicate paths")
                taken.add(target)


def _targets(kind: str, part: Object) -> list[str]:
    """The files that a projection makes."""
    files = [part] if kind in {"serviceAccountToken", "clusterTrustBundle"} else part.get("items") or ()
    return [str(file["path"]) for file in files if file.get("path")]


def _projection(kind: str, part: Object, path: str) -> Errors:
    match kind:
        case "configMap" | "secret":
            yield from required(part, "name", path)
            yield from _items(part, path)
        case "downwardAPI":
            yield from _downward(part, path)
        case "serviceAccountToken":
            yield from _file(part, path)
            seconds = part.get("expirationSeconds", 3600)
            if seconds < 600:
                detail = "may not specify a duration less than 10 minutes"
                yield fielderrors.invalid(f"{path}.expirationSeconds", seconds, detail)
            if seconds > 1 << 32:
                detail = "may not specify a duration larger than 2^32 seconds"
                yield fielderrors.invalid(f"{path}.expirationSeconds", seconds, detail)
