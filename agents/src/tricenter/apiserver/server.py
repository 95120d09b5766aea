"""The HTTP side: from a request to authentication, authorisation and the code that answers.

Whatever goes wrong becomes a Status; what was not foreseen is logged and becomes InternalError without its details.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from aiohttp import ClientError, web

from tricenter.apiserver import errors, negotiation, requestinfo
from tricenter.apiserver.aggregation.proxy import Aggregator
from tricenter.apiserver.audit.trail import Auditor
from tricenter.apiserver.auth.authenticate import STALE, Authenticator, impersonated
from tricenter.apiserver.auth.authorize import Authorizer, denied, of_info
from tricenter.apiserver.auth.rbac import Request as Wanted
from tricenter.apiserver.auth.user import User
from tricenter.apiserver.extensions.serving import Extensions
from tricenter.apiserver.flow.limits import Limits
from tricenter.apiserver.instruments import Instruments
from tricenter.apiserver.protobuf import encode
from tricenter.apiserver.request import Request
from tricenter.apiserver.requestinfo import RequestInfo
from tricenter.apiserver.resources import Resources
from tricenter.apiserver.rest import answers, writeoptions
from tricenter.apiserver.rest.call import Call
from tricenter.apiserver.rest.router import Router

log = logging.getLogger(__name__)

Endpoint = Callable[[web.BaseRequest, User], Awaitable[web.StreamResponse]]

_OPEN_TO_ALL = ("/healthz", "/livez", "/readyz")
"""Paths that need no permission, as upstream's --authorization-always-allow-paths."""

_FILLING_SECONDS = 10.0
"""Seconds for which requests wait for the caches of a server that has just started."""

_READ_BY_GET = ("/api", "/version", "/.well-known/", "/openid/")
"""Paths that take no HEAD: upstream registers them with their method, all others without."""

_WRITES = ("create", "update", "patch", "delete", "deletecollection")
_UNTRANSFORMED = ("log", "exec", "attach", "portforward", "proxy")


