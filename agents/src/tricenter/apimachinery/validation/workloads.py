"""Rules of workload kinds."""

from tricenter.apimachinery import cron, fielderrors, names, selectors
from tricenter.apimachinery.validation import pods
from tricenter.apimachinery.validation.rules import (
    IMMUTABLE,
    Errors,
    Object,
    each,
    is_zero,
    named,
    not_negative,
    number_or_percent,
    one_of,
    required,
    selector,
    sub,
    unchanged,
)  # fmt: skip

_CRON_NAME_MAX = 52
_JOB_RESTART = ("Never", "OnFailure")
_STATEFUL_MUTABLE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip


def _controller(spec: Object, kind: str, *, whole: bool = True) -> Errors:
    """Selector and template of a controller whose pods run for ever; `whole`: the spec of the pods is looked at."""
    found, template = spec.get("selector"), sub(spec, "template")
    if found is None:
        yield fielderrors.required("spec.selector")
    else:
        yield from selector(found, "spec.selector")
        if not found.get("matchLabels") and not found.get("matchExpressions"):
            yield fielderrors.invalid("spec.selector", found, f"empty selector is invalid for {kind}")
    if "template" not in spec:
        yield fielderrors.required("spec.template")
        return
    labels = sub(template, "metadata").get("labels") or {}
    if found and not _matches(found, labels):
        yield fielderrors.invalid(
            "spec.template.metadata.labels", labels, "`selector` does not match template `labels`"
        )
    yield from pods.template(template, "spec.template") if whole else pods.template_metadata(template, "spec.template")
    policy = sub(template, "spec").get("restartPolicy")
    if policy in _JOB_RESTART:
        yield fielderrors.not_supported("spec.template.spec.restartPolicy", policy, ("Always",))
    if sub(template, "spec").get("activeDeadlineSeconds") is not None:
        detail = "activeDeadlineSeconds in ReplicaSet is not Supported"
        yield fielderrors.forbidden("spec.template.spec.activeDeadlineSeconds", detail)


def _matches(found: Object, labels: dict[str, str]) -> bool:
    try:
        return selectors.from_object(found).matches(labels)
    except selectors.SelectorError:
        return True  # its own rule reports it


def _rolling(strategy: Object, path: str, *, surge: bool = True) -> Errors:
    rolling, where = sub(strategy, "rollingUpdate"), f"{path}.rollingUpdate"
    for key in ("maxUnavailable", "maxSurge"):
        yield from number_or_percent(rolling.get(key), f"{where}.{key}")
    value = rolling.get("maxUnavailable")
    if isinstance(value, str) and value.rstrip("%").isdigit() and int(value.rstrip("%")) > 100:
        yield fielderrors.invalid(f"{where}.maxUnavailable", value, "must not be greater than 100%")
    if surge and is_zero(value) and is_zero(rolling.get("maxSurge")):
        yield fielderrors.invalid(f"{where}.maxUnavailable", value, "may not be 0 when `maxSurge` is 0")


def deployment(obj: Object) -> Errors:
    """apps/v1 Deployment."""
    spec = sub(obj, "spec")
    yield from not_negative(spec, "spec", "replicas", "minReadySeconds", "revisionHistoryLimit")
    yield from _controller(spec, "deployment")
    strategy = sub(spec, "strategy")
    yield from one_of(strategy, "type", "spec.strategy", ("Recreate", "RollingUpdate"))
    if strategy.get("type") == "Recreate" and strategy.get("rollingUpdate") is not None:
        detail = "may not be specified when strategy `type` is 'Recreate'"
        yield fielderrors.forbidden("spec.strategy.rollingUpdate", detail)
    elif strategy.get("type") == "RollingUpdate":
        yield from _rolling(strategy, "spec.strategy")
    yield from not_negative(spec, "spec", "progressDeadlineSeconds")
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= spec.get("minReadySeconds", 0):
        yield fielderrors.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def replica_set(obj: Object) -> Errors:
    """apps/v1 ReplicaSet."""
    spec = sub(obj, "spec")
    yield from not_negative(spec, "spec", "replicas", "minReadySeconds")
    yield from _controller(spec, "deployment")


