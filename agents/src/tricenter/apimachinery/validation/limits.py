"""Rules of ResourceQuota and LimitRange (upstream pkg/apis/core/validation)."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

from tricenter.apimachinery import fielderrors, names
from tricenter.apimachinery.validation.resources import resource_name
from tricenter.apimachinery.validation.rules import (
    IMMUTABLE,
    Errors,
    Object,
    amount,
    each,
    named,
    one_of,
    parsed,
    required,
    sub,
    unique,
    whole,
)  # fmt: skip

_PLAIN_SCOPES = ("BestEffort", "CrossNamespacePodAffinity", "NotBestEffort", "NotTerminating", "Terminating")
_SCOPES = (*_PLAIN_SCOPES, "PriorityClass", "VolumeAttributesClass")
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_COUNTED = {
    "configmaps", "persistentvolumeclaims", "pods", "replicationcontrollers", "resourcequotas", "secrets", "services",
    "services.loadbalancers", "services.nodeports",
}  # fmt: skip
_STANDARD = _COUNTED | {
    *_COMPUTE, "requests.storage", *(f"{kind}.{name}" for kind in ("requests", "limits") for name in _COMPUTE),
}  # fmt: skip
_POD_COMPUTE = {name for name in _STANDARD if name.endswith(_COMPUTE)} | {"pods"}
_SCOPE_RESOURCES = {
    "BestEffort": {"pods"},
    "NotBestEffort": _POD_COMPUTE,
    "NotTerminating": _POD_COMPUTE,
    "Terminating": _POD_COMPUTE,
    "PriorityClass": _POD_COMPUTE,
    "CrossNamespacePodAffinity": _POD_COMPUTE,
}
"""What a scope can be about."""
_CONFLICTS = ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"})
_ORDERED = (
    ("min", "max", "min", "min", "max"),
    ("min", "default", "min", "min", "default"),
    ("default", "max", "default", "default", "max"),
    ("min", "defaultRequest", "defaultRequest", "min", "default request"),
    ("defaultRequest", "max", "defaultRequest", "default request", "max"),
    ("defaultRequest", "default", "defaultRequest", "default request", "default limit"),
)
"""Of a limit: the lower field, the higher one, the one to blame, and what messages call the two."""


def quota(obj: Object) -> Errors:
    """v1 ResourceQuota."""
    spec = sub(obj, "spec")
    for name, value in (spec.get("hard") or {}).items():
        yield from _quota_name(name, f"spec.hard[{name}]")
        yield from amount(value, f"spec.hard[{name}]")
        if name.partition("/")[0] == "count" or name in _COUNTED:
            yield from whole(value, f"spec.hard[{name}]")
    yield from _scopes(spec)
    yield from _scope_selector(spec)


def _quota_name(name: str, path: str) -> Errors:
    yield from named(names.qualified_name, name, path)
    if "/" not in name and name not in _STANDARD and not name.startswith(("hugepages-", "requests.hugepages-")):
        yield fielderrors.invalid(path, name, "must be a standard resource type or fully qualified")
        yield fielderrors.invalid(path, name, "must be a standard resource for quota")


def _scopes(spec: Object) -> Errors:
    scopes = spec.get("scopes") or []
    for scope in scopes:
        if scope not in _SCOPES:
            yield fielderrors.invalid("spec.scopes", scopes, "unsupported scope")
        elif not _applies(scope, spec.get("hard") or {}):
            yield fielderrors.invalid("spec.scopes", scopes, "unsupported scope applied to resource")
    yield from _conflicts(set(scopes), "spec.scopes", scopes)


def _applies(scope: str, hard: Iterable[str]) -> bool:
    """Whether a scope can be about all standard resources of a quota."""
    about = _SCOPE_RESOURCES.get(scope)
    return about is None or all(name in about for name in hard if name in _STANDARD)


def _conflicts(scopes: set[str], path: str, value: object) -> Errors:
    for pair in _CONFLICTS:
        if pair <= scopes:
            yield fielderrors.invalid(path, value, "conflicting scopes")


def _scope_selector(spec: Object) -> Errors:
    path, found = "spec.scopeSelector.matchExpressions", list(
        each(sub(spec, "scopeSelector"), "matchExpressions", "spec.scopeSelector")
    )  # fmt: skip
    for where, item in found:
        scope, operator, values = item.get("scopeName"), item.get("operator"), item.get("values")
        if scope not in _SCOPES:
            yield fielderrors.invalid(f"{where}.scopeName", scope, "unsupported scope")
        elif not _applies(scope, spec.get("hard") or {}):
            yield fielderrors.invalid(where, spec["scopeSelector"], "unsupported scope applied to resource")
        if scope in _PLAIN_SCOPES and operator != "Exists":
            detail = (
                "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
                "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or "
                "ResourceQuotaScopeCrossNamespacePodAffinity"
            )
            yield fielderrors.invalid(f"{where}.operator", operator, detail)
        yield from one_of(item, "operator", where, ("DoesNotExist", "Exists", "In", "NotIn"))
        if operator in {"In", "NotIn"} and not values:
            detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            yield fielderrors.required(f"{where}.values", detail)
        elif operator in {"Exists", "DoesNotExist"} and values:
            detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            yield fielderrors.invalid(f"{where}.values", values, detail)
    yield from _conflicts({str(item.get("scopeName")) for _, item in found}, path, [item for _, item in found])


def quota_update(old: Object, new: Object) -> Errors:
    """The scopes stay."""
    before, after = sub(old, "spec"), sub(new, "spec")
    if sorted(before.get("scopes") or ()) != sorted(after.get("scopes") or ()):
        yield fielderrors.invalid("spec.scopes", after.get("scopes"), IMMUTABLE)
    yield from quota(new)


def limit_range(obj: Object) -> Errors:
    """v1 LimitRange."""
    limits = list(each(sub(obj, "spec"), "limits", "spec"))
    yield from unique((f"{where}.type", item.get("type")) for where, item in limits)
    for where, item in limits:
        yield from required(item, "type", where)
        for key in ("min", "max", "default", "defaultRequest", "maxLimitRequestRatio"):
            for name, value in (item.get(key) or {}).items():
                yield from _limit_value(name, value, f"{where}.{key}[{name}]")
                if item.get("type") in {"Pod", "Container"}:
                    yield from resource_name(name, f"{where}.{key}[{name}]")
        yield from _limit_type(item, where)
        for fields in _ORDERED:
            yield from _ordered(item, fields, where)
        yield from _ratio(item, where)


def _limit_value(name: str, value: object, path: str) -> Errors:
    yield from named(names.qualified_name, name, path)
    yield from amount(value, path)


def _limit_type(item: Object, path: str) -> Errors:
    if item.get("type") == "Pod":
        for key in ("default", "defaultRequest"):
            if item.get(key):
                yield fielderrors.forbidden(f"{path}.{key}", "may not be specified when `type` is 'Pod'")
    bounded = any("storage" in (item.get(key) or {}) for key in ("min", "max"))
    if item.get("type") == "PersistentVolumeClaim" and not bounded:
        detail = "either minimum or maximum storage value is required, but neither was provided"
        yield fielderrors.required(f"{path}.limits", detail)


def _ordered(item: Object, fields: tuple[str, str, str, str, str], path: str) -> Errors:
    low, high, blamed, low_words, high_words = fields
    for name, low_text, low_value, high_text, high_value in _pairs(item, low, high):
        if low_value > high_value:
            value = (item.get(blamed) or {}).get(name)
            detail = f"{low_words} value {low_text} is greater than {high_words} value {high_text}"
            yield fielderrors.invalid(f"{path}.{blamed}[{name}]", value, detail)


def _pairs(item: Object, first: str, second: str) -> Iterator[tuple[str, str, Fraction, str, Fraction]]:
    """Names that both fields have, with their texts and values."""
    for name, text in (item.get(first) or {}).items():
        other = (item.get(second) or {}).get(name)
        value, bound = parsed(text), parsed(other)
        if other is not None and value is not None and bound is not None:
            yield name, text, value, other, bound


def _ratio(item: Object, path: str) -> Errors:
    for name, text in (item.get("maxLimitRequestRatio") or {}).items():
        ratio = parsed(text)
        where = f"{path}.maxLimitRequestRatio[{name}]"
        if ratio is not None and ratio < 1:
            yield fielderrors.invalid(where, text, f"ratio {text} is less than 1")
        for also, _, low, _, high in _pairs(item, "min", "max"):
            if also == name and ratio is not None and low and ratio > high / low:
                yield fielderrors.invalid(where, text, f"ratio {text} is greater than max/min = {float(high / low):f}")
