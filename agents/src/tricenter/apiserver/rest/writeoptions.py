"""The options of writes: what their parameters may say (apimachinery pkg/apis/meta/v1/validation)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tricenter.apimachinery import fielderrors
from tricenter.apiserver import errors
from tricenter.apiserver.rest.call import Call

APPLY = "application/apply-patch+yaml"
_KINDS = {
    "create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions", "delete": "DeleteOptions",
    "deletecollection": "DeleteOptions",
}  # fmt: skip
_LEVELS = ("Ignore", "Warn", "Strict", "")
_POLICIES = ("Foreground", "Background", "Orphan")
_MANAGER_MAX = 128


def check(call: Call) -> None:
    """Refuse parameters of a write that mean nothing. Raises Invalid."""
    verb = call.info.verb
    if verb not in _KINDS or (not call.http.query_string and verb != "patch"):
        return
    problems = list(_dry_run(call.http.query.getall("dryRun", [])))
    if not verb.startswith("delete"):
        problems += _ownership(call)
    if problems:
        raise refused(verb, problems)


def refused(verb: str, problems: list[fielderrors.FieldError]) -> errors.Invalid:
    """`PatchOptions.meta.k8s.io "" is invalid: ...`"""
    return errors.invalid(errors.Target(group="meta.k8s.io", kind=_KINDS[verb]), problems)


def _dry_run(values: list[str]) -> Iterator[fielderrors.FieldError]:
    if not {*values} <= {"All", ""}:
        yield fielderrors.not_supported("dryRun", values, ("All",))


def _ownership(call: Call) -> Iterator[fielderrors.FieldError]:
    manager, level = call.query.get("fieldManager", ""), call.query.get("fieldValidation", "")
    if call.info.verb == "patch":
        applies = call.http.headers.get("Content-Type", "").partition(";")[0].strip() == APPLY
        if applies and not manager:
            yield fielderrors.required("fieldManager", "is required for apply patch")
        elif not applies and "force" in call.query:
            yield fielderrors.forbidden("force", "may not be specified for non-apply patch")
    if len(manager.encode()) > _MANAGER_MAX:
        yield fielderrors.too_long("fieldManager", _MANAGER_MAX)
    if not manager.isprintable():
        yield fielderrors.invalid("fieldManager", manager, "should only contain printable characters")
    if level not in _LEVELS:
        yield fielderrors.not_supported("fieldValidation", level, _LEVELS)


def check_delete(data: Mapping[str, Any], policy: str, orphan: object) -> None:
    """Refuse the body of a delete that is something else, or that contradicts itself. Raises BadRequest, Invalid."""
    if data.get("kind", "DeleteOptions") != "DeleteOptions":
        version = str(data.get("apiVersion", ""))
        raise errors.BadRequest(
            f'no kind "{data["kind"]}" is registered for version "{version}" as options of a delete'
        )
    problems = list(_dry_run(list(data.get("dryRun") or ())))
    if policy and policy not in _POLICIES:
        problems.append(fielderrors.not_supported("propagationPolicy", policy, (*_POLICIES, "nil")))
    if policy and orphan is not None:
        detail = "orphanDependents and deletionPropagation cannot be both set"
        problems.append(fielderrors.invalid("propagationPolicy", policy, detail))
    if problems:
        raise refused("delete", problems)
