"""The call of a webhook over HTTPS."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import orjson

from tricenter.apiserver import backends
from tricenter.apiserver.admission.requests import View
from tricenter.apiserver.admission.webhooks import reviews
from tricenter.apiserver.admission.webhooks.hooks import Hook
from tricenter.apiserver.admission.webhooks.reviews import Answer
from tricenter.apiserver.backends import BackendError, Backends

_SILENT = HTTPStatus.SERVICE_UNAVAILABLE
"""The code of a webhook that gave none."""


class CallFailed(Exception):  # noqa: N818 - it is no error of ours
    """The webhook could not be asked, or its answer is none; `str` is what a client may see."""

    def __init__(self, text: str, code: int = _SILENT) -> None:
        super().__init__(text)
        self.code = code
        """What the webhook's server answered, or that it did not."""


class Caller:
    """Asks webhooks."""

    def __init__(self, services: Backends) -> None:
        self._services = services

    async def ask(self, hook: Hook, seen: View, uid: str, *, mutating: bool) -> Answer:
        """Send a review and read the answer. Raises CallFailed."""
        version = hook.version
        if not version:
            text = "could not create admission objects: webhook does not accept known AdmissionReview versions"
            raise CallFailed(f"{text} (v1, v1beta1)")
        payload = orjson.dumps(reviews.question(uid, version, seen))
        shown = _shown(hook)
        try:
            async with asyncio.timeout(hook.timeout):
                body = await self._post(hook, payload)
        except (BackendError, aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: a host that is no name
            why = backends.failure(error, _place(error))
            text = f'failed to call webhook: Post "{shown}": {why}'
            raise CallFailed(text, error.code if isinstance(error, BackendError) else _SILENT) from error
        try:
            return reviews.answer(uid, version, body, mutating=mutating)
        except ValueError as error:
            raise CallFailed(f"received invalid webhook response: {error}") from error

    async def _post(self, hook: Hook, payload: bytes) -> bytes:
        """The body of the answer. A kept connection that turns out to be closed is replaced once."""
        try:
            return await self._post_once(hook, payload)
        except (aiohttp.ServerDisconnectedError, ConnectionResetError):
            return await self._post_once(hook, payload)

    async def _post_once(self, hook: Hook, payload: bytes) -> bytes:
        bundle = str(hook.client.get("caBundle") or "")
        seconds = {"timeout": f"{hook.timeout:.0f}s"}
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": "kube-apiserver-admission",
        }
        options: dict[str, Any] = {"data": payload, "params": seconds, "ssl": backends.context(bundle)}
        service = hook.client.get("service")
        if service:
            host, port = self._services.endpoint(service["namespace"], service["name"], int(service.get("port") or 443))
            name = _server_name(service)
            headers["Host"] = name
            url = f"https://{backends.authority(host, port)}{_path(service)}"
            options |= {"server_hostname": name}
        else:
            url = str(hook.client.get("url", ""))
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._services.session().post(
            url, headers=headers, timeout=timeout, allow_redirects=False, **options
        ) as got:
            body = await backends.read(got)
            if got.status != HTTPStatus.OK:
                raise BackendError(_unwanted(got.status, body), got.status)
            return body


def _server_name(service: Mapping[str, Any]) -> str:
    return f"{service['name']}.{service['namespace']}.svc"


def _path(service: Mapping[str, Any]) -> str:
    return "/" + quote(str(service.get("path") or "/").removeprefix("/"), safe="/%?=&:@!$'()*+,;~-._")


def _shown(hook: Hook) -> str:
    """The URL as upstream names it in errors."""
    service = hook.client.get("service")
    base = str(hook.client.get("url", ""))
    if service:
        base = f"https://{_server_name(service)}:{service.get('port') or 443}{_path(service)}"
    elif not urlsplit(base).path:
        base += "/"
    return f"{base}?timeout={hook.timeout:.0f}s"


def _place(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return backends.authority(error.host, error.port or 443)
    return ""


def _unwanted(code: int, body: bytes) -> str:
    """client-go's words for an answer that is no success."""
    if code == HTTPStatus.NOT_FOUND:
        return "the server could not find the requested resource"
    text = body[:1000].decode(errors="replace").strip() or "unknown"
    return f'an error on the server ("{text}") has prevented the request from succeeding'
