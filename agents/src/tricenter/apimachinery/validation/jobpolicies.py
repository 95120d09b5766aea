"""Rules of the policies of jobs: when they have succeeded, and which failures count (pkg/apis/batch/validation)."""

from tricenter.apimachinery import fielderrors, names
from tricenter.apimachinery.validation.rules import Errors, Object, each, named, not_negative, one_of, required, sub

_RULES_MAX = 20
_EXIT_CODES_MAX = 255
_CONDITIONS_MAX = 20
_SUCCEEDED_MAX = 64 * 1024
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")


def success(spec: Object, path: str) -> Errors:
    """`successPolicy`: which indexes make the whole job a success (KEP-3998)."""
    rules = spec["successPolicy"].get("rules") or []
    if not rules:
        detail = "at least one rules must be specified when the successPolicy is specified"
        yield fielderrors.required(f"{path}.rules", detail)
    if len(rules) > _RULES_MAX:
        yield fielderrors.too_many(f"{path}.rules", len(rules), _RULES_MAX)
    completions = spec.get("completions") or 0
    for where, rule in each(spec["successPolicy"], "rules", path):
        count, indexes, total = rule.get("succeededCount"), rule.get("succeededIndexes"), None
        if indexes is not None:
            if len(indexes) > _SUCCEEDED_MAX:
                yield fielderrors.too_long(f"{where}.succeededIndexes", _SUCCEEDED_MAX)
            try:
                total = _indexes_in(indexes, completions)
            except ValueError as error:
                detail = f"error parsing succeededIndexes: {error}"
                yield fielderrors.invalid(f"{where}.succeededIndexes", indexes, detail)
                total = 0
        if count is None and rule.get("succeededIndexes") is None:
            yield fielderrors.required(where, "at least one of succeededCount or succeededIndexes must be specified")
        yield from not_negative(rule, where, "succeededCount")
        if count is not None and count > completions:
            detail = f"must be less than or equal to {completions} (the number of specified completions)"
            yield fielderrors.invalid(f"{where}.succeededCount", count, detail)
        if count is not None and total is not None and count > total:
            detail = (
                f"must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
            )
            yield fielderrors.invalid(f"{where}.succeededCount", count, detail)


def _indexes_in(text: str, completions: int) -> int:
    """How many indexes `1,3-5` names; each interval comes after the one before. Raises ValueError."""
    last, total = -1, 0
    for interval in text.split(",") if text else ():
        limits = interval.split("-")
        if len(limits) > 2:
            raise ValueError(
                f"the fragment {fielderrors.show(interval)} violates the requirement that an index interval can have "
                "at most two parts separated by '-'"
            )
        first, final = (_index(limit, completions) for limit in (limits[0], limits[-1]))
        if len(limits) == 2 and first >= final:
            raise ValueError(f"non-increasing order, previous: {first}, current: {final}")
        if last >= first:
            raise ValueError(f"non-increasing order, previous: {last}, current: {first}")
        last, total = final, total + final - first + 1
    return total


def _index(text: str, completions: int) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(2**31)):
        raise ValueError(f"cannot convert string to integer for index: {fielderrors.show(text)}")
    if int(text) >= completions:
        raise ValueError(f"too large index: {fielderrors.show(text)}")
    return int(text)


def failure(spec: Object, path: str) -> Errors:
    """`podFailurePolicy`: what the end of a pod means for the job (KEP-3329)."""
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
        if conditions and len(conditions) > _CONDITIONS_MAX:
            yield fielderrors.too_many(f"{where}.onPodConditions", len(conditions), _CONDITIONS_MAX)
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
    if len(values) > _EXIT_CODES_MAX:
        yield fielderrors.too_many(f"{path}.values", len(values), _EXIT_CODES_MAX)
        return
    seen: set[int] = set()
    for index, value in enumerate(values):
        if operator == "In" and value == 0:
            yield fielderrors.invalid(f"{path}.values[{index}]", value, "must not be 0 for the In operator")
        if value in seen:
            yield fielderrors.duplicate(f"{path}.values[{index}]", value)
        seen.add(value)
    if values != sorted(values):
        yield fielderrors.invalid(f"{path}.values", values, "must be ordered")
