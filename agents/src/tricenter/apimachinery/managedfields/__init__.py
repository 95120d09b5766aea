"""Who owns which field: server-side apply and the tracking of all other writes (KEP-555).

Both functions take and return whole objects; the returned one carries `metadata.managedFields`. Defaulting comes after
apply: what nobody set nobody owns.
"""

import json
from datetime import datetime
from typing import Any

from tricenter.apimachinery import conversion, kinds, schema, times
from tricenter.apimachinery.managedfields import declared, entries, fieldset, lastapplied, typed
from tricenter.apimachinery.managedfields.conflicts import ApplyConflict, Conflict
from tricenter.apimachinery.managedfields.entries import APPLY, UPDATE, Entry, Managers
from tricenter.apimachinery.managedfields.fieldset import Node
from tricenter.apimachinery.managedfields.typed import Comparison, TypedError
from tricenter.apimachinery.records import Kind
from tricenter.apimachinery.schema import Type

__all__ = ["APPLY", "UPDATE", "ApplyConflict", "Conflict", "TypedError", "apply", "update"]

Object = dict[str, Any]
BEFORE_FIRST_APPLY = "before-first-apply"
_KUBECTL = "kubectl"
_OF_STATUS = ("status", "approval")
"""Subresources that write the status."""
_SYSTEM_METADATA = {
    "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields",
    "resourceVersion",
}  # fmt: skip


def update(
    old: Object | None,
    new: Object,
    *,
    kind: Kind,
    manager: str,
    now: datetime,
    operation: str = UPDATE,
    subresource: str = "",
) -> Object:
    """`new` with ownership after a create (`old` is None), update or patch by `manager`."""
    given = _readable(new["metadata"].get("managedFields"), old or {})
    live = entries.decode((old or {}).get("metadata", {}).get("managedFields"))
    before = live
    if not subresource:  # a subresource cannot change the list itself
        before = {} if entries.is_reset(given) else entries.decode(given) or live
    try:
        change = _compare(old or {}, new, kind)
    except TypedError:
        # Nobody can say who owns what; upstream takes the update and leaves the record as it was (UpdateNoErrors).
        return _finish(new, live, live)
    if subresource not in _OF_STATUS and kind.subresource("status") is not None:
        _without_status(change)
    managers = _disown(before, change, old or {}, new, kind)
    taken = fieldset.union(change.modified, change.added)
    if taken:
        entry = Entry(
            manager=manager, operation=operation, api_version=kind.api_version, subresource=subresource,
            time=times.rfc3339(now), fields=taken,
        )  # fmt: skip
        if known := before.get(entry.identity):
            kept = fieldset.difference(known.fields, change.removed)
            entry = entry.owning(fieldset.union(kept, taken))
        managers[entry.identity] = entry
    return _finish(new, managers, live)


def _readable(given: Any, old: Object) -> Any:
    """What a client says of owners; None where that is none, so that the old record holds (fieldmanager.go Update)."""
    if given is None or given == old.get("metadata", {}).get("managedFields"):
        return given
    sets = [item.get("fieldsV1") or {} for item in given if isinstance(item, dict)] if isinstance(given, list) else [0]
    return given if all(map(fieldset.is_set, sets)) else None


def apply(
    live: Object | None,
    applied: Object,
    *,
    kind: Kind,
    manager: str,
    force: bool,
    now: datetime,
    subresource: str = "",
) -> Object:
    """`applied` merged into `live` (None: there is no object yet) on behalf of `manager`.

    Fields that the manager applied before and no longer does are removed unless somebody else owns them. Raises
    ApplyConflict where a value differs from that of another manager and `force` is not set, TypedError for what is
    not as the kind's schema says: fields that it does not have, wrong types, lists whose elements lack their keys.
    """
    old = live or {}
    node = schema.of(kind).type
    declared.check(applied, node)
    config = _relevant(applied, kind, subresource)
    before = entries.decode(old.get("metadata", {}).get("managedFields"))
    managers = before or _first(old, kind, subresource)
    merged = typed.merge(old, config, node)
    entry = Entry(
        manager=manager, operation=APPLY, api_version=kind.api_version, subresource=subresource,
        time=times.rfc3339(now), fields=_owned(config, node),
    )  # fmt: skip
    last = managers.get(entry.identity)
    managers = {**managers, entry.identity: entry}
    if last is not None:
        merged = _prune(merged, last.fields, managers, node)
    change = _compare(old, merged, kind)
    others = {identity: found for identity, found in managers.items() if identity != entry.identity}
    if not force:
        # Only kubectl under its own name takes over what its client-side apply left (lastappliedmanager.go).
        allowed = _last_applied(old, kind) if manager == _KUBECTL else {}
        _check(others, change, old, merged, kind, allowed=allowed)
    managers = {**_disown(others, change, old, merged, kind), entry.identity: entry}
    if not entry.fields:
        del managers[entry.identity]
    if manager == _KUBECTL:
        merged = lastapplied.refresh(merged, applied)
    return _finish(merged, managers, before)


