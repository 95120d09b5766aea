"""Hands requests for group versions of other servers on to them (kube-aggregator pkg/apiserver/handler_proxy.go).

Method, path, query, headers and body go on as they are, the answer comes back in pieces, so that watches work, and an
upgrade becomes a connection of bytes. Credentials stay here.
"""

from __future__ import annotations

import logging
from http import HTTPStatus

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from tricenter.apiserver import backends
from tricenter.apiserver.aggregation.apiservices import ApiService, ApiServices
from tricenter.apiserver.aggregation.transport import Transport, user_headers
from tricenter.apiserver.auth.user import User
from tricenter.apiserver.backends import BackendError
from tricenter.apiserver.rest import forwarding, tunnel

log = logging.getLogger(__name__)

_QUIET = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
_REPLACED = ("authorization", "host", "expect")
_REDIRECTION = 3


class Aggregator:
    """Answers for other servers."""

    def __init__(self, services: ApiServices, transport: Transport) -> None:
        self._services = services
        self._transport = transport

    def find(self, path: str) -> ApiService | None:
        """Whose a path is, if it is another server's."""
        return self._services.at(path)

    async def serve(self, http: web.BaseRequest, user: User, service: ApiService) -> web.StreamResponse:
        """The server's answer, or 503."""
        if not service.available:
            return _unavailable("service unavailable")
        try:
            host, port, options = self._transport.target(service)
        except BackendError as error:
            log.warning("error resolving %s/%s: %s", service.namespace, service.service, error)
            return _unavailable("service unavailable")
        if tunnel.wants_upgrade(http):
            return await self._upgrade(http, user, service, (host, port))
        url = URL(f"https://{backends.authority(host, port)}{http.raw_path}", encoded=True)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=tunnel.CONNECT_SECONDS)
        try:
            got = await self._transport.services.session().request(
                http.method,
                url,
                headers=headers(http, user, service),
                data=http.content if http.body_exists else None,
                allow_redirects=False,
                skip_auto_headers=_QUIET,
                timeout=timeout,
                **options,
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: a host that is no name
            return _unavailable(f"error trying to reach service: {backends.failure(error, url.authority)}")
        async with got:
            if got.status // 100 == _REDIRECTION and "Location" in got.headers:
                # --aggregator-reject-forwarding-redirect: a client would follow it with its credentials.
                text = "the backend attempted to redirect this request, which is not permitted"
                return web.Response(status=HTTPStatus.BAD_GATEWAY, text=text)
            return await forwarding.pass_on(http, got, _answered(got))

    async def _upgrade(
        self, http: web.BaseRequest, user: User, service: ApiService, place: tuple[str, int]
    ) -> web.StreamResponse:
        _, _, options = self._transport.target(service)
        try:
            backend = await tunnel.connect(
                http, *place, http.raw_path, options["ssl"], name=service.host, added=user_headers(user)
            )
        except OSError as error:
            return _unavailable(f"error trying to reach service: {backends.failure(error, backends.authority(*place))}")
        async with backend:
            return await backend.join(http)


def headers(http: web.BaseRequest, user: User, service: ApiService) -> CIMultiDict[str]:
    """The client's headers as they go on: in the name of the user, whatever the client says he is."""
    dropped = forwarding.dropped(http.headers)
    kept = CIMultiDict(
        (name, value)
        for name, value in http.headers.items()
        if name.lower() not in dropped
        and name.lower() not in _REPLACED
        and not name.lower().startswith(("impersonate-", "x-remote-"))
    )
    for name, value in user_headers(user):
        kept.add(name, value)
    kept["Host"] = service.host
    kept["X-Forwarded-For"] = tunnel.forwarded_for(http)
    return kept


def _answered(got: aiohttp.ClientResponse) -> CIMultiDict[str]:
    dropped = forwarding.dropped(got.headers)
    return CIMultiDict((name, value) for name, value in got.headers.items() if name.lower() not in dropped)


def _unavailable(text: str) -> web.Response:
    return web.Response(status=503, text=f"{text}\n", headers={"X-Content-Type-Options": "nosniff"})
