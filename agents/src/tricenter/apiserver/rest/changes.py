"""From what a client sends to what is stored: the steps that create, update, patch and subresources share.

The order is upstream's (endpoints/handlers/create.go, registry/rest/create.go, update.go): defaults, ownership of
fields, mutating admission, what the server sets, validation, validating admission. So nobody owns what admission adds,
and a mutating webhook sees a new object without uid, creation time and generated name.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from tricenter.apimachinery import defaults, fielderrors, managedfields, schema, times, validation
from tricenter.apiserver import errors
from tricenter.apiserver.admission.chain import CREATE, UPDATE, Admission, Attributes
from tricenter.apiserver.registry import fieldcheck, metadata, strategies
from tricenter.apiserver.rest.call import Call

Object = dict[str, Any]

MISTYPED = (AttributeError, TypeError, KeyError, IndexError, ValueError)
"""What code raises that meets values of other types than the kind has."""


class Changes:
    """Prepares objects for storage."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    async def admitted(
        self,
        call: Call,
        obj: Object,
        operation: str = CREATE,
        *,
        old: Object | None = None,
        complete: Callable[[], None] | None = None,
    ) -> None:
        """Let admission look at what is asked of a subresource and never stored as it is. Raises StatusError.

        `complete` is what the server adds to it, and refuses, before the plugins that only validate.
        """
        attributes = Attributes(call, operation, obj, old)
        await self._admission.mutate(attributes)
        if complete is not None:
            complete()
        await self._admission.validate(attributes)

    async def proposed(self, call: Call, obj: Object, *, managed: bool = True) -> Object:
        """A new object as admission leaves it; `managed`: note who owns its fields. Raises StatusError."""
        try:
            return await self._proposed(call, obj, managed=managed)
        except MISTYPED:
            check_types(call, obj)
            raise

    async def _proposed(self, call: Call, obj: Object, *, managed: bool) -> Object:
        kind = call.resource.kind
        fieldcheck.check(call, obj)
        metadata.set_namespace(obj, call.info.namespace, namespaced=kind.namespaced)
        metadata.wipe(obj)
        defaults.apply(kind, obj)
        if managed:
            obj = _owned(call, None, obj)
        attributes = Attributes(call, CREATE, obj, None)
        await self._admission.mutate(attributes)
        if attributes.round.wanted:
            schema.prune(kind, obj)  # a webhook may add what the kind does not have
        return obj

    async def completed(self, call: Call, obj: Object) -> Object:
        """What was proposed, ready to be stored. Raises StatusError."""
        try:
            return await self._completed(call, obj)
        except MISTYPED:
            check_types(call, obj)
            raise

    async def _completed(self, call: Call, obj: Object) -> Object:
        kind = call.resource.kind
        strategy = strategies.of(kind)
        metadata.fill(obj)
        metadata.generate_name(obj)
        if not obj["metadata"].get("name"):
            raise _nameless(call)
        strategy.prepare_create(obj)
        defaults.fill_status(kind, obj)
        strategy.complete_create(obj)
        fieldcheck.refuse(call, obj, validation.validate_create(kind, obj))
        await self._admission.validate(Attributes(call, CREATE, obj, None))
        _warn(call, None, obj)
        return obj

    async def updated(self, call: Call, old: Object, new: Object, *, managed: bool = True) -> Object:
        """An object after an update of the resource or one of its subresources. Raises StatusError."""
        try:
            return await self._updated(call, old, new, managed=managed)
        except MISTYPED:
            check_types(call, new)
            raise

    async def _updated(self, call: Call, old: Object, new: Object, *, managed: bool) -> Object:
        kind = call.resource.kind
        strategy = strategies.of(kind)
        touched = _touched(old, new)
        fieldcheck.check(call, new, touched)
        metadata.keep(old, new, call.target, call.key)
        subresource = call.info.subresource
        strategy.prepare_change(subresource, old, new)
        if kind.structural is not None or touched - {"metadata"}:
            defaults.apply(kind, new)
        same = managed and _equal(old, new) and not _redistributed(call, old, new)
        if same:
            new["metadata"] = {**bare(new)["metadata"], **_record(old)}
        elif managed:
            new = _owned(call, old, new)
        attributes = Attributes(call, UPDATE, new, old)
        await self._admission.mutate(attributes)
        if attributes.round.wanted:
            schema.prune(kind, new)
            # What a webhook has changed counts for the generation, and is none of its business in the status.
            strategy.prepare_change(subresource, old, new)
        # A Scale is a short way to write the object itself, so the object's own rules hold.
        rules = "" if subresource == "scale" else subresource
        fieldcheck.refuse(call, new, validation.validate_update(kind, old, new, subresource=rules))
        await self._admission.validate(attributes)
        _warn(call, old, new)
        return old if same and _equal(old, new) else new


def check_types(call: Call, obj: Object) -> None:
    """What stumbles over a wrong type before validation comes to it is the client's mistake, not ours.

    Upstream's decoder refuses such an object at once; to check every object twice for that would cost too much.
    Raises BadRequest, Invalid.
    """
    fieldcheck.refuse(call, obj, schema.validate(call.resource.kind, obj))


def _touched(old: Object, new: Object) -> set[str]:
    """The members of an object that an update changes; what it leaves was checked when it was written."""
    changed = {key for key, value in new.items() if key not in old or value != old[key]}
    return changed | (old.keys() - new.keys())


def _owned(call: Call, old: Object | None, new: Object) -> Object:
    """Note who changed which fields."""
    return managedfields.update(
        old,
        new,
        kind=call.resource.kind,
        manager=call.manager,
        now=times.now(),
        subresource=call.info.subresource,
    )


def _record(obj: Object) -> Object:
    """The record of who owns the fields of an object, as a part of its metadata."""
    return {key: value for key, value in obj["metadata"].items() if key == "managedFields"}


def _redistributed(call: Call, old: Object, new: Object) -> bool:
    """Whether the client gives the fields other owners, as kubectl does when it turns to server-side apply."""
    given = new["metadata"].get("managedFields")
    return not call.info.subresource and given is not None and given != old["metadata"].get("managedFields")


def _equal(old: Object, new: Object) -> bool:
    return bare(old) == bare(new)


def bare(obj: Object) -> Object:
    """An object without the record of who owns its fields."""
    plain = copy.copy(obj)
    plain["metadata"] = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    return plain


def _warn(call: Call, old: Object | None, new: Object) -> None:
    for text in strategies.of(call.resource.kind).warnings(old, new):
        call.warn(text)


def _nameless(call: Call) -> errors.StatusError:
    kind = call.resource.kind
    problem = fielderrors.required("metadata.name", "name or generateName is required")
    return errors.invalid(errors.Target(group=kind.group, kind=kind.kind), [problem])
