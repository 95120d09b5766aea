"""Rules of what containers request and are limited to (upstream pkg/apis/core/validation, apis/core/helper)."""

from tricenter.apimachinery import fielderrors, names
from tricenter.apimachinery.validation.rules import Errors, Object, amount, each, named, parsed, sub, whole

_STANDARD = {"cpu", "memory", "ephemeral-storage"}
_ELSEWHERE = {
    "configmaps", "persistentvolumeclaims", "pods", "replicationcontrollers", "resourcequotas", "secrets", "services",
    "services.loadbalancers", "services.nodeports", "storage", "requests.storage",
    *(f"{part}.{name}" for part in ("requests", "limits") for name in _STANDARD),
}  # fmt: skip
"""Names that mean something, but not for a container."""
_RESIZED = ("cpu", "memory")
_RESTARTS = ("NotRequired", "RestartContainer")


def resources(found: Object, path: str) -> Errors:
    """Requests and limits of a container."""
    limits, requests = sub(found, "limits"), sub(found, "requests")
    for part, given in (("limits", limits), ("requests", requests)):
        for name, value in given.items():
            where = f"{path}.{part}[{name}]"
            yield from resource_name(name, where)
            yield from amount(value, where)
            if _extended(name):
                yield from whole(value, where)
    for name, request in requests.items():
        yield from _within(name, request, limits, path)
    given_names = {*limits, *requests}
    if any(map(_huge, given_names)) and given_names.isdisjoint(_RESIZED):
        yield fielderrors.forbidden(path, "HugePages require cpu or memory")


def resource_name(name: str, path: str) -> Errors:
    """The name of something that containers get."""
    if name in _STANDARD:
        return
    wrong = list(named(names.qualified_name, name, path))
    yield from wrong
    if wrong or _huge(name):
        return
    if "/" not in name:
        if name not in _ELSEWHERE:
            yield fielderrors.invalid(path, name, "must be a standard resource type or fully qualified")
        yield fielderrors.invalid(path, name, "must be a standard resource for containers")
    elif "kubernetes.io/" not in name and not _extended(name):
        yield fielderrors.invalid(path, name, "doesn't follow extended resource name standard")


def _huge(name: str) -> bool:
    return name.startswith("hugepages-")


def _native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def _extended(name: str) -> bool:
    """A device or its like, which comes in whole numbers and is not shared out twice."""
    return not _native(name) and not name.startswith("requests.")


def _within(name: str, request: object, limits: Object, path: str) -> Errors:
    exact = not _native(name) or _huge(name)
    if name not in limits:
        if exact:
            yield fielderrors.required(f"{path}.limits", "Limit must be set for non overcommitable resources")
        return
    limit = limits[name]
    if request == limit:
        return
    low, high = parsed(request), parsed(limit)
    if low is None or high is None:
        return
    if exact and low != high:
        yield fielderrors.invalid(f"{path}.requests", request, f"must be equal to {name} limit of {limit}")
    elif low > high:
        detail = f"must be less than or equal to {name} limit of {limit}"
        yield fielderrors.invalid(f"{path}.requests", request, detail)


def resize_policy(obj: Object, path: str, *, never: bool) -> Errors:
    """How a container takes other resources; `never`: its pod restarts nothing."""
    seen: set[object] = set()
    for where, policy in each(obj, "resizePolicy", path):
        name, restart = policy.get("resourceName"), policy.get("restartPolicy")
        if name in seen:
            yield fielderrors.duplicate(where, name)
        seen.add(name)
        for value, choices in ((name, _RESIZED), (restart, _RESTARTS)):
            if not value:
                yield fielderrors.required(f"{path}.resizePolicy")
            elif value not in choices:
                yield fielderrors.not_supported(f"{path}.resizePolicy", value, choices)
        if never and restart != "NotRequired":
            detail = "must be 'NotRequired' when `restartPolicy` is 'Never'"
            yield fielderrors.invalid(f"{path}.resizePolicy", restart, detail)