class Server:
    """Handles every request."""

    def __init__(  # noqa: PLR0913 - the parts that a request meets
        self,
        *,
        authenticator: Authenticator,
        authorizer: Authorizer,
        resources: Resources,
        extensions: Extensions,
        router: Router,
        endpoints: Mapping[str, Endpoint],
        instruments: Instruments,
        limits: Limits,
        aggregator: Aggregator,
        filled: asyncio.Event,
        auditor: Auditor | None = None,
    ) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._resources = resources
        self._extensions = extensions
        self._router = router
        self._endpoints = endpoints
        self._instruments = instruments
        self._limits = limits
        self._aggregator = aggregator
        self._filled = filled
        self._auditor = auditor

    async def handle(self, http: web.BaseRequest) -> web.StreamResponse:
        """The handler that aiohttp calls."""
        assert isinstance(http, Request)  # noqa: S101  # what our request factory makes
        began, code = time.perf_counter(), 0
        info = requestinfo.parse(http.method, http.path, http.query)
        self._instruments.arrived(info)
        try:
            response = await self._answered(http, info)
            code = response.status
            self._instruments.answered(info, response)
        except (asyncio.CancelledError, ConnectionError):
            code = http.status
            if http.trail is not None:
                http.trail.complete()
            raise
        finally:
            seconds = time.perf_counter() - began
            self._instruments.left(info, dry_run="dryRun" in http.query, code=code, seconds=seconds, served=http.served)
        return response

    async def _answered(self, http: Request, info: RequestInfo) -> web.StreamResponse:
        """The answer, whatever goes wrong; the end of the request's audit trail."""
        status: dict[str, Any] | None = None
        try:
            response = await self._in_time(http, info)
        except errors.StatusError as error:
            if http.status:
                raise _cut(http, str(error)) from error
            response, status = answers.status(error), error.status()
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as problem:  # nothing about the inside leaves in a response
            if http.status:
                expected = isinstance(problem, ClientError)  # a backend that went away
                log.warning("%s %s breaks off: %s", http.method, http.path, problem, exc_info=not expected)
                raise _cut(http, "the answer cannot be ended") from problem
            if not _too_deep(problem):
                log.exception("%s %s failed", http.method, http.path)
                failure = errors.Internal("Internal error occurred: the server's log says more")
                if http.trail is not None:
                    http.trail.panic(failure.status())
                return answers.status(failure)
            refused = errors.BadRequest("the object is nested too deeply")
            response, status = answers.status(refused), refused.status()
        if http.trail is not None:
            http.trail.complete(response, status)
        if negotiation.only_protobuf(http.headers.get("Accept")):
            return await answers.in_protobuf(response)
        return answers.indented(response) if answers.pretty(http) else response

    async def _in_time(self, http: Request, info: RequestInfo) -> web.StreamResponse:
        """The answer, or Timeout; a write that is under way is not interrupted, its client only hears no more of it."""
        seconds = self._limits.seconds(http, info)
        try:
            return await self._limits.overdue.within(seconds, self._answer(http, info))
        except TimeoutError as error:
            if http.status:
                raise _cut(http, "the client did not read the answer in time") from error
            text = "Timeout: request did not complete within requested timeout - context deadline exceeded"
            raise errors.Timeout(text) from error

    async def _answer(self, http: Request, info: RequestInfo) -> web.StreamResponse:
        if not self._filled.is_set() and not info.path.startswith(_OPEN_TO_ALL):
            await self._until_filled()
        user = self._user(http, info)
        seat = await self._limits.admit(http, info, user)
        try:
            return await self._permitted(http, info, user)
        finally:
            if seat is not None:
                seat.release()

    async def _until_filled(self) -> None:
        """An empty cache knows neither who may do what nor what there is (KEP-4568: such requests get 429 at last)."""
        try:
            async with asyncio.timeout(_FILLING_SECONDS):
                await self._filled.wait()
        except TimeoutError:
            raise errors.TooManyRequests("storage is (re)initializing", retry_after=1) from None

    async def _permitted(self, http: Request, info: RequestInfo, user: User) -> web.StreamResponse:
        if not info.path.startswith(_OPEN_TO_ALL):
            self._require(http, of_info(user, info))
        elsewhere = self._aggregator.find(info.path)
        if elsewhere is not None:
            self._serve(http, info)
            return await self._aggregator.serve(http, user, elsewhere)
        if info.is_resource:
            return await self._resource(http, info, user)
        endpoint = self._endpoint(info.path)
        if endpoint is None:
            raise errors.unknown_path()
        if http.method != "GET" and (http.method != "HEAD" or info.path.startswith(_READ_BY_GET)):
            raise errors.MethodNotAllowed("the server does not allow this method on the requested resource")
        return await endpoint(http, user)

    def _user(self, http: Request, info: RequestInfo) -> User:
        """Who makes the request, or in whose name it is made; from here on it is audited."""
        try:
            user = self._authenticator.user(http)
        except errors.Unauthorized as error:
            self._instruments.unauthenticated()
            if self._auditor is not None:
                self._auditor.refused(http, info, error.status())
            raise
        self._instruments.authenticated(user.name, stale=STALE in http.annotations)
        trail = self._auditor.begin(http, info, user) if self._auditor is not None else None
        wanted = impersonated(http)
        if wanted is None:
            return user
        self._authorizer.require_impersonation(user, wanted)
        if trail is not None:
            trail.impersonated(wanted.user)
        return wanted.user

    def _require(self, http: Request, request: Wanted) -> None:
        decision = self._authorizer.decide(request)
        http.annotations["authorization.k8s.io/decision"] = "allow" if decision.allowed else "forbid"
        http.annotations["authorization.k8s.io/reason"] = decision.reason
        if not decision.allowed:
            raise denied(request, decision.reason)

    def _serve(self, http: Request, info: RequestInfo) -> None:
        """Note that there is what a request asks for."""
        http.served = True
        self._instruments.serves(info)

    def _endpoint(self, path: str) -> Endpoint | None:
        """The handler of a path that is not a resource; `/readyz/etcd` belongs to `/readyz`."""
        path = path.rstrip("/") or "/"
        while True:
            endpoint = self._endpoints.get(path)
            if endpoint is not None or "/" not in path[1:]:
                return endpoint
            path = path.rpartition("/")[0]

    async def _resource(self, http: Request, info: RequestInfo, user: User) -> web.StreamResponse:
        path = (info.group, info.version, info.resource)
        resource = self._resources.find(*path) or await self._extensions.find(*path)
        if resource is None:
            raise errors.unknown_path()
        if info.namespace and not resource.kind.namespaced and info.resource != "namespaces":
            raise errors.unknown_path()
        if info.subresource in _UNTRANSFORMED:
            form = negotiation.Form()
        else:
            form = negotiation.accept(http.headers.get("Accept"))
            if form.protobuf and not form.kind and not encode.built_in(resource.kind.api_version, resource.kind.kind):
                raise negotiation.not_acceptable(negotiation.JSON, negotiation.YAML)
        if not resource.kind.namespaced and info.namespace:
            info = _cluster_scoped(info)
        call = Call(
            http=http,
            info=info,
            user=user,
            resource=resource,
            form=form,
            annotations=http.annotations,
            warnings=http.warnings,
        )
        handler = self._router.handler(call)
        self._serve(http, info)
        if info.subresource not in _UNTRANSFORMED:
            writeoptions.check(call)
        if resource.kind.warning:
            call.warn(resource.kind.warning)
            call.annotate("k8s.io/deprecated", "true")
            self._instruments.deprecated(info)
        if info.verb in _WRITES and info.subresource not in _UNTRANSFORMED:
            # A client that goes away does not interrupt a write half way.
            return await asyncio.shield(asyncio.ensure_future(handler(call)))
        return await handler(call)


def _cut(http: Request, why: str) -> ConnectionAbortedError:
    """End a connection whose answer has begun: a Status behind its head would be read as a part of it."""
    if http.transport is not None:
        http.transport.abort()
    return ConnectionAbortedError(why)


def _cluster_scoped(info: RequestInfo) -> RequestInfo:
    """A Namespace is authorised in its own namespace but stored in none."""
    return replace(info, namespace="")


def _too_deep(problem: Exception) -> bool:
    """Whether an object has more levels than Python or orjson (254) can go down."""
    return isinstance(problem, RecursionError) or (isinstance(problem, TypeError) and "Recursion limit" in str(problem))
