"""Whether extension servers answer: the condition Available (controllers/status/remote), and what they serve."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import aiohttp
import orjson

from tricenter.apimachinery import copies, times
from tricenter.apiserver import backends, errors
from tricenter.apiserver.aggregation import apiservices
from tricenter.apiserver.aggregation.apiservices import ApiService, ApiServices
from tricenter.apiserver.aggregation.transport import AGGREGATOR, Transport, user_headers
from tricenter.apiserver.backends import BackendError
from tricenter.apiserver.cache.history import Change
from tricenter.apiserver.cache.mirror import Mirror
from tricenter.apiserver.resources import Resources
from tricenter.apiserver.storage.store import Store

log = logging.getLogger(__name__)

Object = dict[str, Any]
Verdict = tuple[str, str, str]
"""Status, reason and message of the condition."""

_EVERY_SECONDS = 30.0
_ATTEMPT_SECONDS = 5.0
_CALM_SECONDS = 0.2
_SERVICE_NAME = "kubernetes.io/service-name"


class Availability:
    """Asks every extension server now and then, and when its endpoints change."""

    def __init__(
        self, store: Store, resources: Resources, services: ApiServices, transport: Transport, mirror: Mirror
    ) -> None:
        self.resources: dict[str, list[Object]] = {}
        """What each APIService lists (`resources` of its APIResourceList), as it was told last."""
        self.openapi: dict[str, str] = {}
        """Where the OpenAPI document of each is, relative to this server."""
        self._store = store
        self._services = services
        self._transport = transport
        self._mirror = mirror
        self._resource = resources["apiregistration.k8s.io", "apiservices"]
        self._backing = resources["", "services"].objects
        self._slices = resources["discovery.k8s.io", "endpointslices"].objects
        self._wake = asyncio.Event()
        for cache in (self._resource.objects, self._backing, self._slices):
            cache.listeners.append(self._changed)

    def _changed(self, change: Change) -> None:
        """Wake up for what an extension server depends on."""
        remote = self._services.remote().values()
        entry = change.current or change.previous
        if not remote or entry is None:
            return
        name = entry.labels.get(_SERVICE_NAME, entry.name)
        if not entry.namespace or any((item.namespace, item.service) == (entry.namespace, name) for item in remote):
            self._wake.set()

    async def run(self) -> None:
        """Check for ever."""
        await self._mirror.synced.wait()
        while True:
            self._wake.clear()
            remote = list(self._services.remote().values())
            await asyncio.gather(*(self._check(service) for service in remote))
            for known in (self.resources, self.openapi):
                for name in set(known) - {service.name for service in remote}:
                    known.pop(name)
            try:
                async with asyncio.timeout(_EVERY_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(_CALM_SECONDS)

    async def _check(self, service: ApiService) -> None:
        try:
            verdict = self._missing(service) or await self._asked(service)
            await self._write(service, verdict)
        except errors.StatusError as error:
            log.warning("the status of APIService %s cannot be written: %s", service.name, error)

    def _missing(self, service: ApiService) -> Verdict | None:
        """What a server lacks to be asked at all."""
        name, namespace = service.service, service.namespace
        entry = self._backing.get(namespace, name)
        if entry is None:
            return "False", "ServiceNotFound", f'service/{name} in "{namespace}" is not present'
        spec = entry.load().get("spec") or {}
        if spec.get("type", "ClusterIP") != "ClusterIP":
            return None
        port = next((item for item in spec.get("ports") or () if item.get("port") == service.port), None)
        if port is None:
            text = f'service/{name} in "{namespace}" is not listening on port {service.port}'
            return "False", "ServicePortError", text
        slices = [self._slices.entries[key] for key in self._slices.keys(namespace)]
        own = [item.load() for item in slices if item.labels.get(_SERVICE_NAME) == name]
        if not own:
            return "False", "EndpointsNotFound", f'cannot find endpointslices for service/{name} in "{namespace}"'
        named = port.get("name", "")
        if not any(True for item in own for _ in backends.ready(item, named)):
            text = f'endpointslices for service/{name} in "{namespace}" have no addresses with port name "{named}"'
            return "False", "MissingEndpoints", text
        return None

    async def _asked(self, service: ApiService) -> Verdict:
        """What the server says when it is asked for its resources."""
        try:
            listed = await self._get(service, service.path)
        except BackendError as error:
            return "False", "FailedDiscoveryCheck", str(error)
        resources = listed.get("resources")
        known = resources if isinstance(resources, list) else []
        self.resources[service.name] = [item for item in known if isinstance(item, dict)]
        try:
            document = openapi_document(await self._get(service, "/openapi/v3"), service)
        except BackendError:
            document = None  # a server need not have one
        if document is None:
            self.openapi.pop(service.name, None)
        else:
            self.openapi[service.name] = document
        return "True", "Passed", "all checks passed"

    async def _get(self, service: ApiService, path: str) -> Object:
        """A document of the server. Raises BackendError."""
        host, port, options = self._transport.target(service)
        url = f"https://{backends.authority(host, port)}{path}"
        headers = [*user_headers(AGGREGATOR), ("Accept", "application/json"), ("Host", service.host)]
        try:
            async with asyncio.timeout(_ATTEMPT_SECONDS):
                async with self._transport.services.session().get(
                    url, headers=headers, allow_redirects=False, **options
                ) as got:
                    if not 200 <= got.status < 300:
                        text = f"failing or missing response from {url}: bad status from {url}: {got.status}"
                        raise BackendError(text)
                    found = orjson.loads(await backends.read(got))
        except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: no JSON, or a host that is no name
            why = backends.failure(error, backends.authority(host, port))
            raise BackendError(f'failing or missing response from {url}: Get "{url}": {why}') from error
        return found if isinstance(found, dict) else {}

    async def _write(self, service: ApiService, verdict: Verdict) -> None:
        entry = self._resource.objects.get("", service.name)
        if entry is None or same(apiservices.condition(entry.load()), verdict):
            return

        async def step(present: Object) -> Object:
            # What was asked while somebody turned it to another server says nothing of that one.
            stale = not same_place(present, service) or same(apiservices.condition(present), verdict)
            return present if stale else judged(present, verdict)

        await self._store.update(entry.key, None, step)
        log.info("APIService %s is available: %s (%s)", service.name, verdict[0], verdict[2])


def openapi_document(index: Object, service: ApiService) -> str | None:
    """Where an index of OpenAPI documents has that of the service; None for one that is not as it should be."""
    paths = index.get("paths")
    entry = paths.get(service.path.strip("/")) if isinstance(paths, dict) else None
    found = entry.get("serverRelativeURL") if isinstance(entry, dict) else None
    return found if isinstance(found, str) else None


def same_place(obj: Mapping[str, Any], service: ApiService) -> bool:
    """Whether an APIService still stands for the server that was asked."""
    found = apiservices.parse(obj)
    return found is not None and replace(found, available=service.available) == service


def same(condition: Mapping[str, Any] | None, verdict: Verdict) -> bool:
    """Whether a condition says what was found."""
    found = condition or {}
    return (found.get("status"), found.get("reason"), found.get("message")) == verdict


def judged(obj: Object, verdict: Verdict) -> Object:
    """An APIService with the condition that was found; the time is that of the last change of its status."""
    made = copies.deep(obj)
    before = apiservices.condition(made) or {}
    since = before.get("lastTransitionTime") if before.get("status") == verdict[0] else None
    condition = {
        "type": apiservices.AVAILABLE,
        "status": verdict[0],
        "lastTransitionTime": since or times.now_rfc3339(),
        "reason": verdict[1],
        "message": verdict[2],
    }
    status = made.setdefault("status", {})
    others = [item for item in status.get("conditions") or () if item.get("type") != apiservices.AVAILABLE]
    status["conditions"] = [*others, condition]
    return made