def _relevant(applied: Object, kind: Kind, subresource: str) -> Object:
    """What an apply through this endpoint may set: status belongs to its subresource alone."""
    metadata = {key: value for key, value in (applied.get("metadata") or {}).items() if key != "managedFields"}
    if subresource == "status":
        identity = {key: value for key, value in metadata.items() if key in {"name", "namespace"}}
        config: Object = {key: applied[key] for key in ("apiVersion", "kind", "status") if key in applied}
        return {**config, "metadata": identity}
    config = {**applied, "metadata": metadata}
    if kind.subresource("status") is not None:
        config.pop("status", None)
    return config


def _content(obj: Object) -> Object:
    """The object without what the system writes and nobody owns."""
    content = {key: value for key, value in obj.items() if key not in {"apiVersion", "kind", "metadata"}}
    metadata = {key: value for key, value in (obj.get("metadata") or {}).items() if key not in _SYSTEM_METADATA}
    return {**content, "metadata": metadata} if metadata else content


def _owned(obj: Object, node: Type) -> Node:
    return typed.field_set(_content(obj), node) or {}


def _compare(old: Object, new: Object, kind: Kind) -> Comparison:
    return typed.compare(_content(old), _content(new), schema.of(kind).type)


def _in_version(change: Comparison, old: Object, new: Object, kind: Kind, api_version: str) -> Comparison:
    """The same change seen in another version of the kind, where managers wrote in that version."""
    if api_version == kind.api_version:
        return change
    group, _, version = api_version.rpartition("/")
    other = kinds.by_kind(group, version, kind.kind)
    if other is None or not old:
        return change
    try:
        return _compare(conversion.convert(old, api_version), conversion.convert(new, api_version), other)
    except ValueError:
        return change


def _without_status(change: Comparison) -> None:
    """What the server itself puts into a status is nobody's (GetResetFields of each kind's strategy)."""
    for part in (change.added, change.modified, change.removed):
        part.pop("f:status", None)


def _disown(managers: Managers, change: Comparison, old: Object, new: Object, kind: Kind) -> Managers:
    """Managers without the fields that somebody else just changed, added or removed."""
    result: Managers = {}
    for identity, entry in managers.items():
        seen = _in_version(change, old, new, kind, entry.api_version)
        fields = entry.fields
        for part in (seen.modified, seen.added, seen.removed):
            fields = fieldset.difference(fields, part)
        if fields:
            result[identity] = entry if fields is entry.fields else entry.owning(fields)
    return result


def _check(managers: Managers, change: Comparison, old: Object, new: Object, kind: Kind, *, allowed: Node) -> None:
    """Raise ApplyConflict for fields of other managers whose values would change and that are not `allowed`."""
    found: list[Conflict] = []
    for entry in managers.values():
        seen = _in_version(change, old, new, kind, entry.api_version)
        taken = fieldset.intersection(entry.fields, fieldset.union(seen.modified, seen.added))
        taken = fieldset.difference(taken, allowed)
        found += (Conflict(entry.describe(), path) for path in fieldset.paths(taken))
    if found:
        raise ApplyConflict(found)


def _last_applied(live: Object, kind: Kind) -> Node:
    """Fields that client-side apply set and that still have its value: moving to server-side apply may take them."""
    text = ((live.get("metadata") or {}).get("annotations") or {}).get(lastapplied.LAST_APPLIED)
    if not isinstance(text, str):
        return {}
    try:
        applied = json.loads(text)
        node = schema.of(kind).type
        if not isinstance(applied, dict) or applied.get("apiVersion") != live.get("apiVersion"):
            return {}
        schema.prune(kind, applied)
        kept = typed.merge(_content(live), _content(applied), node)
        changed = typed.compare(_content(live), kept, node)
        return fieldset.difference(_owned(applied, node), fieldset.union(changed.modified, changed.added))
    except ValueError:
        return {}


def _first(old: Object, kind: Kind, subresource: str) -> Managers:
    """The managers of an object that nobody tracked: everything belongs to one made-up updater (skipnonapplied.go)."""
    change = _compare({}, old, kind)
    if subresource not in _OF_STATUS and kind.subresource("status") is not None:
        _without_status(change)
    fields = fieldset.union(change.modified, change.added)
    if not fields:
        return {}
    entry = Entry(manager=BEFORE_FIRST_APPLY, operation=UPDATE, api_version=kind.api_version, fields=fields)
    return {entry.identity: entry}


def _prune(merged: Object, last: Node, managers: Managers, node: Type) -> Object:
    """Remove what the applier owned before and nobody owns now."""
    owned: Node = {}
    for entry in managers.values():
        owned = fieldset.union(owned, entry.fields)
    gone = fieldset.difference(fieldset.prefixes(last), fieldset.prefixes(owned))
    result: Object = typed.remove(merged, node, gone, owned) or {}
    return result


def _finish(obj: Object, managers: Managers, before: Managers) -> Object:
    managers = entries.keep_times(entries.bound(managers), before)
    metadata = {key: value for key, value in (obj.get("metadata") or {}).items() if key != "managedFields"}
    if managers:
        metadata["managedFields"] = entries.encode(managers)
    return {**obj, "metadata": metadata}
