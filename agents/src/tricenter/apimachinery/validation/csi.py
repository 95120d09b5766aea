"""Rules of what CSI drivers tell of themselves (upstream pkg/apis/storage/validation)."""

from tricenter.apimachinery import fielderrors, names
from tricenter.apimachinery.validation.rules import (
    Errors,
    Object,
    amount,
    each,
    named,
    not_negative,
    one_of,
    required,
    selector,
    sub,
    unchanged,
)  # fmt: skip

_NAME_MAX, _NODE_ID_MAX = 63, 256
_GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
_MODES = ("Ephemeral", "Persistent")
_SHORTEST, _LONGEST = 600, 1 << 32


def driver_name(value: str, path: str) -> Errors:
    """The name of a driver, in upper or lower case."""
    if not value:
        yield fielderrors.required(path)
        return
    if len(value) > _NAME_MAX:
        yield fielderrors.too_long(path, _NAME_MAX)
    for reason in names.dns_subdomain(value.lower()):
        yield fielderrors.invalid(path, value, reason)


def driver(obj: Object) -> Errors:
    """storage.k8s.io/v1 CSIDriver."""
    spec = sub(obj, "spec")
    seen: set[str] = set()
    yield from one_of(spec, "fsGroupPolicy", "spec", _GROUP_POLICIES)
    for mode in spec.get("volumeLifecycleModes") or ():
        if mode not in _MODES:
            yield fielderrors.not_supported("spec.volumeLifecycleModes", mode, _MODES)
    for where, request in each(spec, "tokenRequests", "spec"):
        audience, seconds = request.get("audience", ""), request.get("expirationSeconds", _SHORTEST)
        if audience in seen:
            yield fielderrors.duplicate(f"{where}.audience", audience)
        seen.add(audience)
        if seconds < _SHORTEST:
            detail = "may not specify a duration less than 10 minutes"
            yield fielderrors.invalid(f"{where}.expirationSeconds", seconds, detail)
        if seconds > _LONGEST:
            detail = "may not specify a duration larger than 2^32 seconds"
            yield fielderrors.invalid(f"{where}.expirationSeconds", seconds, detail)


def driver_update(old: Object, new: Object) -> Errors:
    """What volumes were attached by stays."""
    before, after = sub(old, "spec"), sub(new, "spec")
    if before.get("attachRequired") != after.get("attachRequired"):
        yield fielderrors.invalid("spec.attachedRequired", after.get("attachRequired"), "field is immutable")
    yield from unchanged(before, after, "spec", "volumeLifecycleModes")
    yield from driver(new)


def node(obj: Object) -> Errors:
    """storage.k8s.io/v1 CSINode."""
    seen: set[str] = set()
    for path, found in each(sub(obj, "spec"), "drivers", "spec"):
        name = str(found.get("name") or "")
        yield from driver_name(name, f"{path}.name")
        yield from required(found, "nodeID", path)
        if len(found.get("nodeID") or "") > _NODE_ID_MAX:
            detail = f"must be {_NODE_ID_MAX} characters or less"
            yield fielderrors.invalid(f"{path}.nodeID", found["nodeID"], detail)
        yield from not_negative(sub(found, "allocatable"), f"{path}.allocatable", "count")
        if name in seen:
            yield fielderrors.duplicate(f"{path}.name", name)
        seen.add(name)
        yield from _keys(found.get("topologyKeys") or [], path)


def _keys(keys: list[str], path: str) -> Errors:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            yield fielderrors.duplicate(path, key)
        seen.add(key)
        yield from named(names.qualified_name, key, path)


def node_update(old: Object, new: Object) -> Errors:
    """Drivers come and go; one that stays says the same."""
    yield from node(new)
    known = {found.get("name"): found for _, found in each(sub(old, "spec"), "drivers", "spec")}
    for _, found in each(sub(new, "spec"), "drivers", "spec"):
        if found.get("name") in known and known[found.get("name")] != found:
            yield fielderrors.invalid("CSINodeDriver", found, "field is immutable")


def capacity(obj: Object) -> Errors:
    """storage.k8s.io/v1 CSIStorageCapacity."""
    yield from selector(obj.get("nodeTopology"), "nodeTopology")
    yield from named(names.dns_subdomain, obj.get("storageClassName") or "", "storageClassName")
    if obj.get("capacity") is not None:
        yield from amount(obj["capacity"], "capacity")


def capacity_update(old: Object, new: Object) -> Errors:
    """Whose capacity it is stays."""
    for key in ("nodeTopology", "storageClassName"):
        if old.get(key) != new.get(key):
            yield fielderrors.invalid(key, new.get(key), "field is immutable")
    yield from capacity(new)
