"""Rows of workload kinds."""

from datetime import datetime
from typing import Any

from tricenter.apimachinery import conversion, times
from tricenter.apimachinery.tables import text
from tricenter.apimachinery.tables.text import NONE, UNKNOWN, UNSET, Object, Printer

_CONTAINERS = "Containers* Images*"


def _count(section: Object, key: str) -> int:
    return int(section.get(key) or 0)


def _deployment(obj: Object, now: datetime) -> list[Any]:
    spec, status = text.spec(obj), text.status(obj)
    return [
        f"{_count(status, 'readyReplicas')}/{_count(spec, 'replicas')}",
        _count(status, "updatedReplicas"),
        _count(status, "availableReplicas"),
        text.age(obj, now),
        *text.containers(spec.get("template")),
        text.selector(spec.get("selector")),
    ]


def _replicas(obj: Object, now: datetime, selector: str) -> list[Any]:
    spec, status = text.spec(obj), text.status(obj)
    return [
        _count(spec, "replicas"),
        _count(status, "replicas"),
        _count(status, "readyReplicas"),
        text.age(obj, now),
        *text.containers(spec.get("template")),
        selector,
    ]


def _replica_set(obj: Object, now: datetime) -> list[Any]:
    return _replicas(obj, now, text.selector(text.spec(obj).get("selector")))


def _replication_controller(obj: Object, now: datetime) -> list[Any]:
    return _replicas(obj, now, text.labels(text.spec(obj).get("selector")))


def _stateful_set(obj: Object, now: datetime) -> list[Any]:
    spec, status = text.spec(obj), text.status(obj)
    ready = f"{_count(status, 'readyReplicas')}/{_count(spec, 'replicas')}"
    return [ready, text.age(obj, now), *text.containers(spec.get("template"))]


_DAEMON_COUNTS = (
    "desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled", "numberAvailable",
)  # fmt: skip


def _daemon_set(obj: Object, now: datetime) -> list[Any]:
    spec, status = text.spec(obj), text.status(obj)
    template = spec.get("template") or {}
    return [
        *(_count(status, key) for key in _DAEMON_COUNTS),
        text.labels((template.get("spec") or {}).get("nodeSelector")),
        text.age(obj, now),
        *text.containers(template),
        text.selector(spec.get("selector")),
    ]


def _job_state(obj: Object) -> str:
    for condition, state in (("Complete", "Complete"), ("Failed", "Failed")):
        if text.condition(obj, condition) == "True":
            return state
    if obj.get("metadata", {}).get("deletionTimestamp"):
        return "Terminating"
    for condition in ("Suspended", "FailureTarget"):
        if text.condition(obj, condition) == "True":
            return condition
    return "Running"


def _job(obj: Object, now: datetime) -> list[Any]:
    spec, status = text.spec(obj), text.status(obj)
    succeeded, parallelism = _count(status, "succeeded"), _count(spec, "parallelism")
    if spec.get("completions") is not None:
        completions = f"{succeeded}/{spec['completions']}"
    else:
        completions = f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"
    duration = ""
    if start := status.get("startTime"):
        end = status.get("completionTime")
        duration = text.since(start, times.parse(end) if end else now)
    return [
        _job_state(obj),
        completions,
        duration,
        text.age(obj, now),
        *text.containers(spec.get("template")),
        text.selector(spec.get("selector")),
    ]


def _cron_job(obj: Object, now: datetime) -> list[Any]:
    spec, status = text.spec(obj), text.status(obj)
    job = (spec.get("jobTemplate") or {}).get("spec") or {}
    last = status.get("lastScheduleTime")
    return [
        spec.get("schedule", ""),
        spec.get("timeZone") or NONE,
        text.truth(spec.get("suspend")),
        len(status.get("active") or ()),
        text.since(last, now) if last else NONE,
        text.age(obj, now),
        *text.containers(job.get("template")),
        text.selector(job.get("selector")),
    ]


