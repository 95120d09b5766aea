"""Rules of namespaces, nodes, configuration, leases and events."""

import base64
import binascii
from collections.abc import Iterable
from typing import Any

import orjson

from tricenter.apimachinery import fielderrors, names, times
from tricenter.apimachinery.validation.rules import (
    IMMUTABLE,
    Errors,
    Object,
    amount,
    cidr,
    each,
    named,
    one_of,
    sub,
)  # fmt: skip

MAX_DATA = 1024 * 1024
_TAINT_EFFECTS = ("NoExecute", "NoSchedule", "PreferNoSchedule")
_SECRET_KEYS = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}
_SECRET_JSON = {"kubernetes.io/dockercfg": ".dockercfg", "kubernetes.io/dockerconfigjson": ".dockerconfigjson"}
_SERVICE_ACCOUNT_TOKEN = "kubernetes.io/service-account-token"  # noqa: S105 - the name of a type
_SERVICE_ACCOUNT_NAME = "kubernetes.io/service-account.name"


def namespace(obj: Object) -> Errors:
    """v1 Namespace."""
    for index, finalizer in enumerate(sub(obj, "spec").get("finalizers") or ()):
        yield from named(names.qualified_name, finalizer, f"spec.finalizers[{index}]")
        if "/" not in finalizer and finalizer != "kubernetes":
            detail = "name is neither a standard finalizer name nor is it fully qualified"
            yield fielderrors.invalid(f"spec.finalizers[{index}]", finalizer, detail)


def node(obj: Object) -> Errors:
    """v1 Node."""
    spec = sub(obj, "spec")
    seen: set[tuple[str, str]] = set()
    for where, taint in each(spec, "taints", "spec"):
        yield from named(names.qualified_name, taint.get("key", ""), f"{where}.key")
        yield from named(names.label_value, taint.get("value", ""), f"{where}.value")
        if not taint.get("effect"):
            yield fielderrors.required(f"{where}.effect")
        else:
            yield from one_of(taint, "effect", where, _TAINT_EFFECTS)
        pair = (str(taint.get("key")), str(taint.get("effect")))
        if pair in seen:
            detail = fielderrors.duplicate(where, taint)
            yield fielderrors.FieldError(
                where, detail.reason, f"{detail.message}: taints must be unique by key and effect pair"
            )
        seen.add(pair)
    for index, value in enumerate(spec.get("podCIDRs") or ()):
        yield from cidr(value, f"spec.podCIDRs[{index}]")
    status = sub(obj, "status")
    for key in ("capacity", "allocatable"):
        for name, value in (status.get(key) or {}).items():
            yield from amount(value, f"status.{key}.{name}")


def node_update(old: Object, new: Object) -> Errors:
    """Pod ranges and the provider's name are given once."""
    before, after = sub(old, "spec"), sub(new, "spec")
    if before.get("podCIDR") and before["podCIDR"] != after.get("podCIDR"):
        detail = 'node updates may not change podCIDR except from "" to valid'
        yield fielderrors.forbidden("spec.podCIDRs", detail)
    if before.get("providerID") and before["providerID"] != after.get("providerID"):
        detail = 'node updates may not change providerID except from "" to valid'
        yield fielderrors.forbidden("spec.providerID", detail)
    yield from node(new)


def config_map(obj: Object) -> Errors:
    """v1 ConfigMap."""
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    size = _bytes(data.values())
    yield from _keys(data, "data")
    for key in filter(binary.__contains__, data):
        detail = "duplicate of key present in binaryData"
        yield fielderrors.invalid(f"data[{key}]", key, detail)
    yield from _keys(binary, "binaryData")
    yield from _base64(binary, "binaryData")
    size += _bytes(binary.values()) * 3 // 4
    if size > MAX_DATA:
        yield fielderrors.too_long("", MAX_DATA)


def _keys(data: Iterable[str], path: str) -> Errors:
    for key in data:
        if not names.is_plain_config_key(key):
            yield from named(names.config_key, key, f"{path}[{key}]")


def _bytes(texts: Iterable[Any]) -> int:
    return sum(len(text) if text.isascii() else len(text.encode()) for text in map(str, texts))


def _base64(data: Object, path: str) -> Errors:
    for key, value in data.items():
        try:
            base64.b64decode(str(value), validate=True)
        except (binascii.Error, ValueError):
            yield fielderrors.invalid(f"{path}[{key}]", value, "illegal base64 data")


