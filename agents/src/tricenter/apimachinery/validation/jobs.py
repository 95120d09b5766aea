"""Rules of jobs and cron jobs (upstream pkg/apis/batch/validation)."""

from tricenter.apimachinery import cron, fielderrors, names
from tricenter.apimachinery.validation import pods
from tricenter.apimachinery.validation.rules import (
    Errors,
    Object,
    domain_path,
    each,
    matches,
    named,
    not_negative,
    one_of,
    required,
    selector,
    sub,
    unchanged,
)  # fmt: skip

_CRON_NAME_MAX = 52
_INDEXES_MAX = 100_000
_RULES_MAX = 20
_MANAGER_MAX = 63
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_INDEXED_ONLY = ("backoffLimitPerIndex", "maxFailedIndexes", "successPolicy")


def job(obj: Object) -> Errors:
    """batch/v1 Job."""
    spec = sub(obj, "spec")
    yield from _spec(spec, "spec")
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
        yield from _failures(spec, f"{path}.podFailurePolicy")


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
    if spec.get("successPolicy") is not None:
        yield from _successes(spec, f"{path}.successPolicy")


def _successes(spec: Object, path: str) -> Errors:
    rules = spec["successPolicy"].get("rules") or []
    if not rules:
        detail = "at least one rules must be specified when the successPolicy is specified"
        yield fielderrors.required(f"{path}.rules", detail)
    if len(rules) > _RULES_MAX:
        yield fielderrors.too_many(f"{path}.rules", len(rules), _RULES_MAX)
    completions = spec.get("completions") or 0
    for where, rule in each(spec["successPolicy"], "rules", path):
        count = rule.get("succeededCount")
        if count is None and rule.get("succeededIndexes") is None:
            yield fielderrors.required(where, "at least one of succeededCount or succeededIndexes must be specified")
        yield from not_negative(rule, where, "succeededCount")
        if count is not None and count > completions:
            detail = f"must be less than or equal to {completions} (the number of specified completions)"
            yield fielderrors.invalid(f"{where}.succeededCount", count, detail)


def _failures(spec: Object, path: str) -> Errors:
    policy, template = spec["podFailurePolicy"], sub(sub(spec, "template"), "spec")
    rules = policy.get("rules") or []
    if len(rules) > _RULES_MAX:
        yield fielderrors.too_many(f"{path}.rules", len(rules), _RULES_MAX)
    known = {found.get("name") for key in ("containers", "initContainers") for _, found in each(template, key, "")}
    for where, rule in each(policy, "rules", path):
        if not rule.get("action"):
            yield fielderrors.required(f"{where}.action", f"valid values: {list(_ACTIONS)}".replace("'", '"'))
        yield from one_of(rule, "action", where, _ACTIONS)
        if rule.get("action") == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
            detail = "requires the backoffLimitPerIndex to be set"
            yield fielderrors.invalid(f"{where}.action", "FailIndex", detail)
        codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions")
        if bool(codes) == bool(conditions):
            which = "both OnExitCodes and OnPodConditions is not supported" if codes else (
                "one of OnExitCodes and OnPodConditions is required"
            )  # fmt: skip
            yield fielderrors.FieldError(where, fielderrors.REASON_INVALID, f"Invalid value: specifying {which}")
        if codes:
            yield from _exit_codes(codes, f"{where}.onExitCodes", known)
        for inside, condition in each(rule, "onPodConditions", where):
            yield from named(names.qualified_name, condition.get("type", ""), f"{inside}.type")
            yield from one_of(condition, "status", inside, ("False", "True", "Unknown"))


def _exit_codes(found: Object, path: str, known: set[object]) -> Errors:
    operator, values = found.get("operator"), found.get("values") or []
    yield from required(found, "operator", path)
    yield from one_of(found, "operator", path, ("In", "NotIn"))
    if found.get("containerName") is not None and found["containerName"] not in known:
        detail = "must be one of the container or initContainer names in the pod template"
        yield fielderrors.invalid(f"{path}.containerName", found["containerName"], detail)
    if not values:
        yield fielderrors.invalid(f"{path}.values", values, "at least one value is required")
    for index, value in enumerate(values):
        if operator == "In" and value == 0:
            yield fielderrors.invalid(f"{path}.values[{index}]", value, "must not be 0 for the In operator")
        if value in values[:index]:
            yield fielderrors.duplicate(f"{path}.values[{index}]", value)
    if values != sorted(values):
        yield fielderrors.invalid(f"{path}.values", values, "must be ordered")


def job_update(old: Object, new: Object) -> Errors:
    """A job that may have pods keeps what they were made from."""
    before, after = sub(old, "spec"), sub(new, "spec")
    elastic = after.get("completionMode") == "Indexed" and after.get("completions") == after.get("parallelism")
    if not elastic:
        yield from unchanged(before, after, "spec", "completions")
    yield from unchanged(
        before, after, "spec", "selector", "completionMode", "backoffLimitPerIndex", "podFailurePolicy",
        "successPolicy", "managedBy",
    )  # fmt: skip
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
