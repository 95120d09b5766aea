"""Admits requests by the cluster's FlowSchemas and PriorityLevelConfigurations.

Of a level, its shares, its type and its queue length are followed. Seats are not lent to other levels: a process
that runs Python gains nothing from running more at once, and idle seats cost nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from tricenter.apiserver import deadline, errors
from tricenter.apiserver.auth.user import User
from tricenter.apiserver.cache.history import Change
from tricenter.apiserver.config import Config
from tricenter.apiserver.flow import defaults, schemas
from tricenter.apiserver.flow.schemas import Schema
from tricenter.apiserver.flow.seats import Level, Rejected, Seat
from tricenter.apiserver.flow.watching import FlowMetrics
from tricenter.apiserver.request import Request
from tricenter.apiserver.requestinfo import RequestInfo
from tricenter.apiserver.resources import Resources

Object = dict[str, Any]

_STREAMS = frozenset(("log", "exec", "attach", "portforward", "proxy"))
_WAIT_SECONDS = 15.0
"""Longest wait for a seat, a quarter of the longest request as upstream has it."""
_RETRY_SECONDS = 1
_KNOWN_MOST = 4096
_OBJECTS_PER_SEAT = 100
_WIDEST = 10


class Limits:
    """Knows the levels, finds the one of a request and waits for a seat there."""

    def __init__(self, resources: Resources, config: Config, metrics: FlowMetrics) -> None:
        self._resources = resources
        self._seats = config.max_requests
        self._longest = config.request_seconds
        self.overdue = deadline.Overdue(config.request_seconds)
        self._waiting = deadline.Overdue(_WAIT_SECONDS)
        self._metrics = metrics
        self._caches = {plural: resources[defaults.GROUP, plural].objects for plural in (
            "flowschemas", "prioritylevelconfigurations",
        )}  # fmt: skip
        for cache in self._caches.values():
            cache.listeners.append(self._changed)
        self._levels: dict[str, Level] = {}
        self._schemas: list[Schema] | None = None
        self._known: dict[tuple[Any, ...], Schema] = {}

    def reset(self) -> None:
        """Forget everything: the caches were read anew."""
        self._schemas = None
        self._known.clear()

    def _changed(self, _: Change) -> None:
        self.reset()

    async def admit(self, http: Request, info: RequestInfo, user: User) -> Seat | None:
        """A seat for the request, or None for a stream, which needs none. Raises TooManyRequests."""
        if info.subresource in _STREAMS:
            return None
        schema = self._schema(user, info)
        level = self._levels[schema.level]
        http.answered["X-Kubernetes-PF-FlowSchema-UID"] = schema.uid
        http.answered["X-Kubernetes-PF-PriorityLevel-UID"] = level.uid
        began = self._metrics.arrived()
        try:
            seat = await level.acquire((schema.name, schema.flow(user, info)), self._width(http, info), _WAIT_SECONDS)
        except Rejected as error:
            self._metrics.rejected(level.name, schema.name, error.reason)
            raise errors.TooManyRequests(
                "Too many requests, please try again later.", retry_after=_RETRY_SECONDS
            ) from error
        self._metrics.dispatched(level.name, schema.name, began)
        if info.verb == "watch":
            http.seat = seat
        return seat

    def seconds(self, http: Request, info: RequestInfo) -> float | None:
        """How long the request may take; None for one that goes on. Raises BadRequest."""
        return deadline.seconds(info, http.query, self._longest)

    def _width(self, http: Request, info: RequestInfo) -> int:
        """How many seats a request takes: a list one for every hundred objects, ten at most (KEP-1040)."""
        if info.verb not in ("list", "watch", "deletecollection"):
            return 1
        if info.verb == "watch" and http.query.get("resourceVersion", "") not in ("", "0"):
            return 1
        resource = self._resources.find(info.group, info.version, info.resource)
        if resource is None or resource.cache is None:
            return 1
        return width(len(resource.cache.entries), http.query.get("limit", ""))

    # --- configuration ---

    def _schema(self, user: User, info: RequestInfo) -> Schema:
        if self._schemas is None:
            self._configure()
        path = "" if info.is_resource else info.path
        key = (user.name, user.groups, info.verb, info.group, info.resource, info.subresource, info.namespace, path)
        found = self._known.get(key)
        if found is None:
            found = next(schema for schema in self._schemas or () if schema.matches(user, info))
            if len(self._known) >= _KNOWN_MOST:
                self._known.clear()
            self._known[key] = found
        return found

    def _configure(self) -> None:
        objects = {plural: [entry.load() for entry in cache.entries.values()] for plural, cache in self._caches.items()}
        levels = _with(objects["prioritylevelconfigurations"], defaults.levels(), ("exempt", "catch-all"))
        wanted = _with(objects["flowschemas"], defaults.schemas(), ("exempt", "catch-all"))
        self._set_levels(levels)
        # A schema that refers to a level that does not exist is passed over.
        self._schemas = [schema for schema in schemas.compiled(wanted) if schema.level in self._levels]
        everybody = next(schema for schema in reversed(self._schemas) if schema.name == "catch-all")
        self._schemas.append(_for_all(everybody))

    def _set_levels(self, objects: list[Object]) -> None:
        names = {obj["metadata"]["name"] for obj in objects}
        for gone in set(self._levels) - names:
            del self._levels[gone]
        total = sum(map(_shares, objects)) or 1
        for obj in objects:
            name = obj["metadata"]["name"]
            level = self._levels.setdefault(name, Level(name, self._waiting))
            level.configure(
                obj["metadata"].get("uid", ""),
                seats=math.ceil(self._seats * _shares(obj) / total),
                exempt=obj["spec"].get("type") == "Exempt",
                queue_length=_queue_length(obj),
            )
        self._metrics.levels = self._levels


_DIGITS = 20
"""Of a number that is surely more than there are objects."""


def width(objects: int, limit: str) -> int:
    """Seats of a list of so many objects, of which a page of `limit` is asked for."""
    page = int(limit) if limit.isascii() and limit.isdigit() and len(limit) < _DIGITS else 0
    wanted = min(objects, page) if page else objects
    return max(1, min(_WIDEST, math.ceil(wanted / _OBJECTS_PER_SEAT)))


def _with(present: list[Object], usual: Iterable[Object], mandatory: tuple[str, ...]) -> list[Object]:
    """The objects that are there, and those that must be; all defaults while there are none."""
    names = {obj["metadata"]["name"] for obj in present}
    missing = [obj for obj in usual if obj["metadata"]["name"] not in names]
    return [*present, *(obj for obj in missing if not present or obj["metadata"]["name"] in mandatory)]


def _for_all(schema: Schema) -> Schema:
    """Catches what even the catch-all does not, such as an impersonated user without any group."""
    anybody = defaults.schema_for_all()
    return schemas.compiled([{**anybody, "metadata": {"name": schema.name, "uid": schema.uid}}])[0]


def _limited(obj: Object) -> Object:
    return obj["spec"].get("limited") or {}


def _shares(obj: Object) -> int:
    if obj["spec"].get("type") == "Exempt":
        return int((obj["spec"].get("exempt") or {}).get("nominalConcurrencyShares") or 0)
    given = _limited(obj).get("nominalConcurrencyShares")
    return 30 if given is None else int(given)


def _queue_length(obj: Object) -> int:
    response = _limited(obj).get("limitResponse") or {}
    if response.get("type") != "Queue":
        return 0
    return int((response.get("queuing") or {}).get("queueLengthLimit") or 50)
