"""delete and deletecollection: preconditions, grace, finalizers and propagation (registry/rest/delete.go)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from tricenter.apimachinery import times
from tricenter.apiserver import errors
from tricenter.apiserver.admission.chain import DELETE, Admission, Attributes
from tricenter.apiserver.config import Config
from tricenter.apiserver.registry import conversion, fieldcheck, strategies
from tricenter.apiserver.registry.allocation import Allocation
from tricenter.apiserver.registry.strategy import FOREGROUND, ORPHAN, Strategy
from tricenter.apiserver.requestinfo import truth
from tricenter.apiserver.rest import answers, bodies, listoptions, selecting, writeoptions, written
from tricenter.apiserver.rest.call import Call
from tricenter.apiserver.rest.reads import Reads
from tricenter.apiserver.rest.written import Written
from tricenter.apiserver.storage.store import Store

Object = dict[str, Any]

_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
_FAR = 10**10
"""Seconds that a time can still be away; more are waited for no longer."""


@dataclass(frozen=True, kw_only=True)
class DeleteOptions:
    """What a delete demands."""

    grace: int | None = None
    propagation: str = ""
    uid: str = ""
    version: str = ""


class Deleting:
    """Answers delete and deletecollection."""

    def __init__(
        self, config: Config, store: Store, reads: Reads, admission: Admission, allocation: Allocation
    ) -> None:
        self._config = config
        self._store = store
        self._reads = reads
        self._admission = admission
        self._allocation = allocation

    async def delete(self, call: Call) -> web.StreamResponse:
        """DELETE of one object: 200 with a Status (or the object), 202 never: what lingers is shown by the object."""
        options = await self._options(call)
        left, gone = await self.remove(call, options)
        strategy = strategies.of(call.resource.kind)
        if not gone or strategy.returns_deleted:
            return answers.raw(left.body())
        kind, metadata = call.resource.kind, left.load()["metadata"]
        details = {"name": metadata["name"], "group": kind.group, "kind": kind.plural, "uid": metadata.get("uid", "")}
        body = answers.success({key: value for key, value in details.items() if value})
        return answers.json(body)

    async def collection(self, call: Call) -> web.StreamResponse:
        """DELETE of all objects that match."""
        options = await self._options(call)
        wanted = selecting.predicate(call.resource, call.info.namespace, call.query)
        listing = await self._reads.listing(call, wanted)
        items = []
        for entry in listing.entries:
            info = replace(call.info, namespace=entry.namespace, name=entry.name)
            try:
                left, _ = await self.remove(replace(call, info=info), options)
            except errors.NotFound:
                continue
            items.append(left.load())
        kind = call.resource.kind
        metadata = {"resourceVersion": str(listing.revision)}
        return answers.json(
            {"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": metadata, "items": items}
        )

    async def remove(self, call: Call, options: DeleteOptions, *, admit: bool = True) -> tuple[Written, bool]:
        """Delete the object that a request names, or mark it as being deleted; what is left, and whether it is gone.

        `admit`: ask admission whether it may be deleted.
        """
        kind = call.resource.kind
        strategy = strategies.of(kind)
        key = call.key
        gone = False
        held: list[str] = []

        async def step(stored: Object) -> Object | None:
            nonlocal gone
            old = conversion.to_served(call.resource, stored)
            check_preconditions(call, old, options)
            if admit:
                attributes = Attributes(call, DELETE, old, old)
                await self._admission.mutate(attributes)
                await self._admission.validate(attributes)
            new = marked(strategy, old, options)
            gone = new is None
            held[:] = self._allocation.held(call.resource, old) if gone else []
            return None if new is None else conversion.to_stored(call.resource, new)

        if call.dry_run:
            return await self._rehearse(call, key, step)
        stored = await self._store.update(key, written.known(call.resource, key), step)
        if stored is None:
            raise errors.not_found(call.target)
        await self._allocation.release(held, stored.revision)
        return Written(call.resource, stored), gone

    async def _rehearse(self, call: Call, key: str, step: Any) -> tuple[Written, bool]:
        stored = await self._store.get(key)
        if stored is None:
            raise errors.not_found(call.target)
        new = await step(stored.load())
        return Written(call.resource, conversion.to_served(call.resource, new or stored.load())), new is None

    async def _options(self, call: Call) -> DeleteOptions:
        body = await bodies.read(call.http, self._config.max_body_bytes)
        data: Object = {}
        if body:
            data = await bodies.parse(body, bodies.media_type(call.http), wanted="DeleteOptions")
            if not isinstance(data, dict):
                raise errors.BadRequest("the body of a delete must be DeleteOptions")
            version = {"apiVersion": "v1", "kind": "DeleteOptions", **data}
            fieldcheck.check_types(call, version, _OPTIONS)
        return options(data, call)


def options(data: Object, call: Call) -> DeleteOptions:
    """DeleteOptions from a body or from query parameters. Raises BadRequest, Invalid."""
    query = call.query
    grace = data.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
    orphan = data.get("orphanDependents", query.get("orphanDependents"))
    policy = data.get("propagationPolicy") or query.get("propagationPolicy") or ""
    writeoptions.check_delete(data, policy, orphan)
    if orphan is not None:
        policy = "Orphan" if orphan is True or (isinstance(orphan, str) and truth(orphan)) else "Background"
    preconditions = data.get("preconditions") or {}
    if data.get("dryRun") and not call.dry_run:
        call.force_dry_run()
    return DeleteOptions(
        grace=listoptions.number(grace) if isinstance(grace, str) else grace,
        propagation=policy,
        uid=preconditions.get("uid") or "",
        version=preconditions.get("resourceVersion") or "",
    )


def check_preconditions(call: Call, obj: Object, wanted: DeleteOptions) -> None:
    """Preconditions of the delete (BeforeDelete, which names the kind, not the resource). Raises Conflict."""
    metadata, kind = obj["metadata"], call.resource.kind
    target = errors.Target(group=kind.group, kind=kind.kind, name=metadata["name"])
    for what, asked, present, hint in (
        ("UID", wanted.uid, metadata.get("uid"), "deleted and then recreated"),
        ("ResourceVersion", wanted.version, metadata.get("resourceVersion"), "modified"),
    ):
        if asked and asked != present:
            differ = f"the {what} in the precondition ({asked}) does not match the {what} in record ({present})"
            raise errors.conflict(target, f"{differ}. The object might have been {hint}")


def marked(strategy: Strategy, obj: Object, wanted: DeleteOptions) -> Object | None:
    """The object as it waits for its end, or None when nothing keeps it.

    What ends gracefully already may only be told to hurry (BeforeDelete in registry/rest/delete.go).
    """
    strategy.prepare_delete(obj)
    metadata = obj["metadata"]
    pending = metadata.get("deletionGracePeriodSeconds")
    if pending and (wanted.grace is None or wanted.grace >= pending):
        return obj
    finalizers = [item for item in metadata.get("finalizers") or () if item not in (FOREGROUND, ORPHAN)]
    kept = [item for item in metadata.get("finalizers") or () if item in (FOREGROUND, ORPHAN)]
    if wanted.propagation == "Orphan":
        kept = [ORPHAN]
    elif wanted.propagation == "Foreground":
        kept = [FOREGROUND]
    elif wanted.propagation == "Background":
        kept = []
    metadata["finalizers"] = [*finalizers, *kept]
    if not metadata["finalizers"]:
        del metadata["finalizers"]
    waiting = bool(strategy.finalizers(obj))
    grace = strategy.grace(obj, wanted.grace)
    if not waiting and not grace:
        return None
    _stamp(strategy, obj, grace or 0)
    return obj


def _stamp(strategy: Strategy, obj: Object, grace: int) -> None:
    """Write when the object is to go; a later delete may only bring that forward, and counts from the first one."""
    metadata = obj["metadata"]
    previous = metadata.get("deletionGracePeriodSeconds")
    if metadata.get("deletionTimestamp"):
        if previous is None or grace >= previous:
            return
        asked = times.parse(metadata["deletionTimestamp"]) - dt.timedelta(seconds=min(previous, _FAR))
    else:
        strategy.mark_deleted(obj)
        asked = times.now()
    end = asked + dt.timedelta(seconds=min(grace, _FAR))
    metadata["deletionTimestamp"] = times.rfc3339(end)
    metadata["deletionGracePeriodSeconds"] = grace
