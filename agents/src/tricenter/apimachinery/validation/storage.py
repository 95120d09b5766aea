"""Rules of volumes, claims and storage kinds."""

from tricenter.apimachinery import fielderrors, names, quantity
from tricenter.apimachinery.validation import csi, volumes
from tricenter.apimachinery.validation.rules import (
    Errors,
    Object,
    each,
    named,
    one_of,
    parsed,
    required,
    required_name,
    selector,
    sub,
    unchanged,
    unique,
)  # fmt: skip
from tricenter.apimachinery.validation.scheduling import node_selector

_ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_NOT_SOURCES = ("capacity", "claimRef", "nodeAffinity")
_SECRETS = ("controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef")
_PARAMETERS_MAX, _PARAMETER_BYTES_MAX = 512, 256 * 1024
_VOLUME_MODES = ("Block", "Filesystem")
_CLASS_FIXED = ("parameters", "provisioner", "reclaimPolicy")


def volume(obj: Object) -> Errors:
    """v1 PersistentVolume."""
    spec = sub(obj, "spec")
    yield from _access_modes(spec)
    capacity = spec.get("capacity") or {}
    if not capacity:
        yield fielderrors.required("spec.capacity")
    elif set(capacity) != {"storage"}:
        yield fielderrors.not_supported("spec.capacity", capacity, ("storage",))
    for name, value in capacity.items():
        yield from _positive(value, f"spec.capacity[{name}]")
    yield from volumes.source(spec, "spec", _NOT_SOURCES)
    yield from one_of(spec, "persistentVolumeReclaimPolicy", "spec", ("Delete", "Recycle", "Retain"))
    yield from one_of(spec, "volumeMode", "spec", _VOLUME_MODES)
    if spec.get("storageClassName"):
        yield from named(names.dns_subdomain, spec["storageClassName"], "spec.storageClassName")
    if spec.get("nodeAffinity") is not None:
        if terms := spec["nodeAffinity"].get("required"):
            yield from node_selector(terms, "spec.nodeAffinity.required")
        else:
            yield fielderrors.required("spec.nodeAffinity.required", "must specify required node constraints")
    elif "local" in spec:
        yield fielderrors.required("spec.nodeAffinity", "Local volume requires node affinity")
    if "csi" in spec:
        yield from _csi(sub(spec, "csi"), "spec.csi")
    if ".." in str(sub(spec, "local").get("path", "")).split("/"):
        yield fielderrors.invalid("spec.local.path", spec["local"]["path"], "must not contain '..'")
    if sub(spec, "hostPath").get("path") == "/" and spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        detail = "may not be 'recycle' for a hostPath mount of '/'"
        yield fielderrors.forbidden("spec.persistentVolumeReclaimPolicy", detail)


def _csi(found: Object, path: str) -> Errors:
    yield from csi.driver_name(str(found.get("driver") or ""), f"{path}.driver")
    yield from required(found, "volumeHandle", path)
    for key in _SECRETS:
        for part in ("name", "namespace") if found.get(key) is not None else ():
            yield from required_name(found[key], part, f"{path}.{key}", names.dns_label)


def _positive(value: object, path: str) -> Errors:
    try:
        if quantity.parse(str(value)) <= 0:
            yield fielderrors.invalid(path, value, "must be greater than zero")
    except quantity.QuantityError as error:
        yield fielderrors.invalid(path, value, str(error))


def _access_modes(spec: Object) -> Errors:
    modes = spec.get("accessModes") or []
    if not modes:
        yield fielderrors.required("spec.accessModes", "at least 1 access mode is required")
    for mode in modes:
        if mode not in _ACCESS_MODES:
            yield fielderrors.not_supported("spec.accessModes", mode, _ACCESS_MODES)
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        detail = "may not use ReadWriteOncePod with other access modes"
        yield fielderrors.forbidden("spec.accessModes", detail)


def volume_update(old: Object, new: Object) -> Errors:
    """The source of a volume stays."""
    before, after = sub(old, "spec"), sub(new, "spec")

    def origin(spec: Object) -> Object:
        return {k: v for k, v in spec.items() if isinstance(v, dict) and k not in _NOT_SOURCES}

    sources = origin(before), origin(after)
    expands = "controllerExpandSecretRef"
    if expands in sub(sources[1], "csi") and expands not in sub(sources[0], "csi"):
        # a volume may be given the secret to grow with
        sources[1]["csi"] = {key: value for key, value in sources[1]["csi"].items() if key != expands}
    if sources[0] != sources[1]:
        yield fielderrors.forbidden(
            "spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation"
        )
    yield from unchanged(before, after, "spec", "volumeMode")
    if before.get("nodeAffinity") and before["nodeAffinity"] != after.get("nodeAffinity"):
        detail = "field is immutable, except for updating from beta label to GA"
        yield fielderrors.invalid("spec.nodeAffinity", after.get("nodeAffinity"), detail)
    yield from volume(new)