def replication_controller(obj: Object) -> Errors:
    """v1 ReplicationController."""
    spec = sub(obj, "spec")
    yield from not_negative(spec, "spec", "replicas", "minReadySeconds")
    found, template = spec.get("selector") or {}, spec.get("template")
    if not found:
        yield fielderrors.required("spec.selector")
    if template is None:
        yield fielderrors.required("spec.template")
        return
    labels = sub(template, "metadata").get("labels") or {}
    if not found.items() <= labels.items():
        yield fielderrors.invalid(
            "spec.template.metadata.labels", labels, "`selector` does not match template `labels`"
        )
    yield from pods.template(template, "spec.template")


def stateful_set(obj: Object) -> Errors:
    """apps/v1 StatefulSet."""
    spec = sub(obj, "spec")
    yield from not_negative(spec, "spec", "replicas", "minReadySeconds", "revisionHistoryLimit")
    yield from one_of(spec, "podManagementPolicy", "spec", ("OrderedReady", "Parallel"))
    strategy = sub(spec, "updateStrategy")
    yield from one_of(strategy, "type", "spec.updateStrategy", ("OnDelete", "RollingUpdate"))
    yield from not_negative(sub(strategy, "rollingUpdate"), "spec.updateStrategy.rollingUpdate", "partition")
    yield from not_negative(sub(spec, "ordinals"), "spec.ordinals", "start")
    retention = sub(spec, "persistentVolumeClaimRetentionPolicy")
    for key in ("whenDeleted", "whenScaled"):
        yield from one_of(retention, key, "spec.persistentVolumeClaimRetentionPolicy", ("Delete", "Retain"))
    # The volumes of its pods come from claim templates too, so upstream leaves their spec to the pods themselves.
    yield from _controller(spec, "statefulset", whole=False)


def stateful_set_update(old: Object, new: Object) -> Errors:
    """Only a few parts of a StatefulSet change."""
    before = {key: value for key, value in sub(old, "spec").items() if key not in _STATEFUL_MUTABLE}
    after = {key: value for key, value in sub(new, "spec").items() if key not in _STATEFUL_MUTABLE}
    if before != after:
        *most, last = (f"'{name}'" for name in _STATEFUL_MUTABLE)
        detail = f"updates to statefulset spec for fields other than {', '.join(most)} and {last} are forbidden"
        yield fielderrors.forbidden("spec", detail)
    yield from stateful_set(new)


def daemon_set(obj: Object) -> Errors:
    """apps/v1 DaemonSet."""
    spec = sub(obj, "spec")
    yield from not_negative(spec, "spec", "minReadySeconds", "revisionHistoryLimit")
    strategy = sub(spec, "updateStrategy")
    yield from one_of(strategy, "type", "spec.updateStrategy", ("OnDelete", "RollingUpdate"))
    if strategy.get("type") == "RollingUpdate":
        yield from _rolling(strategy, "spec.updateStrategy")
        rolling = sub(strategy, "rollingUpdate")
        if not is_zero(rolling.get("maxUnavailable", 1)) and not is_zero(rolling.get("maxSurge", 0)):
            detail = "may not be set when maxUnavailable is non-zero"
            yield fielderrors.invalid("spec.updateStrategy.rollingUpdate.maxSurge", rolling.get("maxSurge"), detail)
    yield from _controller(spec, "daemonset")


def deployment_update(old: Object, new: Object) -> Errors:
    """The selector stays."""
    yield from unchanged(sub(old, "spec"), sub(new, "spec"), "spec", "selector")
    yield from deployment(new)


def replica_set_update(old: Object, new: Object) -> Errors:
    """The selector stays."""
    yield from unchanged(sub(old, "spec"), sub(new, "spec"), "spec", "selector")
    yield from replica_set(new)


def daemon_set_update(old: Object, new: Object) -> Errors:
    """The selector stays."""
    yield from unchanged(sub(old, "spec"), sub(new, "spec"), "spec", "selector")
    yield from daemon_set(new)


def job(obj: Object) -> Errors:
    """batch/v1 Job."""
    spec = sub(obj, "spec")
    yield from _job_spec(spec, "spec")
    found, template = spec.get("selector"), sub(spec, "template")
    if found is None:
        yield fielderrors.required("spec.selector")
        return
    yield from selector(found, "spec.selector")
    labels = sub(template, "metadata").get("labels") or {}
    if not _matches(found, labels):
        yield fielderrors.invalid(
            "spec.template.metadata.labels", labels, "`selector` does not match template `labels`"
        )


