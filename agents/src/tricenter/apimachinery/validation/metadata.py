"""Rules of ObjectMeta for all kinds (upstream apimachinery/pkg/api/validation/objectmeta.go)."""

import ipaddress
from collections.abc import Callable
from dataclasses import replace

from tricenter.apimachinery import fielderrors, names
from tricenter.apimachinery.records import Kind
from tricenter.apimachinery.validation.rules import IMMUTABLE, Errors, Object, each, labels, named

ANNOTATIONS_MAX = 256 * 1024
_META = "metadata"
_STANDARD_FINALIZERS = {"kubernetes", "orphan", "foregroundDeletion"}
_OTHER_LIBRARIES = ("apiextensions.k8s.io", "apiregistration.k8s.io", "admissionregistration.k8s.io")
"""Groups whose validation is not that of pkg/apis/core, which is stricter about finalizers."""
_Check = Callable[[str], list[str]]


def _ip_name(value: str) -> list[str]:
    try:
        canonical = str(ipaddress.ip_address(value))
    except ValueError:
        return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    return [] if canonical == value else [f"must be in canonical form ({canonical!r})"]


def _any(value: str) -> list[str]:  # noqa: ARG001 - a check that lets everything pass
    return []


# The name rule of most kinds is an RFC 1123 subdomain.
_NAME_RULES: dict[tuple[str, str], _Check] = {
    ("", "Service"): names.dns_label_1035,
    ("", "Namespace"): names.dns_label,
    ("apps", "StatefulSet"): names.dns_label,
    ("networking.k8s.io", "IPAddress"): _ip_name,
    ("autoscaling", "HorizontalPodAutoscaler"): names.path_segment,
    ("apiregistration.k8s.io", "APIService"): names.path_segment,
    ("rbac.authorization.k8s.io", "Role"): names.path_segment,
    ("rbac.authorization.k8s.io", "RoleBinding"): names.path_segment,
    ("rbac.authorization.k8s.io", "ClusterRole"): names.path_segment,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): names.path_segment,
    ("", "Binding"): _any,
}


def name_rule(kind: Kind) -> _Check:
    """The check for names of a kind."""
    return _NAME_RULES.get((kind.group, kind.kind), names.dns_subdomain)


def check(kind: Kind, obj: Object) -> Errors:
    """ObjectMeta of an object that is to be stored."""
    meta = obj.get("metadata") or {}
    yield from check_meta(meta, name_rule(kind), namespaced=kind.namespaced)
    if kind.structural is None and kind.group not in _OTHER_LIBRARIES:
        for index, finalizer in enumerate(meta.get("finalizers") or ()):
            if "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
                detail = "name is neither a standard finalizer name nor is it fully qualified"
                yield fielderrors.invalid(f"{_META}.finalizers[{index}]", finalizer, detail)


def embedded(meta: Object, path: str) -> Errors:
    """ObjectMeta of an object inside another, which need not have a name."""
    named_meta = {**meta, "name": meta.get("name") or "fakename"}
    for error in check_meta(named_meta, names.path_segment, namespaced=bool(meta.get("namespace"))):
        yield replace(error, path=f"{path}{error.path.removeprefix(_META)}")


def check_meta(meta: Object, rule: _Check, *, namespaced: bool) -> Errors:
    """Any ObjectMeta, by the rule for its name."""
    if prefix := meta.get("generateName"):
        # the prefix may end in what a name may not end in, since letters follow
        stem = prefix[:-1] + "a" if prefix.endswith("-") else prefix
        yield from named(rule, stem, f"{_META}.generateName")
    if meta.get("name"):
        yield from named(rule, meta["name"], f"{_META}.name")
    elif not prefix:
        yield fielderrors.required(f"{_META}.name", "name or generateName is required")
    yield from _namespace(meta, namespaced=namespaced)
    if meta.get("generation", 0) < 0:
        yield fielderrors.invalid(f"{_META}.generation", meta["generation"], "must be greater than or equal to 0")
    yield from labels(meta.get("labels"), f"{_META}.labels")
    yield from annotations(meta.get("annotations"))
    yield from _owners(meta)
    yield from _finalizers(meta)


def _namespace(meta: Object, *, namespaced: bool) -> Errors:
    namespace = meta.get("namespace")
    if namespaced:
        if not namespace:
            yield fielderrors.required(f"{_META}.namespace")
        else:
            yield from named(names.dns_label, namespace, f"{_META}.namespace")
    elif namespace:
        yield fielderrors.forbidden(f"{_META}.namespace", "not allowed on this type")


def annotations_size(found: Object) -> int:
    """Bytes of all annotations of an object together."""
    return sum(len(key.encode()) + len(str(value).encode()) for key, value in found.items())


def annotations(found: Object | None, path: str = f"{_META}.annotations") -> Errors:
    """Keys and total size of annotations."""
    for key in found or {}:
        yield from named(names.qualified_name, key.lower(), path)
    if annotations_size(found or {}) > ANNOTATIONS_MAX:
        yield fielderrors.too_long(path, ANNOTATIONS_MAX)


def _owners(meta: Object) -> Errors:
    controller = None
    for path, owner in each(meta, "ownerReferences", _META):
        if not owner.get("apiVersion"):
            yield fielderrors.invalid(f"{path}.apiVersion", owner.get("apiVersion", ""), "version must not be empty")
        for key in ("kind", "name", "uid"):
            if not owner.get(key):
                yield fielderrors.invalid(f"{path}.{key}", owner.get(key, ""), "must not be empty")
        if owner.get("apiVersion") == "v1" and owner.get("kind") == "Event":
            yield fielderrors.invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner")
        if owner.get("controller"):
            if controller is not None:
                detail = (
                    'Only one reference can have Controller set to true. Found "true" in references for '
                    f"{controller.get('name')} and {owner.get('name')}"
                )
                yield fielderrors.invalid(f"{_META}.ownerReferences", meta["ownerReferences"], detail)
            controller = owner


def _finalizers(meta: Object) -> Errors:
    found = meta.get("finalizers") or []
    for finalizer in found:
        yield from named(names.qualified_name, finalizer, f"{_META}.finalizers")
    if {"orphan", "foregroundDeletion"} <= set(found):
        yield fielderrors.invalid(
            f"{_META}.finalizers", found, "finalizer orphan and foregroundDeletion cannot be both set"
        )


def check_update(kind: Kind, old: Object, new: Object) -> Errors:
    """ObjectMeta of an object that replaces another."""
    before, after = old.get("metadata") or {}, new.get("metadata") or {}
    for key in ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
        if before.get(key) != after.get(key):
            yield fielderrors.invalid(f"{_META}.{key}", after.get(key), IMMUTABLE)
    if after.get("generation", 0) < before.get("generation", 0):
        yield fielderrors.invalid(f"{_META}.generation", after.get("generation"), "must not be decremented")
    if before.get("deletionTimestamp"):
        added = sorted(set(after.get("finalizers") or ()) - set(before.get("finalizers") or ()))
        if added:
            detail = f"no new finalizers can be added if the object is being deleted, found new finalizers {added!r}"
            yield fielderrors.forbidden(f"{_META}.finalizers", detail)
    # what was stored under older rules may stay
    fields = {key: value for key, value in after.items() if value != before.get(key) or key in {"name", "namespace"}}
    yield from check(kind, {"metadata": fields})