def claim(obj: Object) -> Errors:
    """v1 PersistentVolumeClaim."""
    spec = sub(obj, "spec")
    yield from _access_modes(spec)
    storage = sub(sub(spec, "resources"), "requests").get("storage")
    if storage is None:
        yield fielderrors.required("spec.resources[storage]")
    else:
        yield from _positive(storage, "spec.resources[storage]")
    for key in ("dataSource", "dataSourceRef"):
        for part in ("name", "kind") if spec.get(key) else ():
            yield from required(spec[key], part, f"spec.{key}")
    yield from selector(spec.get("selector"), "spec.selector")
    yield from one_of(spec, "volumeMode", "spec", _VOLUME_MODES)
    if spec.get("storageClassName"):
        yield from named(names.dns_subdomain, spec["storageClassName"], "spec.storageClassName")


def claim_update(old: Object, new: Object) -> Errors:
    """Once made, a claim only grows, and binds once."""
    before, after = sub(old, "spec"), sub(new, "spec")
    free = {"volumeAttributesClassName"}
    if not before.get("volumeName"):
        free.add("volumeName")
    if before.get("storageClassName") is None:
        free.add("storageClassName")  # a default class may be set later
    bound = sub(old, "status").get("phase") == "Bound"

    def fixed(spec: Object) -> Object:
        kept = {key: value for key, value in spec.items() if key not in free}
        return {**kept, "resources": _apart_from_size(sub(spec, "resources"))} if bound else kept

    if fixed(before) != fixed(after):
        detail = (
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
        )
        yield fielderrors.forbidden("spec", detail)
    yield from _shrinking(old, before, after)
    yield from claim(new)


def _apart_from_size(resources: Object) -> Object:
    requests = {key: value for key, value in sub(resources, "requests").items() if key != "storage"}
    return {**resources, "requests": requests}


def _shrinking(old: Object, before: Object, after: Object) -> Errors:
    """What a driver could not grow may be asked to grow less, but to more than there is (KEP-1790)."""
    there = parsed(sub(sub(old, "status"), "capacity").get("storage", "0"))
    was, now = (parsed(sub(sub(spec, "resources"), "requests").get("storage", "")) for spec in (before, after))
    if was is not None and now is not None and there is not None and now < was and now <= there:
        path = "spec.resources.requests.storage"
        yield fielderrors.forbidden(path, "field can not be less than status.capacity")


def storage_class(obj: Object) -> Errors:
    """storage.k8s.io/v1 StorageClass."""
    if not obj.get("provisioner"):
        yield fielderrors.required("provisioner")
    else:
        yield from named(names.qualified_name, str(obj["provisioner"]).lower(), "provisioner")
    for key, supported in (
        ("reclaimPolicy", ("Delete", "Retain")),
        ("volumeBindingMode", ("Immediate", "WaitForFirstConsumer")),
    ):
        if obj.get(key) not in (None, *supported):
            yield fielderrors.not_supported(key, obj[key], supported)
    yield from _parameters(obj.get("parameters") or {})
    for where, term in each(obj, "allowedTopologies", ""):
        seen: set[str] = set()
        for path, found in each(term, "matchLabelExpressions", where.removeprefix(".")):
            yield from required(found, "values", path)
            yield from unique(
                (f"{path}.values[{index}]", value) for index, value in enumerate(found.get("values") or ())
            )
            yield from named(names.qualified_name, found.get("key", ""), f"{path}.key")
            if found.get("key", "") in seen:
                yield fielderrors.duplicate(f"{path}.key", found["key"])
            seen.add(found.get("key", ""))


def _parameters(found: Object) -> Errors:
    if len(found) > _PARAMETERS_MAX:
        yield fielderrors.too_long("parameters", _PARAMETERS_MAX)
        return
    if "" in found:
        yield fielderrors.invalid("parameters", "", "field can not be empty.")
    if sum(len(key.encode()) + len(value.encode()) for key, value in found.items()) > _PARAMETER_BYTES_MAX:
        yield fielderrors.too_long("parameters", _PARAMETER_BYTES_MAX)


def storage_class_update(old: Object, new: Object) -> Errors:
    """What volumes were made with stays."""
    for key in _CLASS_FIXED:
        if old.get(key) != new.get(key):
            yield fielderrors.forbidden(key, f"updates to {key} are forbidden.")
    if old.get("volumeBindingMode") != new.get("volumeBindingMode"):
        yield fielderrors.invalid("volumeBindingMode", new.get("volumeBindingMode"), "field is immutable")
    yield from storage_class(new)


def attachment(obj: Object) -> Errors:
    """storage.k8s.io/v1 VolumeAttachment."""
    spec = sub(obj, "spec")
    yield from csi.driver_name(str(spec.get("attacher") or ""), "spec.attacher")
    yield from required(spec, "nodeName", "spec")
    source = sub(spec, "source")
    given = [key for key in ("persistentVolumeName", "inlineVolumeSpec") if source.get(key) is not None]
    detail = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
    if not given:
        yield fielderrors.required("spec.source", detail)
    elif len(given) > 1:
        yield fielderrors.forbidden("spec.source", detail)
    elif given == ["persistentVolumeName"]:
        empty = "must specify non empty persistentVolumeName"
        yield from required_name(source, "persistentVolumeName", "spec.source", names.dns_subdomain, empty)


def attachment_update(old: Object, new: Object) -> Errors:
    """The spec stays."""
    if old.get("spec") != new.get("spec"):
        yield fielderrors.invalid("spec", new.get("spec"), "field is immutable")
