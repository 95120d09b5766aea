"""A request with what is noted about it on its way: its audit trail, and headers that every answer to it carries."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tricenter.apiserver.rest import answers

if TYPE_CHECKING:
    from tricenter.apiserver.audit.trail import Trail
    from tricenter.apiserver.flow.seats import Seat

_LONGEST_ID = 64


class Request(web.BaseRequest):
    """What `web.Server` hands to our handler."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        given = self.headers.get("Audit-ID", "")
        self.audit_id = given if given and len(given) <= _LONGEST_ID else str(uuid.uuid4())
        """The client's own id or a new one (staging/src/k8s.io/apiserver endpoints/filters/audit_init.go)."""
        self.answered: dict[str, str] = {"Audit-Id": self.audit_id}
        """Headers of the answer, also of one that is streamed."""
        self.annotations: dict[str, str] = {}
        """Of the audit events."""
        self.warnings: list[str] = []
        """Of the answer, also of one that is an error (RFC 7234 warn-code 299)."""
        self.received: bytes | None = None
        """The body, once it has been read."""
        self.trail: Trail | None = None
        self.seat: Seat | None = None
        """Of a watch: it is given back when the watch has begun."""
        self.served = False
        """Whether there is what the request asks for, and its client may have it."""
        self.status = 0
        """Of the answer, once its head has been written."""

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        """Called by aiohttp before the head of any answer is written."""
        response.headers.update(self.answered)
        for warning in answers.header_warnings(self.warnings):
            response.headers.add("Warning", warning)
        self.status = response.status
        if self.seat is not None:
            self.seat.release()
        if self.trail is not None:
            self.trail.started(response.status)
