"""Rules of pod volumes."""

from tricenter.apimachinery import fielderrors, names
from tricenter.apimachinery.validation import remembered
from tricenter.apimachinery.validation.containers import field_reference, local_path
from tricenter.apimachinery.validation.rules import Errors, Object, amount, each, named, one_of, required, unique

_HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
_DOWNWARD_FIELDS = {"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"}
_REQUIRED = {
    "configMap": "name", "secret": "secretName", "persistentVolumeClaim": "claimName", "hostPath": "path",
    "nfs": "server", "csi": "driver", "iscsi": "targetPortal",
}  # fmt: skip
_MAX_MODE = 0o777


def volumes(spec: Object, path: str) -> Errors:
    """All volumes of a pod."""
    for where, volume in each(spec, "volumes", path):
        if not volume.get("name"):
            yield fielderrors.required(f"{where}.name")
        else:
            yield from named(names.dns_label, volume["name"], f"{where}.name")
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
    if key := _REQUIRED.get(kind):
        yield from required(found, key, where)
    yield from _mode(found, "defaultMode", where)
    yield from _items(found, where)
    match kind:
        case "hostPath":
            yield from one_of(found, "type", where, _HOST_PATH_TYPES)
            if ".." in str(found.get("path", "")).split("/"):
                yield fielderrors.invalid(f"{where}.path", found["path"], "must not contain '..'")
        case "emptyDir":
            if found.get("sizeLimit") is not None:
                yield from amount(found["sizeLimit"], f"{where}.sizeLimit")
        case "downwardAPI":
            yield from _downward(found, where)
        case "projected":
            yield from _projected(found, where)


def _mode(found: Object, key: str, path: str) -> Errors:
    mode = found.get(key)
    if mode is not None and not 0 <= mode <= _MAX_MODE:
        yield fielderrors.invalid(f"{path}.{key}", mode, "must be a number between 0 and 0777 (octal), both inclusive")


def _items(found: Object, path: str) -> Errors:
    for where, item in each(found, "items", path):
        if "fieldRef" not in item and "resourceFieldRef" not in item:
            yield from required(item, "key", where)
        yield from required(item, "path", where)
        yield from local_path(item.get("path"), f"{where}.path")
        yield from _mode(item, "mode", where)


def _downward(found: Object, path: str) -> Errors:
    for where, item in each(found, "items", path):
        if reference := item.get("fieldRef"):
            yield from field_reference(reference, f"{where}.fieldRef", _DOWNWARD_FIELDS)
            if item.get("resourceFieldRef"):
                yield fielderrors.invalid(
                    where, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"
                )
        elif reference := item.get("resourceFieldRef"):
            yield from required(reference, "containerName", f"{where}.resourceFieldRef")
            yield from required(reference, "resource", f"{where}.resourceFieldRef")
        else:
            yield fielderrors.required(f"{where}.fieldRef", "one of fieldRef and resourceFieldRef is required")


def _projected(found: Object, path: str) -> Errors:
    for where, item in each(found, "sources", path):
        given = [key for key, value in item.items() if isinstance(value, dict)]
        for extra in given[1:]:
            yield fielderrors.forbidden(f"{where}.{extra}", "may not specify more than 1 volume type")
        for kind in given[:1]:
            part, inside = item[kind], f"{where}.{kind}"
            if kind in {"configMap", "secret"}:
                yield from required(part, "name", inside)
            yield from _items(part, inside)
            if kind == "downwardAPI":
                yield from _downward(part, inside)
            if kind == "serviceAccountToken":
                yield from required(part, "path", inside)
                seconds = part.get("expirationSeconds", 3600)
                if seconds < 600:
                    yield fielderrors.invalid(
                        f"{inside}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes"
                    )
