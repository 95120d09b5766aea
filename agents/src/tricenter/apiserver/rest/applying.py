"""Server-side apply (KEP-555): what an apply may say, and the object it leads to.

After apiserver pkg/endpoints/handlers/patch.go (applyPatcher) and apimachinery pkg/util/managedfields.
"""

from __future__ import annotations

from typing import Any

from tricenter.apimachinery import copies, managedfields, times
from tricenter.apimachinery.kinds import Kind
from tricenter.apimachinery.managedfields import replicas
from tricenter.apiserver import errors
from tricenter.apiserver.requestinfo import truth
from tricenter.apiserver.rest import bodies, scaling
from tricenter.apiserver.rest.call import Call
from tricenter.apiserver.rest.changes import MISTYPED, bare, check_types

Object = dict[str, Any]


def check(call: Call, applied: Any, kind: Kind) -> Object:
    """The body of an apply, if it is one of that kind. Raises BadRequest."""
    wanted = kind.api_version
    given = applied.get("apiVersion") if isinstance(applied, dict) else wanted
    if given != wanted and isinstance(given, str | None):
        text = f"Specified patch version: {given or ''}, expected: {wanted}"
        raise errors.BadRequest(f"Incorrect version specified in apply patch. {text}")
    obj = bodies.of_kind(applied, kind)
    metadata = obj["metadata"]
    if metadata.get("managedFields") is not None:
        raise errors.BadRequest("metadata.managedFields must be nil")
    if metadata.setdefault("name", call.info.name) != call.info.name:
        text = f"the name of the object ({metadata['name']}) does not match the name on the URL ({call.info.name})"
        raise errors.BadRequest(text)
    return obj


def merged(call: Call, live: Object | None, applied: Object, kind: Kind) -> Object:
    """What is there (None: nothing) with the apply merged in. Raises Conflict, Unworded."""
    try:
        return managedfields.apply(
            copies.deep(live),
            copies.deep(applied),
            kind=kind,
            manager=call.manager,
            force=truth(call.query.get("force")),
            subresource=call.info.subresource,
            now=times.now(),
        )
    except managedfields.ApplyConflict as error:
        raise errors.Conflict(str(error), errors.Target(), error.causes) from error
    except managedfields.TypedError as error:
        raise errors.Unworded(f"failed to create typed patch object ({_named(kind, applied)}): {error}") from error
    except MISTYPED:
        check_types(call, applied)
        raise


def made(call: Call, applied: Object) -> Object:
    """The object that an apply creates. Raises NotFound, Conflict, Unworded."""
    if call.info.subresource:
        raise errors.not_found(call.target)
    new = merged(call, None, applied, call.resource.kind)
    if uid := applied["metadata"].get("uid"):
        why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        raise errors.conflict(call.target, why)
    return new


def scale(call: Call, old: Object, applied: Object) -> Object:
    """A workload with the apply of a Scale merged in. Raises Conflict, Invalid, Unworded."""
    kind, owners = call.resource.kind, old["metadata"].get("managedFields")
    path = scaling.replicas_path(kind)
    live = scaling.of(kind, old)
    live["metadata"]["managedFields"] = replicas.in_scale(owners, path)
    new = merged(call, live, applied, replicas.SCALE)
    obj = scaling.scaled(kind, copies.deep(old), new, call.target)
    known = new["metadata"].get("managedFields")
    obj["metadata"]["managedFields"] = replicas.in_parent(owners, known, path, kind.api_version)
    return obj


def unchanged(old: Object, new: Object) -> bool:
    """Whether an apply leaves everything as it was but for the times in the record of owners."""
    return _timeless(old) == _timeless(new) and bare(old) == bare(new)


def _timeless(obj: Object) -> list[Object]:
    return [{**entry, "time": ""} for entry in obj["metadata"].get("managedFields") or ()]


def _named(kind: Kind, obj: Object) -> str:
    """`default/web; apps/v1, Kind=Deployment`, as upstream names what is applied."""
    metadata = obj["metadata"]
    where = f"{metadata.get('namespace') or ''}/{metadata['name']}"
    return f"{where}; {kind.group}/{kind.version}, Kind={kind.kind}"
