"""What can go wrong with a request to the API.

ClientError
├── Unreachable            no answer: refused, reset, timed out, TLS refused
└── ApiError               the server answered with a Status
    ├── BadRequest         400
    ├── Unauthorized       401
    ├── Forbidden          403
    ├── NotFound           404
    ├── Conflict           409 (another writer was faster)
    ├── AlreadyExists      409 (on create)
    ├── Gone               410 (the revision was compacted: list again)
    ├── Invalid            422
    ├── TooManyRequests    429
    └── ServerError        5xx
"""

from __future__ import annotations

from typing import Any


class ClientError(Exception):
    """Any failure of a request."""


class Unreachable(ClientError):
    """The server could not be reached, or the connection broke before the whole answer came.

    `sent` says whether the request may have reached the server, so that a write may have happened.
    """

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class ApiError(ClientError):
    """The server refused; `status` is its metav1.Status, `code` the HTTP code."""

    def __init__(self, status: dict[str, Any], code: int) -> None:
        super().__init__(status.get("message") or f"{code} {status.get('reason', '')}".rstrip())
        self.status = status
        self.code = code

    @property
    def reason(self) -> str:
        """The machine-readable reason, for example `AlreadyExists`."""
        return str(self.status.get("reason") or "")

    @property
    def retry_after(self) -> float | None:
        """Seconds after which the server asks us to try again."""
        seconds = (self.status.get("details") or {}).get("retryAfterSeconds")
        return float(seconds) if seconds else None


class BadRequest(ApiError):
    """400."""


class Unauthorized(ApiError):
    """401."""


class Forbidden(ApiError):
    """403."""


class NotFound(ApiError):
    """404."""


class Conflict(ApiError):
    """409: the object changed since we read it, or its state forbids the request."""


class AlreadyExists(ApiError):
    """409: an object of that name exists."""


class Gone(ApiError):
    """410: history before some revision is gone."""


class Invalid(ApiError):
    """422: the object breaks a rule; `status.details.causes` names the fields."""


class TooManyRequests(ApiError):
    """429: slow down, or (eviction) a disruption budget forbids it now."""


class ServerError(ApiError):
    """5xx."""


_BY_CODE: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
}


def from_status(status: dict[str, Any], code: int | None = None) -> ApiError:
    """The error of a metav1.Status; `code` is the HTTP code where the Status is not trusted to carry it."""
    code = code or int(status.get("code") or 500)
    if code == 409 and status.get("reason") == "AlreadyExists":
        return AlreadyExists(status, code)
    return _BY_CODE.get(code, ServerError if code >= 500 else ApiError)(status, code)
