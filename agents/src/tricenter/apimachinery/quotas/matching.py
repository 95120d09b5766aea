"""Which objects a quota counts: those that use one of its names and fit its scopes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tricenter.apimachinery import podresources
from tricenter.apimachinery.quotas.usage import Usage

Object = Mapping[str, Any]

_AFFINITIES = ("podAffinity", "podAntiAffinity")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def matches(quota: Object, names: Iterable[str], usage: Usage, obj: Object) -> bool:
    """Whether a quota that limits these names counts an object."""
    return bool(usage.names(names)) and all(_fits(usage, requirement, obj) for requirement in scopes(quota))


def scopes(quota: Object) -> list[Object]:
    """The conditions of a quota; a plain scope is one that must hold."""
    spec = quota.get("spec") or {}
    plain = [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or ()]
    return [*plain, *((spec.get("scopeSelector") or {}).get("matchExpressions") or ())]


def _fits(usage: Usage, requirement: Object, obj: Object) -> bool:
    scope = requirement.get("scopeName")
    if (usage.group, usage.plural) == ("", "persistentvolumeclaims"):
        return scope == "VolumeAttributesClass" and _selects(requirement, _attributes_classes(obj))
    if (usage.group, usage.plural) != ("", "pods"):
        return False
    return _pod_fits(requirement, obj.get("spec") or {})


def _pod_fits(requirement: Object, spec: Object) -> bool:
    limited, best_effort = spec.get("activeDeadlineSeconds") is not None, podresources.qos_class(spec) == "BestEffort"
    name = spec.get("priorityClassName")
    answers = {
        "Terminating": limited,
        "NotTerminating": not limited,
        "BestEffort": best_effort,
        "NotBestEffort": not best_effort,
        "PriorityClass": _selects(requirement, [name] if name else []),
        "CrossNamespacePodAffinity": any(map(_crosses, _affinity_terms(spec))),
    }
    return answers.get(requirement.get("scopeName", ""), False)


def _selects(requirement: Object, names: list[str]) -> bool:
    """A condition on a class, of which there may be none."""
    values = requirement.get("values") or ()
    match requirement.get("operator"):
        case "Exists":
            return bool(names)
        case "DoesNotExist":
            return not names
        case "In":
            return any(name in values for name in names)
        case "NotIn":
            return not names or any(name not in values for name in names)
    return False


def _attributes_classes(claim: Object) -> list[str]:
    spec, status = claim.get("spec") or {}, claim.get("status") or {}
    modified = (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName")
    found = {spec.get("volumeAttributesClassName"), status.get("currentVolumeAttributesClassName"), modified}
    return sorted(name for name in found if name)


def _affinity_terms(spec: Object) -> Iterable[Object]:
    for kind in _AFFINITIES:
        affinity = (spec.get("affinity") or {}).get(kind) or {}
        yield from affinity.get(_REQUIRED) or ()
        yield from (item.get("podAffinityTerm") or {} for item in affinity.get(_PREFERRED) or ())


def _crosses(term: Object) -> bool:
    return bool(term.get("namespaces")) or term.get("namespaceSelector") is not None
