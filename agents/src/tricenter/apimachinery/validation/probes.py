"""Rules of probes and lifecycle hooks (upstream pkg/apis/core/validation)."""

from tricenter.apimachinery import fielderrors, names
from tricenter.apimachinery.validation.rules import (
    Errors,
    Object,
    each,
    named,
    not_negative,
    one_of,
    port_number,
    port_or_name,
    required,
    sub,
)  # fmt: skip

_HOOK_ACTIONS = ("exec", "httpGet", "tcpSocket", "sleep")
_PROBE_ACTIONS = ("exec", "httpGet", "tcpSocket", "grpc")


def running(obj: Object, path: str, grace: int | None) -> Errors:
    """Probes and hooks of a container that stays. `grace`: seconds that the pod has to end."""
    for hook in ("postStart", "preStop"):
        found = sub(obj, "lifecycle").get(hook)
        if found is not None:
            yield from _handler(found, f"{path}.lifecycle.{hook}", _HOOK_ACTIONS, grace)
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if obj.get(name) is not None:
            yield from _probe(obj[name], f"{path}.{name}", ready=name == "readinessProbe")


def _probe(probe: Object, path: str, *, ready: bool) -> Errors:
    yield from _handler(probe, path, _PROBE_ACTIONS, None)
    yield from not_negative(
        probe, path, "initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"
    )
    if not ready and probe.get("successThreshold", 1) != 1:
        yield fielderrors.invalid(f"{path}.successThreshold", probe["successThreshold"], "must be 1")
    grace = probe.get("terminationGracePeriodSeconds")
    if grace is not None and ready:
        yield fielderrors.invalid(f"{path}.terminationGracePeriodSeconds", grace, "must not be set for readinessProbes")
    elif grace is not None and grace <= 0:
        yield fielderrors.invalid(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than 0")


def _handler(found: Object, path: str, kinds: tuple[str, ...], grace: int | None) -> Errors:
    """What a probe or hook does: exactly one thing."""
    given = [key for key in kinds if found.get(key) is not None]
    if not given:
        yield fielderrors.required(path, "must specify a handler type")
        return
    for extra in given[1:]:
        yield fielderrors.forbidden(f"{path}.{extra}", "may not specify more than 1 handler type")
    where, action = f"{path}.{given[0]}", found[given[0]]
    match given[0]:
        case "exec":
            yield from required(action, "command", where)
        case "httpGet":
            yield from _http(action, where)
        case "tcpSocket":
            yield from port_or_name(action.get("port"), f"{where}.port")
        case "grpc":
            yield from port_number(action.get("port", 0), f"{where}.port")
        case "sleep":
            seconds = action.get("seconds", 0)
            if grace is not None and not 0 <= seconds <= grace:
                detail = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
                yield fielderrors.invalid(where, seconds, detail)


def _http(action: Object, path: str) -> Errors:
    yield from required(action, "path", path)
    yield from port_or_name(action.get("port"), f"{path}.port")
    yield from one_of(action, "scheme", path, ("HTTP", "HTTPS"))
    for _, header in each(action, "httpHeaders", path):
        yield from named(names.http_header, header.get("name", ""), f"{path}.httpHeaders")
