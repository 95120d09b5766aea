"""What this server serves itself has APIService objects too, as has each version of a custom resource.

After kube-aggregator's autoregister controller, crdregistration and controllers/status/local; the ConfigMap that tells
extension servers whom to trust is pkg/controlplane/controller/clusterauthenticationtrust.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Iterator
from typing import Any

from tricenter.apimachinery import copies, times
from tricenter.apiserver import errors
from tricenter.apiserver.aggregation import apiservices
from tricenter.apiserver.bootstrap import bootstrap
from tricenter.apiserver.cache.history import Change
from tricenter.apiserver.cache.mirror import Mirror
from tricenter.apiserver.config import Config
from tricenter.apiserver.extensions.serving import Extensions
from tricenter.apiserver.resources import CRDS, Resources
from tricenter.apiserver.storage.store import Store

log = logging.getLogger(__name__)

Object = dict[str, Any]

_MANAGED = "kube-aggregator.kubernetes.io/automanaged"
_AT_START, _ALWAYS = "onstart", "true"
_CUSTOM = (1000, 100)
_PRIORITIES = {
    "v1": (18000, 1), "apps/v1": (17800, 15), "events.k8s.io/v1": (17750, 15),
    "authentication.k8s.io/v1": (17700, 15), "authorization.k8s.io/v1": (17600, 15), "autoscaling/v2": (17500, 30),
    "autoscaling/v1": (17500, 15), "batch/v1": (17400, 15), "certificates.k8s.io/v1": (17300, 15),
    "networking.k8s.io/v1": (17200, 15), "policy/v1": (17100, 15), "rbac.authorization.k8s.io/v1": (17000, 15),
    "storage.k8s.io/v1": (16800, 15), "apiextensions.k8s.io/v1": (16700, 15),
    "admissionregistration.k8s.io/v1": (16700, 15), "scheduling.k8s.io/v1": (16600, 15),
    "coordination.k8s.io/v1": (16500, 15), "node.k8s.io/v1": (16300, 15), "discovery.k8s.io/v1": (16200, 15),
    "flowcontrol.apiserver.k8s.io/v1": (16100, 21),
}  # fmt: skip
"""Priority of the group and of the version in it; the group of APIServices itself has no object."""

_AGAIN_SECONDS = 1.0


def wanted(resources: Resources) -> dict[str, Object]:
    """The APIServices of what is served here, by name."""
    custom = {kind.api_version for kind in resources.custom()}
    found = {}
    for resource in resources:
        kind = resource.kind
        priority = _CUSTOM if kind.api_version in custom else _PRIORITIES.get(kind.api_version)
        if priority is not None:
            managed = _ALWAYS if kind.api_version in custom else _AT_START
            found[f"{kind.version}.{kind.group}"] = _object(kind.group, kind.version, priority, managed)
    return found


def _object(group: str, version: str, priority: tuple[int, int], managed: str) -> Object:
    spec: Object = {"version": version, "groupPriorityMinimum": priority[0], "versionPriority": priority[1]}
    if group:
        spec["group"] = group
    metadata = {"name": f"{version}.{group}", "labels": {_MANAGED: managed}}
    return {"kind": "APIService", "apiVersion": "apiregistration.k8s.io/v1", "metadata": metadata, "spec": spec}


def local(obj: Object) -> Object:
    """An APIService of this server with its status."""
    if (apiservices.condition(obj) or {}).get("reason") == "Local":
        return obj
    condition = {
        "type": apiservices.AVAILABLE,
        "status": "True",
        "lastTransitionTime": times.now_rfc3339(),
        "reason": "Local",
        "message": "Local APIServices are always available",
    }
    return {**obj, "status": {"conditions": [condition]}}


def trust(config: Config) -> Object:
    """The ConfigMap by which extension servers know our clients and us."""
    data = {"client-ca-file": config.client_ca.read_text()}
    if config.requestheader_ca is not None:
        data |= {
            "requestheader-client-ca-file": config.requestheader_ca.read_text(),
            "requestheader-allowed-names": json.dumps(list(config.requestheader_allowed_names)),
            "requestheader-username-headers": '["X-Remote-User"]',
            "requestheader-uid-headers": '["X-Remote-Uid"]',
            "requestheader-group-headers": '["X-Remote-Group"]',
            "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
        }
    metadata = {"name": "extension-apiserver-authentication", "namespace": "kube-system"}
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata, "data": data}


class Registration:
    """Keeps these objects as they should be."""

    def __init__(
        self, config: Config, store: Store, resources: Resources, mirror: Mirror, extensions: Extensions
    ) -> None:
        self._config = config
        self._store = store
        self._resources = resources
        self._mirror = mirror
        self._extensions = extensions
        self._services = resources["apiregistration.k8s.io", "apiservices"]
        self._wake = asyncio.Event()
        for cache in (self._services.objects, resources[CRDS].objects):
            cache.listeners.append(self._changed)

    def _changed(self, _: Change) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Bring the objects up to date whenever something has changed."""
        await self._mirror.synced.wait()
        generation = -1
        while True:
            self._wake.clear()
            try:
                if generation < 0:
                    await self._publish_trust()
                # What this server does not serve yet another may have registered already.
                await self._extensions.current()
                generation = self._resources.generation
                await self._reconcile()
            except errors.StatusError as error:
                log.warning("the APIServices of this server cannot be written: %s", error)
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            while not self._wake.is_set() and generation == self._resources.generation:
                # What a definition changes is served a moment after its own change was seen.
                try:
                    async with asyncio.timeout(_AGAIN_SECONDS):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    async def _publish_trust(self) -> None:
        made = trust(self._config)
        resource = self._resources["", "configmaps"]
        await bootstrap.ensure(self._store, resource, made)

        async def step(present: Object) -> Object:
            return {**present, "data": made["data"]}

        await self._store.update(resource.key("kube-system", made["metadata"]["name"]), None, step)

    async def _reconcile(self) -> None:
        target = wanted(self._resources)
        present = {entry.name: entry.load() for entry in self._services.objects.entries.values()}
        for name, obj in target.items():
            if name not in present:
                await bootstrap.ensure(self._store, self._services, local(obj))
        for name in stale(present.values(), target):
            await self._store.update(self._services.key("", name), None, gone)
        for name, obj in present.items():
            if not obj["spec"].get("service") and local(obj) is not obj:
                await self._store.update(self._services.key("", name), None, localized)


def stale(present: Iterable[Object], target: dict[str, Object]) -> Iterator[str]:
    """Names of what was registered for a custom resource that is gone."""
    for obj in present:
        if obj["metadata"]["name"] not in target and _registered(obj):
            yield obj["metadata"]["name"]


def _registered(obj: Object) -> bool:
    """Whether it was made for a custom resource, and has not been given to another server since."""
    labels = obj["metadata"].get("labels") or {}
    return labels.get(_MANAGED) == _ALWAYS and not obj["spec"].get("service")


# The objects may have changed since they were looked at: what belongs to another server by now is left alone.


async def gone(present: Object) -> Object | None:
    """Deletes what was registered for a custom resource that is gone."""
    return None if _registered(present) else present


async def localized(present: Object) -> Object:
    """Says of an APIService of this server that it is one."""
    return present if present["spec"].get("service") else local(copies.deep(present))
