"""The paths that are not resources: discovery, version, health and metrics."""

from __future__ import annotations

import contextlib
import hashlib
import platform
from collections.abc import Mapping

from aiohttp import web

from tricenter.apiserver import errors
from tricenter.apiserver.aggregation.apiservices import ApiServices
from tricenter.apiserver.aggregation.availability import Availability
from tricenter.apiserver.auth.user import User
from tricenter.apiserver.discovery.documents import Documents
from tricenter.apiserver.discovery.issuer import Issuer
from tricenter.apiserver.discovery.openapi import OpenApi
from tricenter.apiserver.extensions.serving import Extensions
from tricenter.apiserver.health import Health
from tricenter.apiserver.instruments import Instruments
from tricenter.apiserver.resources import Resources
from tricenter.apiserver.rest import answers
from tricenter.apiserver.server import Endpoint

VERSION = {
    "major": "1",
    "minor": "33",
    "gitVersion": "v1.33.0+tricenter",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": f"python{platform.python_version()}",
    "compiler": platform.python_implementation(),
    "platform": f"linux/{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(platform.machine(), platform.machine()) }",
}


class Discovery:
    """Answers for paths that are not resources."""

    def __init__(  # what the documents are made of
        self,
        *,
        resources: Resources,
        extensions: Extensions,
        health: Health,
        instruments: Instruments,
        issuer: Issuer,
        address: str,
        services: ApiServices,
        availability: Availability,
    ) -> None:
        self._extensions = extensions
        self._documents = Documents(resources, services, availability.resources)
        self._health = health
        self._instruments = instruments
        self._address = address
        self._openapi = OpenApi(resources, services, self._current, availability.openapi)
        self._issuer = issuer

    def endpoints(self) -> Mapping[str, Endpoint]:
        """Handlers by path; a path also serves what is below it."""
        return {
            "/": self.root,
            "/api": self.core,
            "/apis": self.groups,
            "/version": self.version,
            "/openapi/v2": self._openapi.v2,
            "/openapi/v3": self._openapi.v3,
            "/.well-known/openid-configuration": self._issuer.configuration,
            "/openid/v1/jwks": self._issuer.keys,
            "/livez": self._health.livez,
            "/readyz": self._health.readyz,
            "/healthz": self._health.readyz,
            "/metrics": self.metrics,
        }

    async def root(self, http: web.BaseRequest, _: User) -> web.StreamResponse:
        """The index of paths."""
        if http.path != "/":
            raise errors.unknown_path()
        await self._current()
        groups = [group["name"] for group in self._documents.groups()["groups"]]
        paths = [*self.endpoints(), "/api/v1", *(f"/apis/{name}" for name in groups)]
        return answers.json({"paths": sorted(set(paths) - {"/"})})

    async def core(self, http: web.BaseRequest, _: User) -> web.StreamResponse:
        """/api and /api/VERSION."""
        parts = http.path.strip("/").split("/")
        if len(parts) == 1:
            version = _aggregated(http)
            if version:
                return _marked(http, self._documents.aggregated(core=True, version=version), version)
            return answers.json(self._documents.core(self._address))
        return _found(self._documents.version("", parts[1]) if len(parts) == 2 else None)

    async def groups(self, http: web.BaseRequest, _: User) -> web.StreamResponse:
        """/apis, /apis/GROUP and /apis/GROUP/VERSION."""
        parts = http.path.strip("/").split("/")
        await self._current()
        if len(parts) == 1:
            version = _aggregated(http)
            if version:
                return _marked(http, self._documents.aggregated(core=False, version=version), version)
            return answers.json(self._documents.groups())
        if len(parts) == 2:
            return _found(self._documents.group(parts[1]))
        return _found(self._documents.version(parts[1], parts[2]) if len(parts) == 3 else None)

    async def _current(self) -> None:
        """What another server has just been told is listed here too; an old list is better than none."""
        with contextlib.suppress(errors.StatusError):
            await self._extensions.current()

    async def version(self, _: web.BaseRequest, __: User) -> web.StreamResponse:
        """/version."""
        return answers.json(VERSION)

    async def metrics(self, _: web.BaseRequest, __: User) -> web.StreamResponse:
        """/metrics."""
        media, body = self._instruments.page()
        return web.Response(body=body, headers={"Content-Type": media})


def _aggregated(http: web.BaseRequest) -> str:
    """The version of the aggregated form that the client accepts, or empty."""
    for clause in http.headers.get("Accept", "").split(","):
        parameters = {part.strip() for part in clause.split(";")}
        if {"as=APIGroupDiscoveryList", "g=apidiscovery.k8s.io", "application/json"} <= parameters:
            for version in ("v2", "v2beta1"):
                if f"v={version}" in parameters:
                    return version
        elif "application/json" in parameters:
            return ""
    return ""


def _marked(http: web.BaseRequest, document: dict[str, object], version: str) -> web.Response:
    """An aggregated document with its tag, by which clients keep what they have."""
    media = f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
    response = answers.json(document, media=media)
    body = response.body
    tag = f'"{hashlib.sha512(body if isinstance(body, bytes) else b"").hexdigest().upper()}"'
    headers = {"ETag": tag, "Vary": "Accept"}
    if http.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers=headers)
    response.headers.update(headers)
    return response


def _found(document: dict[str, object] | None) -> web.Response:
    if document is None:
        raise errors.unknown_path()
    return answers.json(document)
