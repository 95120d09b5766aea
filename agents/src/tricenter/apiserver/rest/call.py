"""One request on its way through the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from tricenter.apiserver import errors
from tricenter.apiserver.auth.user import User
from tricenter.apiserver.negotiation import Form
from tricenter.apiserver.requestinfo import RequestInfo
from tricenter.apiserver.resources import Resource


@dataclass(kw_only=True)
class Call:
    """A request for a resource: who asks, for what, in which form; and the warnings collected for the answer."""

    http: web.BaseRequest
    info: RequestInfo
    user: User
    resource: Resource
    form: Form
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)
    """What the audit log's event of this request says besides: `annotate` adds to it."""
    rehearsal: bool = False
    """Set when the body, not the query, asks for a dry run."""

    @property
    def query(self) -> Mapping[str, str]:
        """Query parameters."""
        return self.http.query

    @property
    def dry_run(self) -> bool:
        """Whether nothing is to be stored."""
        return self.rehearsal or "All" in self.http.query.getall("dryRun", [])

    def force_dry_run(self) -> None:
        """Store nothing, whatever the query says."""
        self.rehearsal = True

    @property
    def manager(self) -> str:
        """The field manager: the parameter, or the client's name as upstream derives it."""
        given = self.query.get("fieldManager", "")
        return given or self.http.headers.get("User-Agent", "").partition("/")[0][:128] or "unknown"

    @property
    def target(self) -> errors.Target:
        """What errors about this request name."""
        return self.resource.target(self.info.name)

    @property
    def key(self) -> str:
        """Where the object that the request names is in etcd."""
        return self.resource.key(self.info.namespace, self.info.name)

    def warn(self, text: str) -> None:
        """Add a warning to the answer (RFC 7234 warn-code 299)."""
        if text not in self.warnings:
            self.warnings.append(text)

    def annotate(self, key: str, value: str) -> None:
        """Add an annotation to the request's audit event; the first value of a key stays (audit.AddAuditAnnotation)."""
        self.annotations.setdefault(key, value)
