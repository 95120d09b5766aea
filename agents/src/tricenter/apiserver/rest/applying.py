"""Server-side apply (KEP-555): what an apply may say, and the object it leads to.

After apiserver pkg/endpoints/handlers/patch.go (applyPatcher) and apimachinery pkg/util/managedfields.
"""

from __future__ import annotations

from typing import Any

from tricenter.apimachinery import copies, managedfields, times
from tricenter.apiserver import errors
from tricenter.apiserver.requestinfo import truth
from tricenter.apiserver.rest import bodies
from tricenter.apiserver.rest.call import Call
from tricenter.apiserver.rest.changes import MISTYPED, bare, check_types

Object = dict[str, Any]


def check(call: Call, applied: Any) -> Object:
    """The body of an apply, if it is one. Raises BadRequest."""
    wanted = call.resource.kind.api_version
    given = applied.get("apiVersion") if isinstance(applied, dict) else wanted
    if given != wanted and isinstance(given, str | None):
        text = f"Specified patch version: {given or ''}, expected: {wanted}"
        raise errors.BadRequest(f"Incorrect version specified in apply patch. {text}")
    obj = bodies.as_object(applied, call.resource)
    metadata = obj["metadata"]
    if metadata.get("managedFields") is not None:
        raise errors.BadRequest("metadata.managedFields must be nil")
    if metadata.setdefault("name", call.info.name) != call.info.name:
        text = f"the name of the object ({metadata['name']}) does not match the name on the URL ({call.info.name})"
        raise errors.BadRequest(text)
    return obj


def merged(call: Call, live: Object | None, applied: Object) -> Object:
    """What is there (None: nothing) with the apply merged in. Raises Conflict, Unworded."""
    try:
        return managedfields.apply(
            copies.deep(live),
            copies.deep(applied),
            kind=call.resource.kind,
            manager=call.manager,
            force=truth(call.query.get("force")),
            subresource=call.info.subresource,
            now=times.now(),
        )
    except managedfields.ApplyConflict as error:
        raise errors.Conflict(str(error), errors.Target(), error.causes) from error
    except managedfields.TypedError as error:
        raise errors.Unworded(f"failed to create typed patch object ({_named(call, applied)}): {error}") from error
    except MISTYPED:
        check_types(call, applied)
        raise


def made(call: Call, applied: Object) -> Object:
    """The object that an apply creates. Raises NotFound, Conflict, Unworded."""
    if call.info.subresource:
        raise errors.not_found(call.target)
    new = merged(call, None, applied)
    if uid := applied["metadata"].get("uid"):
        why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        raise errors.conflict(call.target, why)
    return new


def unchanged(old: Object, new: Object) -> bool:
    """Whether an apply leaves everything as it was but for the times in the record of owners."""
    return _timeless(old) == _timeless(new) and bare(old) == bare(new)


def _timeless(obj: Object) -> list[Object]:
    return [{**entry, "time": ""} for entry in obj["metadata"].get("managedFields") or ()]


def _named(call: Call, obj: Object) -> str:
    """`default/web; apps/v1, Kind=Deployment`, as upstream names what is applied."""
    kind, metadata = call.resource.kind, obj["metadata"]
    where = f"{metadata.get('namespace') or ''}/{metadata['name']}"
    return f"{where}; {kind.group}/{kind.version}, Kind={kind.kind}"
