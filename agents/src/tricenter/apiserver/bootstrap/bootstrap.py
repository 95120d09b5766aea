"""Creates what every cluster has. Five servers may do so at once: whoever comes second finds it there."""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from typing import Any, Protocol

from tricenter.apimachinery import times
from tricenter.apiserver import errors
from tricenter.apiserver.bootstrap import network, objects, policy
from tricenter.apiserver.cache.mirror import Mirror
from tricenter.apiserver.config import Config
from tricenter.apiserver.flow import defaults as flows
from tricenter.apiserver.resources import Resource, Resources
from tricenter.apiserver.storage.store import Lost, Store

log = logging.getLogger(__name__)

Object = dict[str, Any]

_PATIENCE = 30.0
"""Seconds for the caches to see the last write; longer is a broken watch, and a restart mends that."""
_KEEP_SECONDS = 60.0
"""As often as upstream looks (pkg/registry/flowcontrol/rest/storage_flowcontrol.go)."""


class Parts(Protocol):
    """What bootstrapping needs of the server."""

    @property
    def config(self) -> Config: ...
    @property
    def store(self) -> Store: ...
    @property
    def mirror(self) -> Mirror: ...
    @property
    def resources(self) -> Resources: ...


async def run(parts: Parts) -> None:
    """Create what is missing, and bring what is ours up to date; return when the caches show it.

    Requests are authorised from the caches: a server that is ready before they hold the policy refuses what it allows.
    """
    written = 0
    wanted = [*objects.all_objects(), *policy.all_objects(), *flows.all_objects(), *network.all_objects(parts.config)]
    for group, plural, obj in wanted:
        written = max(written, await ensure(parts.store, parts.resources[group, plural], obj))
    await parts.mirror.wait(written, _PATIENCE)


async def keep(parts: Parts) -> None:
    """Bring back for ever what request limits are made of: a cluster whose last schema is gone must not stay so."""
    while True:
        await asyncio.sleep(_KEEP_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311  # keeps servers from writing at once
        try:
            for group, plural, obj in flows.all_objects():
                await ensure(parts.store, parts.resources[group, plural], obj)
        except errors.StatusError as error:
            log.warning("the objects of priority and fairness cannot be brought back: %s", error)


async def ensure(store: Store, resource: Resource, wanted: Object) -> int:
    """One object: created when missing; a role that upstream would reconcile gets its rules back.

    Returns the revision at which the object is there, 0 when the cache had it already.
    """
    metadata = wanted["metadata"]
    entry = resource.objects.get(metadata.get("namespace", ""), metadata["name"])
    if entry is not None and not policy.differs(entry.load(), wanted):
        return 0
    key = resource.key(metadata.get("namespace", ""), metadata["name"])
    now = {"uid": str(uuid.uuid4()), "creationTimestamp": times.now_rfc3339()}
    try:
        stored = await store.create(key, {**wanted, "metadata": {**metadata, **now}})
    except Lost:

        async def reconcile(present: Object) -> Object:
            return policy.reconciled(present, wanted) if policy.differs(present, wanted) else present

        kept = await store.update(key, None, reconcile)
        return kept.revision if kept else 0
    log.info("created %s %s", resource.kind.plural, metadata["name"])
    return stored.revision
