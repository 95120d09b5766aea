"""Rules of volumes, claims and storage kinds."""

from tricenter.apimachinery import fielderrors, names, quantity
from tricenter.apimachinery.validation import volumes
from tricenter.apimachinery.validation.rules import (
    Errors,
    Object,
    amount,
    each,
    named,
    one_of,
    required,
    selector,
    sub,
    unchanged,
)  # fmt: skip
from tricenter.apimachinery.validation.scheduling import node_selector

_ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_NOT_SOURCES = ("capacity", "claimRef", "nodeAffinity")
_VOLUME_MODES = ("Block", "Filesystem")
_CLASS_FIXED = ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode")


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
    if required_terms := sub(spec, "nodeAffinity").get("required"):
        yield from node_selector(required_terms, "spec.nodeAffinity.required")
    elif "local" in spec:
        yield fielderrors.required("spec.nodeAffinity", "Local volume requires node affinity")
    if sub(spec, "hostPath").get("path") == "/" and spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        detail = "may not be 'recycle' for a hostPath mount of '/'"
        yield fielderrors.forbidden("spec.persistentVolumeReclaimPolicy", detail)


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

    if origin(before) != origin(after):
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
    free = {"resources", "volumeAttributesClassName"}
    if not before.get("volumeName"):
        free.add("volumeName")
    if before.get("storageClassName") is None:
        free.add("storageClassName")  # a default class may be set later

    def fixed(spec: Object) -> Object:
        return {key: value for key, value in spec.items() if key not in free}

    if fixed(before) != fixed(after):
        detail = (
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
        )
        yield fielderrors.forbidden("spec", detail)
    yield from _growth(old, before, after)
    yield from claim(new)


def _growth(old: Object, before: Object, after: Object) -> Errors:
    was = sub(sub(before, "resources"), "requests").get("storage")
    now = sub(sub(after, "resources"), "requests").get("storage")
    if was is None or now is None or was == now:
        return
    path = "spec.resources.requests.storage"
    try:
        less = quantity.parse(now) < quantity.parse(was)
    except quantity.QuantityError:
        return
    if sub(old, "status").get("phase") != "Bound":
        yield fielderrors.forbidden("spec", "spec is immutable after creation except resources.requests and "
                                    "volumeAttributesClassName for bound claims")  # fmt: skip
    elif less:
        yield fielderrors.forbidden(path, "field can not be less than previous value")


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
    if "" in (obj.get("parameters") or {}):
        yield fielderrors.invalid("parameters", "", "field can not be empty.")
    for where, term in each(obj, "allowedTopologies", ""):
        for path, found in each(term, "matchLabelExpressions", where.removeprefix(".")):
            yield from required(found, "values", path)
            yield from named(names.qualified_name, found.get("key", ""), f"{path}.key")


def storage_class_update(old: Object, new: Object) -> Errors:
    """What volumes were made with stays."""
    for key in _CLASS_FIXED:
        if old.get(key) != new.get(key):
            yield fielderrors.forbidden(key, f"updates to {key} are forbidden.")
    yield from storage_class(new)


def attachment(obj: Object) -> Errors:
    """storage.k8s.io/v1 VolumeAttachment."""
    spec = sub(obj, "spec")
    for key in ("attacher", "nodeName"):
        yield from required(spec, key, "spec")
    source = sub(spec, "source")
    if not source.get("persistentVolumeName") and not source.get("inlineVolumeSpec"):
        yield fielderrors.required(
            "spec.source", "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
        )


def attachment_update(old: Object, new: Object) -> Errors:
    """The spec stays."""
    if old.get("spec") != new.get("spec"):
        yield fielderrors.invalid("spec", new.get("spec"), "field is immutable")


def capacity(obj: Object) -> Errors:
    """storage.k8s.io/v1 CSIStorageCapacity."""
    if not obj.get("storageClassName"):
        yield fielderrors.required("storageClassName")
    if obj.get("capacity") is not None:
        yield from amount(obj["capacity"], "capacity")
