"""Limit ranges: what containers, pods and claims get when they say nothing, and what they may say.

Rules and words of plugin/pkg/admission/limitranger. All functions take the LimitRange objects of one namespace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tricenter.apimachinery import amounts, podresources
from tricenter.apimachinery.amounts import ZERO, Amount, Amounts

Object = dict[str, Any]

ANNOTATION = "kubernetes.io/limit-ranger"

_Bound = Callable[[str, str, Amount, Mapping[str, Amount], Mapping[str, Amount]], str]


def set_defaults(limit_range: Object, pod: Object) -> None:
    """Give containers the requests and limits that they do not have, and say so in an annotation."""
    requests, limits = _defaults(limit_range, "defaultRequest"), _defaults(limit_range, "default")
    if not requests and not limits:
        return
    spec = pod.get("spec") or {}
    notes: list[str] = []
    for name, kind in (("containers", "container"), ("initContainers", "init container")):
        for container in spec.get(name) or ():
            notes += _fill(container, kind, requests, limits)
    if notes:
        annotations = pod["metadata"].get("annotations") or {}
        pod["metadata"]["annotations"] = annotations | {ANNOTATION: f"LimitRanger plugin set: {'; '.join(notes)}"}


def _defaults(limit_range: Object, key: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in _items(limit_range, "Container"):
        found |= item.get(key) or {}
    return found


def _fill(container: Object, kind: str, requests: dict[str, str], limits: dict[str, str]) -> Iterator[str]:
    resources = container.setdefault("resources", {})
    for section, word, values in (("requests", "request", requests), ("limits", "limit", limits)):
        have = resources.get(section) or {}
        new = {name: value for name, value in values.items() if name not in have}
        if new:
            resources[section] = have | new
            yield f"{', '.join(sorted(new))} {word} for {kind} {container.get('name')}"


def problems(limit_range: Object, pod: Object) -> list[str]:
    """How a pod breaks a limit range."""
    spec = pod.get("spec") or {}
    found: list[str] = []
    for item in _items(limit_range, "Container"):
        for container in podresources.all_containers(spec):
            sections = (podresources.of_container(container, name) for name in ("requests", "limits"))
            found += _checked(item, *sections)
    for item in _items(limit_range, "Pod"):
        found += _checked(item, podresources.requests(spec), podresources.limits(spec))
    return found


def claim_problems(limit_range: Object, claim: Object) -> list[str]:
    """How a PersistentVolumeClaim breaks a limit range; only its request counts."""
    requests = amounts.of(((claim.get("spec") or {}).get("resources") or {}).get("requests"))
    found: list[str] = []
    for item in _items(limit_range, "PersistentVolumeClaim"):
        found += _bounded(item, "min", _minimum, requests, {})
        found += _bounded(item, "max", _maximum_request, requests, {})
    return found


def _items(limit_range: Object, kind: str) -> Iterable[Object]:
    limits = (limit_range.get("spec") or {}).get("limits") or ()
    return (item for item in limits if item.get("type") == kind)


def _checked(item: Object, requests: Amounts, limits: Amounts) -> list[str]:
    found = _bounded(item, "min", _minimum, requests, limits)
    found += _bounded(item, "max", _maximum, requests, limits)
    return found + _bounded(item, "maxLimitRequestRatio", _ratio, requests, limits)


def _bounded(item: Object, key: str, bound: _Bound, requests: Mapping[str, Amount], limits: Any) -> list[str]:
    enforced = amounts.of(item.get(key))
    found = (bound(name, item["type"], enforced[name], requests, limits) for name in sorted(enforced))
    return [text for text in found if text]


def _minimum(name: str, kind: str, bound: Amount, requests: Mapping[str, Amount], limits: Mapping[str, Amount]) -> str:
    head = f"minimum {name} usage per {kind} is {bound}"
    if name not in requests:
        return f"{head}.  No request is specified"
    if requests[name].value < bound.value:
        return f"{head}, but request is {requests[name]}"
    return f"{head}, but limit is {limits[name]}" if name in limits and limits[name].value < bound.value else ""


def _maximum(name: str, kind: str, bound: Amount, requests: Mapping[str, Amount], limits: Mapping[str, Amount]) -> str:
    head = f"maximum {name} usage per {kind} is {bound}"
    if name not in limits:
        return f"{head}.  No limit is specified"
    if limits[name].value > bound.value:
        return f"{head}, but limit is {limits[name]}"
    return f"{head}, but request is {requests[name]}" if requests.get(name, ZERO).value > bound.value else ""


def _maximum_request(
    name: str, kind: str, bound: Amount, requests: Mapping[str, Amount], _limits: Mapping[str, Amount]
) -> str:
    head = f"maximum {name} usage per {kind} is {bound}"
    if name not in requests:
        return f"{head}.  No request is specified"
    return f"{head}, but request is {requests[name]}" if requests[name].value > bound.value else ""


def _ratio(name: str, kind: str, bound: Amount, requests: Mapping[str, Amount], limits: Mapping[str, Amount]) -> str:
    head = f"{name} max limit to request ratio per {kind} is {bound}"
    asked, most = requests.get(name, ZERO).value, limits.get(name, ZERO).value
    if not asked:
        return f"{head}, but no request is specified or request is 0"
    if not most:
        return f"{head}, but no limit is specified or limit is 0"
    ratio = most / asked
    return f"{head}, but provided ratio is {float(ratio):f}" if ratio > bound.value else ""
