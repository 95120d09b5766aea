"""Errors of the API server and the metav1.Status they become.

StatusError                 any error that a client sees as a Status object
 ├─ BadRequest              400 BadRequest
 ├─ Unauthorized            401 Unauthorized
 ├─ Forbidden               403 Forbidden
 ├─ NotFound                404 NotFound (also paths that nothing serves)
 ├─ MethodNotAllowed        405 MethodNotAllowed
 ├─ NotAcceptable           406 NotAcceptable
 ├─ Conflict                409 Conflict
 ├─ AlreadyExists           409 AlreadyExists
 ├─ Expired                 410 Expired (list continue tokens, watches that are too old)
 ├─ TooLarge                413 RequestEntityTooLarge
 ├─ UnsupportedMedia        415 UnsupportedMediaType
 ├─ Invalid                 422 Invalid
 ├─ TooManyRequests         429 TooManyRequests
 ├─ Internal                500 InternalError
 ├─ Unworded                500, no reason (what upstream words nowhere, as errors of structured-merge-diff)
 ├─ StoreRead               500 StoreReadError (a stored value is no object)
 ├─ Unavailable             503 ServiceUnavailable
 └─ Timeout                 504 Timeout
     └─ Uncertain           504 Timeout: a write may have been done

The wording follows k8s.io/apimachinery pkg/api/errors, so that clients that match on text keep working.
"""

# ruff: noqa: N818 - the names are the reasons of the API

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tricenter.apimachinery.fielderrors import FieldError


@dataclass(frozen=True, kw_only=True)
class Target:
    """What an error is about: the API group, the resource (or kind) and the object's name."""

    group: str = ""
    resource: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""

    @property
    def qualified(self) -> str:
        """`pods` or `deployments.apps`, as messages name a resource."""
        name = self.resource or self.kind
        return f"{name}.{self.group}" if self.group else name

    def details(self) -> dict[str, Any]:
        """The `details` member of a Status."""
        kind = self.resource or self.kind
        pairs = (("name", self.name), ("group", self.group), ("kind", kind), ("uid", self.uid))
        return {key: value for key, value in pairs if value}


