"""Rules of HorizontalPodAutoscaler (upstream pkg/apis/autoscaling/validation)."""

from tricenter.apimachinery import fielderrors, names
from tricenter.apimachinery.validation.rules import Errors, Object, each, parsed, required_name, sub

_KINDS = ("ContainerResource", "External", "Object", "Pods", "Resource")
_FIELDS = {kind: kind[0].lower() + kind[1:] for kind in _KINDS}
_SELECTIONS = ("Disabled", "Max", "Min")
_WINDOW_MAX, _PERIOD_MAX = 3600, 1800


def autoscaler(obj: Object) -> Errors:
    """HorizontalPodAutoscaler of both versions."""
    spec = sub(obj, "spec")
    low, high = spec.get("minReplicas"), spec.get("maxReplicas", 0)
    if low is not None and low < 1:
        yield fielderrors.invalid("spec.minReplicas", low, "must be greater than or equal to 1")
    if high < 1:
        yield fielderrors.invalid("spec.maxReplicas", high, "must be greater than 0")
    elif low is not None and high < low:
        yield fielderrors.invalid("spec.maxReplicas", high, "must be greater than or equal to `minReplicas`")
    yield from _reference(sub(spec, "scaleTargetRef"), "spec.scaleTargetRef")
    for where, metric in each(spec, "metrics", "spec"):
        yield from _metric(metric, where)
    for direction in ("scaleUp", "scaleDown"):
        rules = sub(spec, "behavior").get(direction)
        if rules is not None:
            yield from _scaling(rules, f"spec.behavior.{direction}")
    share = spec.get("targetCPUUtilizationPercentage")
    if share is not None and share < 1:
        yield fielderrors.invalid("spec.targetCPUUtilizationPercentage", share, "must be greater than 0")


def _reference(target: Object, path: str) -> Errors:
    for key in ("kind", "name"):
        yield from required_name(target, key, path, names.path_segment)


def _metric(metric: Object, path: str) -> Errors:
    kind = metric.get("type")
    if not kind:
        yield fielderrors.required(f"{path}.type", "must specify a metric source type")
    if kind not in _KINDS:
        yield fielderrors.not_supported(f"{path}.type", kind or "", _KINDS)
        return
    wanted = _FIELDS[kind]
    for field in _FIELDS.values():
        if field != wanted and metric.get(field) is not None:
            yield fielderrors.forbidden(f"{path}.{field}", "must populate the given metric source only")
    source, where = metric.get(wanted), f"{path}.{wanted}"
    if source is None:
        yield fielderrors.required(where, "must populate information for the given metric source")
        return
    yield from _named(kind, source, where)
    target = sub(source, "target")
    yield from _target(target, f"{where}.target")
    yield from _enough(kind, target, f"{where}.target")


def _named(kind: str, source: Object, path: str) -> Errors:
    """What is measured, and of what."""
    if kind in {"Resource", "ContainerResource"}:
        if not source.get("name"):
            yield fielderrors.required(f"{path}.name", "must specify a resource name")
        if kind == "ContainerResource" and not source.get("container"):
            yield fielderrors.required(f"{path}.container", "must specify a container")
        return
    if kind == "Object":
        yield from _reference(sub(source, "describedObject"), f"{path}.describedObject")
    detail = "must specify a metric name"
    yield from required_name(sub(source, "metric"), "name", f"{path}.metric", names.path_segment, detail)


def _target(target: Object, path: str) -> Errors:
    kind, share = target.get("type"), target.get("averageUtilization")
    if not kind:
        yield fielderrors.required(f"{path}.type", "must specify a metric target type")
    elif kind not in {"Utilization", "Value", "AverageValue"}:
        yield fielderrors.invalid(f"{path}.type", kind, "must be either Utilization, Value, or AverageValue")
    for key in ("value", "averageValue"):
        if target.get(key) is not None and not _positive(target[key]):
            yield fielderrors.invalid(f"{path}.{key}", target[key], "must be positive")
    if share is not None and share < 1:
        yield fielderrors.invalid(f"{path}.averageUtilization", share, "must be greater than 0")


def _positive(value: object) -> bool:
    found = parsed(value)
    return found is not None and found > 0


def _enough(kind: str, target: Object, path: str) -> Errors:
    """Whether the target says how much is wanted, and says it once."""
    value, average, share = (target.get(key) for key in ("value", "averageValue", "averageUtilization"))
    if kind in {"Resource", "ContainerResource"}:
        if share is None and average is None:
            detail = "must set either a target raw value or a target utilization"
            yield fielderrors.required(f"{path}.averageUtilization", detail)
        elif share is not None and average is not None:
            detail = "may not set both a target raw value and a target utilization"
            yield fielderrors.forbidden(f"{path}.averageValue", detail)
    elif kind == "Pods":
        if average is None or not _positive(average):
            yield fielderrors.required(f"{path}.averageValue", "must specify a positive target averageValue")
    elif value is None and average is None:
        detail = "must set either a target value or averageValue"
        if kind == "External":
            detail = "must set either a target value for metric or a per-pod target"
        yield fielderrors.required(f"{path}.averageValue", detail)
    elif kind == "External" and value is not None and average is not None:
        detail = "may not set both a target value for metric and a per-pod target"
        yield fielderrors.forbidden(f"{path}.value", detail)


def _scaling(rules: Object, path: str) -> Errors:
    window, selection = rules.get("stabilizationWindowSeconds"), rules.get("selectPolicy")
    if window is not None and window < 0:
        detail = "must be greater than or equal to zero"
        yield fielderrors.invalid(f"{path}.stabilizationWindowSeconds", window, detail)
    if window is not None and window > _WINDOW_MAX:
        detail = f"must be less than or equal to {_WINDOW_MAX}"
        yield fielderrors.invalid(f"{path}.stabilizationWindowSeconds", window, detail)
    if selection is not None and selection not in _SELECTIONS:
        yield fielderrors.not_supported(f"{path}.selectPolicy", selection, _SELECTIONS)
    if not rules.get("policies"):
        yield fielderrors.required(f"{path}.policies", "must specify at least one Policy")
    for where, policy in each(rules, "policies", path):
        if policy.get("type") not in {"Percent", "Pods"}:
            yield fielderrors.not_supported(f"{where}.type", policy.get("type", ""), ("Percent", "Pods"))
        for key in ("value", "periodSeconds"):
            if policy.get(key, 0) <= 0:
                yield fielderrors.invalid(f"{where}.{key}", policy.get(key, 0), "must be greater than zero")
        if policy.get("periodSeconds", 0) > _PERIOD_MAX:
            detail = f"must be less than or equal to {_PERIOD_MAX}"
            yield fielderrors.invalid(f"{where}.periodSeconds", policy["periodSeconds"], detail)