def _job_spec(spec: Object, path: str) -> Errors:
    yield from not_negative(
        spec, path, "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished",
        "backoffLimitPerIndex", "maxFailedIndexes",
    )  # fmt: skip
    yield from one_of(spec, "completionMode", path, ("Indexed", "NonIndexed"))
    if spec.get("completionMode") == "Indexed" and spec.get("completions") is None:
        yield fielderrors.required(f"{path}.completions", "when completion mode is Indexed")
    yield from one_of(spec, "podReplacementPolicy", path, ("Failed", "TerminatingOrFailed"))
    yield from pods.template(sub(spec, "template"), f"{path}.template")
    policy = sub(sub(spec, "template"), "spec").get("restartPolicy")
    if policy == "Always":
        yield fielderrors.not_supported(f"{path}.template.spec.restartPolicy", policy, _JOB_RESTART)


def job_update(old: Object, new: Object) -> Errors:
    """A job that may have pods keeps what they were made from."""
    before, after = sub(old, "spec"), sub(new, "spec")
    elastic = after.get("completionMode") == "Indexed" and after.get("completions") == after.get("parallelism")
    if not elastic:
        yield from unchanged(before, after, "spec", "completions")
    yield from unchanged(
        before, after, "spec", "selector", "completionMode", "backoffLimitPerIndex", "podFailurePolicy"
    )
    started = sub(old, "status").get("startTime") is not None
    if not before.get("suspend") or started:
        yield from unchanged(before, after, "spec", "template")
    yield from job(new)


def cron_job(obj: Object) -> Errors:
    """batch/v1 CronJob."""
    spec = sub(obj, "spec")
    name = str(sub(obj, "metadata").get("name", ""))
    if len(name) > _CRON_NAME_MAX:
        yield fielderrors.invalid("metadata.name", name, f"must be no more than {_CRON_NAME_MAX} characters")
    yield from required(spec, "schedule", "spec")
    yield from _schedule(str(spec.get("schedule", "")))
    yield from not_negative(
        spec, "spec", "startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"
    )
    yield from one_of(spec, "concurrencyPolicy", "spec", ("Allow", "Forbid", "Replace"))
    if spec.get("timeZone") is not None:
        yield from _time_zone(spec["timeZone"])
    yield from _job_spec(sub(sub(spec, "jobTemplate"), "spec"), "spec.jobTemplate.spec")


def _schedule(text: str) -> Errors:
    if "TZ" in text:
        detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        yield fielderrors.invalid("spec.schedule", text, detail)
    elif text:
        try:
            cron.parse(text)
        except cron.CronError as error:
            yield fielderrors.invalid("spec.schedule", text, str(error))


def _time_zone(name: str) -> Errors:
    if not name:
        yield fielderrors.invalid("spec.timeZone", name, "timeZone must be nil or non-empty string")
    elif name.lower() == "local":
        detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        yield fielderrors.invalid("spec.timeZone", name, detail)
    else:
        try:
            cron.zone(name)
        except cron.CronError as error:
            yield fielderrors.invalid("spec.timeZone", name, str(error))


def budget(obj: Object) -> Errors:
    """policy/v1 PodDisruptionBudget."""
    spec = sub(obj, "spec")
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        yield fielderrors.invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set")
    for key in ("minAvailable", "maxUnavailable"):
        yield from number_or_percent(spec.get(key), f"spec.{key}")
    yield from selector(spec.get("selector"), "spec.selector")
    yield from one_of(spec, "unhealthyPodEvictionPolicy", "spec", ("AlwaysAllow", "IfHealthyBudget"))


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
    target = sub(spec, "scaleTargetRef")
    for key in ("kind", "name"):
        if not target.get(key):
            yield fielderrors.required(f"spec.scaleTargetRef.{key}")
        else:
            yield from named(names.path_segment, target[key], f"spec.scaleTargetRef.{key}")
    kinds = ("ContainerResource", "External", "Object", "Pods", "Resource")
    for where, metric in each(spec, "metrics", "spec"):
        if not metric.get("type"):
            yield fielderrors.required(f"{where}.type", "must specify a metric source type")
        yield from one_of(metric, "type", where, kinds)


def revision(obj: Object) -> Errors:
    """apps/v1 ControllerRevision."""
    yield from not_negative(obj, "", "revision")


def revision_update(old: Object, new: Object) -> Errors:
    """The data of a revision stays."""
    if old.get("data") != new.get("data"):
        yield fielderrors.invalid("data", new.get("data"), IMMUTABLE)
