"""Rules of jobs and cron jobs (upstream pkg/apis/batch/validation)."""

from tricenter.apimachinery import cron, fielderrors, names
from tricenter.apimachinery.validation import jobpolicies, pods
from tricenter.apimachinery.validation.rules import (
    IMMUTABLE,
    Errors,
    Object,
    domain_path,
    matches,
    not_negative,
    one_of,
    required,
    selector,
    sub,
    unchanged,
)  # fmt: skip

_CRON_NAME_MAX = 52
_INDEXES_MAX = 100_000
_MANAGER_MAX = 63
_MANY = 100_000
"""Completions above which parallelism and failed indexes are held down where failures count by index."""
_OF_MANY_MAX = 10_000
_INDEXED_ONLY = ("backoffLimitPerIndex", "maxFailedIndexes", "successPolicy")


def job(obj: Object) -> Errors:
    """batch/v1 Job."""
    spec = sub(obj, "spec")
    yield from _spec(spec, "spec")
    yield from _host_names(obj)
    found, template = spec.get("selector"), sub(spec, "template")
    if found is None:
        yield fielderrors.required("spec.selector")
        return
    yield from selector(found, "spec.selector")
    labels = sub(template, "metadata").get("labels") or {}
    if not matches(found, labels):
        yield fielderrors.invalid(
            "spec.template.metadata.labels", labels, "`selector` does not match template `labels`"
        )


def _host_names(obj: Object) -> Errors:
    """Pods of an indexed job have their index in their host names."""
    spec, name = sub(obj, "spec"), str(sub(obj, "metadata").get("name", ""))
    completions = spec.get("completions") or 0
    longest = f"{name}-{completions - 1}"
    if spec.get("completionMode") == "Indexed" and completions > 0 and names.dns_label(longest):
        detail = f"will not able to create pod with invalid DNS label: {longest}"
        yield fielderrors.invalid("metadata.name", name, detail)


def _spec(spec: Object, path: str) -> Errors:
    yield from not_negative(
        spec, path, "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished",
        "backoffLimitPerIndex", "maxFailedIndexes",
    )  # fmt: skip
    yield from one_of(spec, "completionMode", path, ("NonIndexed", "Indexed"))
    yield from _indexes(spec, path)
    if spec.get("managedBy") is not None:
        yield from domain_path(spec["managedBy"], f"{path}.managedBy")
        if len(spec["managedBy"]) > _MANAGER_MAX:
            yield fielderrors.too_long(f"{path}.managedBy", _MANAGER_MAX)
    choices = ("Failed",) if spec.get("podFailurePolicy") else ("Failed", "TerminatingOrFailed")
    yield from one_of(spec, "podReplacementPolicy", path, choices)
    yield from pods.template(sub(spec, "template"), f"{path}.template")
    policy = sub(sub(spec, "template"), "spec").get("restartPolicy")
    if policy == "Always":
        yield fielderrors.required(f"{path}.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"')
    if spec.get("podFailurePolicy"):
        if policy != "Never":
            detail = 'only "Never" is supported when podFailurePolicy is specified'
            yield fielderrors.invalid(f"{path}.template.spec.restartPolicy", policy, detail)
        yield from jobpolicies.failure(spec, f"{path}.podFailurePolicy")


def _indexes(spec: Object, path: str) -> Errors:
    if spec.get("completionMode") != "Indexed":
        for key in _INDEXED_ONLY:
            if spec.get(key) is not None:
                yield fielderrors.invalid(f"{path}.{key}", spec[key], "requires indexed completion mode")
        return
    completions, parallelism, failed = (spec.get(key) for key in ("completions", "parallelism", "maxFailedIndexes"))
    if completions is None:
        yield fielderrors.required(f"{path}.completions", "when completion mode is Indexed")
    if parallelism is not None and parallelism > _INDEXES_MAX:
        detail = f"must be less than or equal to {_INDEXES_MAX} when completion mode is Indexed"
        yield fielderrors.invalid(f"{path}.parallelism", parallelism, detail)
    if failed is not None and completions is not None and failed > completions:
        yield fielderrors.invalid(f"{path}.maxFailedIndexes", failed, "must be less than or equal to completions")
    if failed is not None and spec.get("backoffLimitPerIndex") is None:
        yield fielderrors.required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    if failed is not None and failed > _INDEXES_MAX:
        yield fielderrors.invalid(f"{path}.maxFailedIndexes", failed, f"must be less than or equal to {_INDEXES_MAX}")
    if (completions or 0) > _MANY and spec.get("backoffLimitPerIndex") is not None:
        yield from _many(spec, path)
    if spec.get("successPolicy") is not None:
        yield from jobpolicies.success(spec, f"{path}.successPolicy")


def _many(spec: Object, path: str) -> Errors:
    """Limits of jobs whose status would grow too long otherwise."""
    if spec.get("maxFailedIndexes") is None:
        yield fielderrors.required(f"{path}.maxFailedIndexes", f"must be specified when completions is above {_MANY}")
    for key in ("parallelism", "maxFailedIndexes"):
        if (spec.get(key) or 0) > _OF_MANY_MAX:
            detail = (
                f"must be less than or equal to {_OF_MANY_MAX} when completions are above {_MANY} and used with "
                "backoff limit per index"
            )
            yield fielderrors.invalid(f"{path}.{key}", spec[key], detail)


def job_update(old: Object, new: Object) -> Errors:
    """A job that may have pods keeps what they were made from."""
    before, after = sub(old, "spec"), sub(new, "spec")
    if after.get("completionMode") != "Indexed":
        yield from unchanged(before, after, "spec", "completions")
    elif after.get("completions") not in (None, before.get("completions"), after.get("parallelism")):
        detail = "can only be modified in tandem with spec.parallelism"
        yield fielderrors.invalid("spec.completions", after["completions"], detail)
    yield from unchanged(
        before, after, "spec", "selector", "completionMode", "backoffLimitPerIndex", "podFailurePolicy",
        "successPolicy", "managedBy",
    )  # fmt: skip
    waiting = before.get("suspend") and sub(old, "status").get("startTime") is None
    templates = [sub(spec, "template") for spec in (before, after)]
    if templates[0] != templates[1] and not (waiting and _fixed(templates[0]) == _fixed(templates[1])):
        yield fielderrors.invalid("spec.template", after.get("template"), IMMUTABLE)
    yield from job(new)


def _fixed(template: Object) -> Object:
    """A template without what may change before a suspended job starts: where its pods are to run (KEP-2926)."""
    metadata, spec = ({**sub(template, key)} for key in ("metadata", "spec"))
    for part, keys in (
        (metadata, ("annotations", "labels")),
        (spec, ("nodeSelector", "tolerations", "schedulingGates")),
    ):
        for key in keys:
            part.pop(key, None)
    affinity = {key: value for key, value in sub(spec, "affinity").items() if key != "nodeAffinity"}
    return {"metadata": metadata, "spec": {**spec, "affinity": affinity}}


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
    made, path = sub(sub(spec, "jobTemplate"), "spec"), "spec.jobTemplate.spec"
    yield from _spec(made, path)
    if made.get("selector") is not None:
        yield fielderrors.invalid(f"{path}.selector", made["selector"], "`selector` will be auto-generated")
    if made.get("manualSelector"):
        yield fielderrors.not_supported(f"{path}.manualSelector", True, ("nil", "false"))


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
