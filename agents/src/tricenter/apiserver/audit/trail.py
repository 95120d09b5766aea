"""The events of one request, from its arrival to the end of its answer."""

from __future__ import annotations

import json
import logging
from collections import Counter
from typing import Any

import orjson
from aiohttp import web

from tricenter.apimachinery import times
from tricenter.apiserver import errors
from tricenter.apiserver.audit.log import AuditLog
from tricenter.apiserver.audit.policy import COMPLETE, PANIC, RECEIVED, STARTED, Level, Policy, Ruling
from tricenter.apiserver.auth.user import NOBODY, User
from tricenter.apiserver.request import Request
from tricenter.apiserver.requestinfo import RequestInfo
from tricenter.apiserver.rest import bodies

log = logging.getLogger(__name__)

Object = dict[str, Any]

_LONG = frozenset(("watch", "connect", "proxy"))
_STREAMS = frozenset(("exec", "attach", "portforward", "proxy"))


class Trail:
    """Notes the stages of a request; one that the policy leaves out notes nothing."""

    def __init__(self, sink: AuditLog, ruling: Ruling, http: Request, info: RequestInfo, user: User) -> None:
        self._sink = sink
        self._ruling = ruling
        self._http = http
        self._info = info
        self._received = times.now_micro()
        self._common = self._described(user)
        self._code = 0
        self._emit(RECEIVED)

    def impersonated(self, user: User) -> None:
        """The request is made in the name of another user."""
        self._common["impersonatedUser"] = user.info()

    def started(self, code: int) -> None:
        """The head of the answer has been sent; only long-running requests have this stage."""
        self._code = code
        info = self._info
        if info.verb in _LONG or info.subresource in _STREAMS or (info.subresource == "log" and self._follows):
            self._emit(STARTED)

    def complete(self, response: web.StreamResponse | None = None, status: Object | None = None) -> None:
        """The answer is made, or the client has gone. `status` describes a failure."""
        body: bytes | None = None
        if response is not None:
            self._code = response.status
            if isinstance(response, web.Response) and isinstance(response.body, bytes):
                body = response.body
        self._emit(COMPLETE, body, status)

    def refused(self, status: Object) -> None:
        """Authentication failed, which is noted as upstream does it: nothing follows."""
        self._emit(STARTED, None, status)

    def panic(self, status: Object) -> None:
        """The server met an error that it did not foresee."""
        self._emit(PANIC, None, status)

    @property
    def _follows(self) -> bool:
        return self._http.query.get("follow") == "true"

    def _described(self, user: User) -> Object:
        http, info = self._http, self._info
        event: Object = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": self._ruling.level.text,
            "auditID": http.audit_id,
            "stage": "",
            "requestURI": http.raw_path,
            "verb": info.verb,
            "user": user.info(),
            "sourceIPs": _sources(http),
            "userAgent": http.headers.get("User-Agent", ""),
        }
        if info.is_resource:
            event["objectRef"] = _reference(info)
        return event

    def _emit(self, stage: str, body: bytes | None = None, status: Object | None = None) -> None:
        ruling, http = self._ruling, self._http
        if stage in ruling.omitted:
            return
        event = {**self._common, "stage": stage}
        sent: bytes | None = None
        if stage != RECEIVED:
            event["responseStatus"] = status or {"metadata": {}, "code": self._code}
            if ruling.level >= Level.REQUEST or (self._info.verb == "create" and not self._info.name):
                sent = http.received
        if ruling.level < Level.RESPONSE:
            body = None
        event["requestReceivedTimestamp"] = self._received
        event["stageTimestamp"] = times.now_micro()
        if http.annotations:
            event["annotations"] = dict(http.annotations)
        media = bodies.media_type(http)
        self._sink.put(lambda: line(event, ruling, sent, body, media=media))


class Auditor:
    """Opens the trail of each request."""

    def __init__(self, policy: Policy, sink: AuditLog) -> None:
        self._policy = policy
        self.sink = sink
        self.levels: Counter[Level] = Counter()
        """Requests by what the policy says about them."""

    def begin(self, http: Request, info: RequestInfo, user: User) -> Trail | None:
        """The trail of a request; None when nothing is to be noted."""
        ruling = self._policy.ruling(user, info)
        self.levels[ruling.level] += 1
        if ruling.level is Level.NONE:
            return None
        trail = http.trail = Trail(self.sink, ruling, http, info, user)
        return trail

    def refused(self, http: Request, info: RequestInfo, status: Object) -> None:
        """Note a request whose credentials are not valid."""
        ruling = self._policy.ruling(User(""), info)
        self.levels[ruling.level] += 1
        if ruling.level is not Level.NONE:
            method = "bearer" if http.headers.get("Authorization") else "none"
            told = {**status, "message": f"Authentication failed, attempted: {method}"}
            Trail(self.sink, ruling, http, info, User("", groups=NOBODY.groups)).refused(told)


def line(event: Object, ruling: Ruling, sent: bytes | None, answered: bytes | None, *, media: str) -> bytes:
    """An event as it is written; bodies are taken over where they are JSON."""
    request = _decoded(sent, media)
    if request is not None and event["verb"] == "create":
        _complete(event.get("objectRef"), request)
    if ruling.level >= Level.REQUEST and request is not None:
        event["requestObject"] = _shown(request, ruling)
    response = _decoded(answered, bodies.JSON)
    if response is not None:
        event["responseObject"] = _shown(response, ruling)
    return _encoded(event) + b"\n"


def _encoded(event: Object) -> bytes:
    """The event even where a client sent headers that are no UTF-8, or a body as deep as bodies may be: within the
    event it is one level deeper than orjson goes. Nobody stays unseen by what he sends.
    """
    try:
        return orjson.dumps(event)
    except orjson.JSONEncodeError:
        return json.dumps(event, separators=(",", ":")).encode()


def _decoded(body: bytes | None, media: str) -> Any:
    """A body as the handler decoded it; what the handler refused is not noted."""
    if not body:
        return None
    try:
        form = "application/yaml" if "yaml" in media else media if "proto" in media else bodies.JSON
        return bodies.parse_now(body, form)
    except errors.StatusError:
        return None


def _complete(reference: Object | None, obj: Any) -> None:
    """Name what is created: the path does not."""
    metadata = obj.get("metadata") if isinstance(obj, dict) else None
    if reference is None or reference.get("name") or not isinstance(metadata, dict):
        return
    if isinstance(metadata.get("name"), str):
        reference["name"] = metadata["name"]


def _shown(obj: Any, ruling: Ruling) -> Any:
    if ruling.bare and isinstance(obj, dict):
        items = obj.get("items")
        for item in (obj, *(items if isinstance(items, list) else ())):
            if isinstance(item, dict) and isinstance(item.get("metadata"), dict):
                item["metadata"].pop("managedFields", None)
    return obj


def _reference(info: RequestInfo) -> Object:
    pairs = (
        ("resource", info.resource),
        ("namespace", info.namespace),
        ("name", info.name),
        ("apiGroup", info.group),
        ("apiVersion", info.version),
        ("subresource", info.subresource),
    )
    return {key: value for key, value in pairs if value}


def _sources(http: Request) -> list[str]:
    """Where the request says that it comes from, then who is connected."""
    named = [part.strip() for part in http.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    remote = http.remote or ""
    return [*named, remote] if remote not in named else named
