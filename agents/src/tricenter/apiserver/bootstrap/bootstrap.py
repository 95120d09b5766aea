"""Creates what every cluster has. Five servers may do so at once: whoever comes second finds it there."""

from __future__ import annotations

import logging
import uuid
from typing import Any, Protocol

from tricenter.apimachinery import times
from tricenter.apiserver.bootstrap import network, objects, policy
from tricenter.apiserver.config import Config
from tricenter.apiserver.resources import Resource, Resources
from tricenter.apiserver.storage.store import Lost, Store

log = logging.getLogger(__name__)

Object = dict[str, Any]


class Parts(Protocol):
    """What bootstrapping needs of the server."""

    @property
    def config(self) -> Config: ...
    @property
    def store(self) -> Store: ...
    @property
    def resources(self) -> Resources: ...


async def run(parts: Parts) -> None:
    """Create what is missing, and bring what is ours up to date."""
    for group, plural, obj in [*objects.all_objects(), *policy.all_objects(), *network.all_objects(parts.config)]:
        await ensure(parts.store, parts.resources[group, plural], obj)


async def ensure(store: Store, resource: Resource, wanted: Object) -> None:
    """One object: created when missing; a role that upstream would reconcile gets its rules back."""
    metadata = wanted["metadata"]
    entry = resource.objects.get(metadata.get("namespace", ""), metadata["name"])
    if entry is not None and not policy.differs(entry.load(), wanted):
        return
    key = resource.key(metadata.get("namespace", ""), metadata["name"])
    now = {"uid": str(uuid.uuid4()), "creationTimestamp": times.now_rfc3339()}
    try:
        await store.create(key, {**wanted, "metadata": {**metadata, **now}})
    except Lost:

        async def reconcile(present: Object) -> Object:
            return policy.reconciled(present, wanted) if policy.differs(present, wanted) else present

        await store.update(key, None, reconcile)
        return
    log.info("created %s %s", resource.kind.plural, metadata["name"])