def config_map_update(old: Object, new: Object) -> Errors:
    """An immutable map stays."""
    yield from _immutable(old, new, ("data", "binaryData"))
    yield from config_map(new)


def _immutable(old: Object, new: Object, keys: tuple[str, ...]) -> Errors:
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        yield fielderrors.forbidden("immutable", "field is immutable when `immutable` is set")
    for key in keys:
        if (old.get(key) or {}) != (new.get(key) or {}):
            yield fielderrors.forbidden(key, "field is immutable when `immutable` is set")


def secret(obj: Object) -> Errors:
    """v1 Secret."""
    data, kind = obj.get("data") or {}, obj.get("type", "Opaque")
    yield from _keys(data, "data")
    yield from _base64(data, "data")
    if _bytes(data.values()) * 3 // 4 > MAX_DATA:
        yield fielderrors.too_long("data", MAX_DATA)
    for key in _SECRET_KEYS.get(kind, ()):
        if key not in data:
            yield fielderrors.required(f"data[{key}]")
    if kind in _SECRET_JSON and _SECRET_JSON[kind] in data:
        yield from _json(data[_SECRET_JSON[kind]], f"data[{_SECRET_JSON[kind]}]")
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & data.keys():
        yield fielderrors.required("data[username]")
        yield fielderrors.required("data[password]")
    if kind == _SERVICE_ACCOUNT_TOKEN:
        annotations = sub(sub(obj, "metadata"), "annotations")
        if not annotations.get(_SERVICE_ACCOUNT_NAME):
            yield fielderrors.required(f"metadata.annotations[{_SERVICE_ACCOUNT_NAME}]")


def _json(value: object, path: str) -> Errors:
    """What image pulls read must be an object of JSON."""
    try:
        if isinstance(orjson.loads(base64.b64decode(str(value))), dict):
            return
        why = "json: cannot unmarshal into an object"
    except ValueError as error:
        why = str(error)
    yield fielderrors.invalid(path, "<secret contents redacted>", why)


def secret_update(old: Object, new: Object) -> Errors:
    """The type stays, and an immutable secret as a whole."""
    if old.get("type") != new.get("type"):
        yield fielderrors.invalid("type", new.get("type"), IMMUTABLE)
    yield from _immutable(old, new, ("data",))
    yield from secret(new)


def lease(obj: Object) -> Errors:
    """coordination.k8s.io/v1 Lease."""
    spec = sub(obj, "spec")
    seconds, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if seconds is not None and seconds <= 0:
        yield fielderrors.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0")
    if transitions is not None and transitions < 0:
        yield fielderrors.invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0")
    if spec.get("preferredHolder") and not spec.get("strategy"):
        yield fielderrors.forbidden("spec.preferredHolder", "may only be specified if `strategy` is defined")


def event(obj: Object) -> Errors:
    """v1 Event."""
    target, own = sub(obj, "involvedObject"), sub(obj, "metadata").get("namespace", "")
    about = target.get("namespace", "")
    if about != own and (about or own != "default"):
        detail = "does not match event.namespace"
        if not about:
            detail = "not required for cluster-scoped objects" if own == "kube-system" else detail
        if own != "kube-system" or about:
            yield fielderrors.invalid("involvedObject.namespace", about, detail)


def new_event(obj: Object) -> Errors:
    """events.k8s.io/v1 Event: the newer API asks for more."""
    if not obj.get("eventTime"):
        yield fielderrors.required("eventTime")
    if obj.get("type") not in {"Normal", "Warning"}:
        yield fielderrors.invalid("type", obj.get("type", ""), "has invalid value: " + str(obj.get("type", "")))
    for key, limit in (("reportingController", 253), ("reportingInstance", 128), ("action", 128), ("reason", 128)):
        value = str(obj.get(key, ""))
        if not value:
            yield fielderrors.required(key)
        elif len(value) > limit:
            yield fielderrors.invalid(key, "", f"can have at most {limit} characters")
    if len(str(obj.get("note", ""))) > 1024:
        yield fielderrors.invalid("note", "", "can have at most 1024 characters")
    series = obj.get("series")
    if series is not None:
        if series.get("count", 0) < 2:
            yield fielderrors.invalid("series.count", series.get("count"), "should be at least 2")
        if times.since(series.get("lastObservedTime"), times.now()) is None:
            yield fielderrors.required("series.lastObservedTime")