def _metric(metric: Object, current: Object) -> str:
    """One metric of an autoscaler: current value and target."""
    kind = str(metric.get("type", ""))
    section = kind[:1].lower() + kind[1:]
    source, found = metric.get(section) or {}, current.get(section) or {}
    target, value = source.get("target") or {}, found.get("current") or {}
    if kind in {"Resource", "ContainerResource"}:
        name = source.get("name", "")
        if target.get("averageValue") is not None:
            return f"{name}: {value.get('averageValue', UNKNOWN)}/{target['averageValue']}"
        used, wanted = value.get("averageUtilization"), target.get("averageUtilization")
        return f"{name}: {UNKNOWN if used is None else f'{used}%'}/{'<auto>' if wanted is None else f'{wanted}%'}"
    if kind == "Pods":
        return f"{value.get('averageValue', UNKNOWN)}/{target.get('averageValue')}"
    if kind in {"Object", "External"}:
        if target.get("averageValue") is not None:
            return f"{value.get('averageValue', UNKNOWN)}/{target['averageValue']} (avg)"
        return f"{value.get('value', UNKNOWN)}/{target.get('value')}"
    return "<unknown type>"


def _autoscaler(obj: Object, now: datetime) -> list[Any]:
    obj = conversion.convert(obj, "autoscaling/v2")
    spec, status = text.spec(obj), text.status(obj)
    metrics, current = spec.get("metrics") or [], status.get("currentMetrics") or []
    shown = [_metric(metric, current[i] if i < len(current) else {}) for i, metric in enumerate(metrics)]
    targets = ", ".join(shown[:2]) or NONE
    if len(shown) > 2:
        targets += f" + {len(shown) - 2} more..."
    reference = spec.get("scaleTargetRef") or {}
    return [
        f"{reference.get('kind', '')}/{reference.get('name', '')}",
        targets,
        str(spec.get("minReplicas", UNSET)),
        _count(spec, "maxReplicas"),
        _count(status, "currentReplicas"),
        text.age(obj, now),
    ]


def _controller_revision(obj: Object, now: datetime) -> list[Any]:
    owner = next((item for item in obj["metadata"].get("ownerReferences") or () if item.get("controller")), None)
    controller = NONE
    if owner:
        group = owner.get("apiVersion", "").rpartition("/")[0]
        kind = f"{owner.get('kind', '')}.{group}" if group else owner.get("kind", "")
        controller = f"{kind.lower()}/{owner.get('name', '')}"
    return [controller, _count(obj, "revision"), text.age(obj, now)]


def _scale(obj: Object, now: datetime) -> list[Any]:
    return [_count(text.spec(obj), "replicas"), _count(text.status(obj), "replicas"), text.age(obj, now)]


def _budget(obj: Object, now: datetime) -> list[Any]:
    spec = text.spec(obj)
    return [
        str(spec.get("minAvailable", "N/A")),
        str(spec.get("maxUnavailable", "N/A")),
        _count(text.status(obj), "disruptionsAllowed"),
        text.age(obj, now),
    ]


PRINTERS = {
    ("", "ReplicationController"): Printer(
        f"Desired# Current# Ready# Age {_CONTAINERS} Selector*", _replication_controller
    ),
    ("apps", "Deployment"): Printer(f"Ready Up-to-date Available Age {_CONTAINERS} Selector*", _deployment),
    ("apps", "ReplicaSet"): Printer(f"Desired# Current# Ready# Age {_CONTAINERS} Selector*", _replica_set),
    ("apps", "StatefulSet"): Printer(f"Ready Age {_CONTAINERS}", _stateful_set),
    ("apps", "DaemonSet"): Printer(
        f"Desired# Current# Ready# Up-to-date# Available# Node_Selector Age {_CONTAINERS} Selector*", _daemon_set
    ),
    ("apps", "ControllerRevision"): Printer("Controller Revision Age", _controller_revision),
    ("batch", "Job"): Printer(f"Status Completions Duration Age {_CONTAINERS} Selector*", _job),
    ("batch", "CronJob"): Printer(
        f"Schedule Timezone Suspend? Active# Last_Schedule Age {_CONTAINERS} Selector*", _cron_job
    ),
    ("autoscaling", "HorizontalPodAutoscaler"): Printer("Reference Targets MinPods MaxPods Replicas Age", _autoscaler),
    ("autoscaling", "Scale"): Printer("Desired# Available# Age", _scale),
    ("policy", "PodDisruptionBudget"): Printer("Min_Available Max_Unavailable Allowed_Disruptions# Age", _budget),
}
