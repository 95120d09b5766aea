"""create, update and patch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from aiohttp import web

from tricenter.apimachinery import copies, fielderrors
from tricenter.apiserver import errors
from tricenter.apiserver.auth.authorize import Authorizer, of_info
from tricenter.apiserver.config import Config
from tricenter.apiserver.negotiation import PROTOBUF
from tricenter.apiserver.registry import conversion, fieldcheck, strategies
from tricenter.apiserver.registry.allocation import Allocation
from tricenter.apiserver.registry.metadata import based_on
from tricenter.apiserver.rest import applying, bodies, patching, written
from tricenter.apiserver.rest.call import Call
from tricenter.apiserver.rest.changes import Changes
from tricenter.apiserver.rest.written import Written, answer
from tricenter.apiserver.storage.leases import Leases
from tricenter.apiserver.storage.store import Lost, Store

Object = dict[str, Any]
Change = Callable[[Object], Awaitable[Object]]

_GENERATED_ATTEMPTS = 8


class Writes:
    """Answers create, update and patch; `modify` is the loop that subresources use too."""

    def __init__(
        self,
        *,
        config: Config,
        store: Store,
        changes: Changes,
        allocation: Allocation,
        leases: Leases,
        authorizer: Authorizer,
    ) -> None:
        self._config = config
        self._store = store
        self.changes = changes
        self._allocation = allocation
        self._leases = leases
        self._authorizer = authorizer

    # --- create ---

    async def create(self, call: Call) -> web.StreamResponse:
        """POST."""
        body = await bodies.read(call.http, self._config.max_body_bytes)
        obj = await _decoded(call, body, bodies.media_type(call.http))
        return answer(call, await self.insert(call, obj), code=201)

    async def insert(self, call: Call, obj: Object, *, managed: bool = True) -> Written:
        """Store a new object. A generated name that is taken is generated again."""
        obj = await self.changes.proposed(call, obj, managed=managed)
        generated = not obj["metadata"].get("name")
        for attempt in range(_GENERATED_ATTEMPTS):
            new = await self.changes.completed(call, copies.deep(obj) if generated else obj)
            try:
                return await self._insert(call, new)
            except errors.AlreadyExists as error:
                if not generated:
                    raise
                if attempt == _GENERATED_ATTEMPTS - 1:
                    raise errors.no_free_name(call.resource.target(new["metadata"]["name"])) from error
        raise AssertionError("unreachable")

    async def _insert(self, call: Call, obj: Object) -> Written:
        name = obj["metadata"]["name"]
        target = call.resource.target(name)
        key = call.resource.key(call.info.namespace, name)
        if call.dry_run:
            if await self._store.get(key) is not None:
                raise errors.already_exists(target)
            await self._allocation.allocate(call.resource, obj, None, dry_run=True)
            return Written(call.resource, obj)
        taken = await self._allocation.allocate(call.resource, obj, None)
        try:
            stored = await self._store.create(
                key, conversion.to_stored(call.resource, obj), lease=await self._lease(call)
            )
        except Lost as lost:
            await self._allocation.undo(taken)
            raise errors.already_exists(target) from lost
        except errors.Uncertain:
            # What was allocated stays taken until it is found to be free.
            raise
        except errors.StatusError:
            await self._allocation.undo(taken)
            raise
        return Written(call.resource, stored)

    # --- update ---

    async def update(self, call: Call) -> web.StreamResponse:
        """PUT; it creates objects of the kinds whose strategy says so (registry/generic/registry/store.go)."""
        body = await bodies.read(call.http, self._config.max_body_bytes)
        obj = await _decoded(call, body, bodies.media_type(call.http))
        if not obj["metadata"].get("name"):
            text = f"the name of the object ({call.info.name} based on URL) was undeterminable: name must be provided"
            raise errors.BadRequest(text)
        strategy = strategies.of(call.resource.kind)

        async def change(old: Object) -> Object:
            if not strategy.unconditional and not based_on(obj["metadata"]):
                raise _unconditional(call, obj)
            return await self.changes.updated(call, old, copies.deep(obj))

        return await self._upsert(call, change, lambda: _put(call, obj))

    async def _upsert(
        self, call: Call, change: Change, make: Callable[[], Object], *, managed: bool = True
    ) -> web.StreamResponse:
        """Change the object that a request names, or create what `make` gives when there is none.

        Who creates in this way must be allowed to (withAuthorization in apiserver endpoints/handlers/update.go).
        """
        found = await self._modified(call, change)
        if found is None:
            new = make()
            self._authorizer.require(of_info(call.user, replace(call.info, verb="create")))
            try:
                return answer(call, await self.insert(call, new, managed=managed), code=201)
            except errors.AlreadyExists:
                found = await self.modify(call, change)
        return answer(call, found)

    async def modify(self, call: Call, change: Change) -> Written:
        """Change the object that a request names. Raises NotFound and what `change` raises."""
        found = await self._modified(call, change)
        if found is None:
            raise errors.not_found(call.target)
        return found

    async def _modified(self, call: Call, change: Change) -> Written | None:
        """The same, None when there is no such object.

        `change` leaves the object it is given as it is. An object that waits for its end goes with the update that
        removes its last finalizer, which is answered with the object as the update leaves it (deleteWithoutFinalizers).
        """
        strategy = strategies.of(call.resource.kind)
        key = call.key
        taken: list[str] = []
        released: list[str] = []
        ended: Object | None = None

        async def step(stored: Object) -> Object | None:
            nonlocal ended
            old = conversion.to_served(call.resource, stored)
            new = await change(old)
            ended = new if _finished(new, strategy.finalizers(new)) else None
            if ended is not None:
                released[:] = self._allocation.held(call.resource, old)
                return None
            await self._allocation.undo(taken)
            taken[:] = await self._allocation.allocate(call.resource, new, old)
            released[:] = self._allocation.dropped(call.resource, old, new)
            return conversion.to_stored(call.resource, new)

        if call.dry_run:
            return await self._rehearse(call, key, change)
        try:
            known = written.known(call.resource, key)
            stored = await self._store.update(key, known, step, lease=await self._lease(call))
        except errors.Uncertain:
            raise
        except errors.StatusError:
            await self._allocation.undo(taken)
            raise
        if stored is None:
            await self._allocation.undo(taken)
            return None
        await self._allocation.release(released, stored.revision)
        return Written(call.resource, stored if ended is None else ended)

    async def _rehearse(self, call: Call, key: str, change: Change) -> Written | None:
        stored = await self._store.get(key)
        if stored is None:
            return None
        old = conversion.to_served(call.resource, stored.load())
        new = await change(old)
        await self._allocation.allocate(call.resource, new, old, dry_run=True)
        return Written(call.resource, new)

    # --- patch ---

    async def patch(self, call: Call) -> web.StreamResponse:
        """PATCH in any of its four forms."""
        body = await bodies.read(call.http, self._config.max_body_bytes)
        kind, media = call.resource.kind, bodies.media_type(call.http)
        if media == patching.APPLY_PATCH:
            return await self._apply(call, body)
        if media not in patching.media(kind):
            raise patching.unsupported(kind)
        patch = patching.parse(call, body, media)

        async def change(old: Object) -> Object:
            new = patch(old)
            # Custom resources are pruned and defaulted as a whole, in place.
            new = copies.apart(new, old) if kind.structural is None else copies.deep(new)
            return await self.changes.updated(call, old, new)

        return answer(call, await self.modify(call, change))

    async def _apply(self, call: Call, body: bytes) -> web.StreamResponse:
        """Server-side apply; an object that does not exist is created."""
        kind = call.resource.kind
        applied = applying.check(call, await parsed(call, body, bodies.YAML), kind)

        async def change(old: Object) -> Object:
            new = await self.changes.updated(call, old, applying.merged(call, old, applied, kind), managed=False)
            return old if applying.unchanged(old, new) else new

        return await self._upsert(call, change, lambda: applying.made(call, applied), managed=False)

    async def _lease(self, call: Call) -> int:
        """Events expire; nothing else does."""
        return await self._leases.get() if call.resource.kind.plural == "events" else 0


def _unconditional(call: Call, obj: Object) -> errors.Invalid:
    """Some kinds take no update that does not say what it is based on (registry/generic/registry/store.go)."""
    message = "Invalid value: 0x0: must be specified for an update"
    problem = fielderrors.FieldError("metadata.resourceVersion", fielderrors.REASON_INVALID, message)
    kind = call.resource.kind
    target = errors.Target(group=kind.group, kind=kind.plural, name=obj["metadata"].get("name", call.info.name))
    return errors.invalid(target, [problem])


def _put(call: Call, obj: Object) -> Object:
    """The object that a PUT creates. Raises NotFound, Conflict."""
    metadata = obj["metadata"]
    if metadata.get("uid"):
        raise errors.other_uid(call.target, call.key, metadata["uid"], "")
    if call.info.subresource or not strategies.of(call.resource.kind).created_by_update:
        raise errors.not_found(call.target)
    new = copies.deep(obj)
    new["metadata"].pop("resourceVersion", None)
    return new


async def _decoded(call: Call, body: bytes, media: str) -> Object:
    """The object of a body. Raises BadRequest, UnsupportedMedia."""
    return bodies.as_object(await parsed(call, body, media), call.resource)


async def parsed(call: Call, body: bytes, media: str) -> Any:
    """What a body says, its repeated fields reported as the request wants it. Raises BadRequest, UnsupportedMedia."""
    repeated: list[str] = []
    kind = call.resource.kind
    wanted = "" if call.info.verb == "patch" else kind.kind
    data = await bodies.parse(body, media, repeated, wanted=wanted, protobuf=kind.structural is None)
    if media != PROTOBUF:
        fieldcheck.check_duplicates(call, body, data, repeated)
    return data


def _finished(obj: Object, finalizers: list[str]) -> bool:
    metadata = obj["metadata"]
    return bool(metadata.get("deletionTimestamp")) and not finalizers and not metadata.get("deletionGracePeriodSeconds")