@dataclass(eq=False)
class StatusError(Exception):
    """An error with everything a Status object says."""

    message: str
    target: Target = field(default_factory=Target)
    causes: Sequence[dict[str, str]] = ()
    retry_after: int | None = None
    proceed: str = ""
    """A continue token with which a list can go on nevertheless."""

    code: ClassVar[int] = 500
    reason: ClassVar[str] = "InternalError"

    def __str__(self) -> str:
        return self.message

    def status(self) -> dict[str, Any]:
        """The Status object of this error."""
        details = self.target.details()
        if self.causes:
            details["causes"] = list(self.causes)
        if self.retry_after is not None:
            details["retryAfterSeconds"] = self.retry_after
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {"continue": self.proceed} if self.proceed else {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if details:
            body["details"] = details
        body["code"] = self.code
        return body


class BadRequest(StatusError):
    code, reason = 400, "BadRequest"


class Unauthorized(StatusError):
    code, reason = 401, "Unauthorized"


class Forbidden(StatusError):
    code, reason = 403, "Forbidden"


class NotFound(StatusError):
    code, reason = 404, "NotFound"


class MethodNotAllowed(StatusError):
    code, reason = 405, "MethodNotAllowed"


class NotAcceptable(StatusError):
    code, reason = 406, "NotAcceptable"


class Conflict(StatusError):
    code, reason = 409, "Conflict"


class AlreadyExists(StatusError):
    code, reason = 409, "AlreadyExists"


class Expired(StatusError):
    code, reason = 410, "Expired"


class TooLarge(StatusError):
    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMedia(StatusError):
    code, reason = 415, "UnsupportedMediaType"


class Invalid(StatusError):
    code, reason = 422, "Invalid"


class TooManyRequests(StatusError):
    code, reason = 429, "TooManyRequests"


class Internal(StatusError):
    code, reason = 500, "InternalError"


class Unworded(StatusError):
    code, reason = 500, ""


class StoreRead(StatusError):
    code, reason = 500, "StoreReadError"


class Unavailable(StatusError):
    code, reason = 503, "ServiceUnavailable"


class Timeout(StatusError):
    code, reason = 504, "Timeout"


class Uncertain(Timeout):
    pass


def not_found(target: Target) -> NotFound:
    """`pods "web" not found`."""
    return NotFound(f'{target.qualified} "{target.name}" not found', target)


def unknown_path() -> NotFound:
    """A path that no resource or endpoint serves."""
    return NotFound("the server could not find the requested resource", Target())


def already_exists(target: Target) -> AlreadyExists:
    """`pods "web" already exists`."""
    return AlreadyExists(f'{target.qualified} "{target.name}" already exists', target)


def no_free_name(target: Target) -> AlreadyExists:
    """What is told when every name that was generated is taken (NewGenerateNameConflict)."""
    text = f'{target.qualified} "{target.name}" already exists, the server was not able to generate a unique name'
    return AlreadyExists(f"{text} for the object", target, retry_after=1)


def conflict(target: Target, why: str) -> Conflict:
    """`Operation cannot be fulfilled on pods "web": ...`."""
    return Conflict(f'Operation cannot be fulfilled on {target.qualified} "{target.name}": {why}', target)


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def modified(target: Target) -> Conflict:
    """The answer to the loser of two concurrent updates."""
    return conflict(target, MODIFIED)


def other_uid(target: Target, key: str, wanted: Any, present: Any) -> Conflict:
    """The object at a key of etcd is another one of that name (storage Preconditions.Check, told as a StorageError)."""
    why = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {present}"
    where = f"Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: {why}"
    return conflict(target, f"StorageError: invalid object, Code: 4, {where}")


def forbidden(target: Target, why: str) -> Forbidden:
    """`pods "web" is forbidden: ...`; the name is left out where a request has none."""
    subject = f'{target.qualified} "{target.name}"' if target.name else target.qualified
    return Forbidden(f"{subject} is forbidden: {why}" if subject else f"forbidden: {why}", target)


def invalid(target: Target, problems: Sequence[FieldError]) -> Invalid:
    """`Pod "web" is invalid: spec.containers: Required value`, one cause per field."""
    texts = [str(problem) for problem in problems]
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    kind = f"{target.kind}.{target.group}" if target.group else target.kind
    causes = [{"reason": item.reason, "message": item.message, "field": item.path} for item in problems]
    details = Target(group=target.group, kind=target.kind, name=target.name)
    return Invalid(f'{kind} "{target.name}" is invalid: {joined}', details, causes)


def given(worded: Mapping[str, Any]) -> StatusError:
    """The error of a Status that somebody else has worded."""

    class Given(StatusError):
        code, reason = int(worded.get("code") or 500), str(worded.get("reason") or "")

        def status(self) -> dict[str, Any]:
            return {"kind": "Status", "apiVersion": "v1", "metadata": {}, **worded}

    return Given(str(worded.get("message", "")))


def expired(message: str) -> Expired:
    """A revision that is no longer there."""
    return Expired(message)


def too_large_version(wanted: int, current: int) -> Timeout:
    """A revision that the server has not seen yet (storage.NewTooLargeResourceVersionError)."""
    text = f"Timeout: Too large resource version: {wanted}, current: {current}"
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return Timeout(text, causes=[cause], retry_after=1)


def unreadable(key: str, why: str) -> Internal:
    """A stored value that is no object (storage ErrCodeCorruptObj)."""
    return Internal(f'Internal error occurred: StorageError: corrupt object, Code: 7, Key: "{key}": {why}')


def unreadable_list(found: Mapping[str, str]) -> StoreRead:
    """A list that such values are part of: without them it would say that they do not exist."""
    causes = [{"reason": "UnexpectedServerResponse", "message": why, "field": key} for key, why in found.items()]
    return StoreRead(f"failed to read one or more objects from the storage: {', '.join(found)}", causes=causes[:100])
