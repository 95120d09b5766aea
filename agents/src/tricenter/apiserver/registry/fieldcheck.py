"""Objects that are not as their kind says: unknown fields (KEP-2885, server-side field validation), wrong types."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import orjson

from tricenter.apimachinery import fielderrors, schema
from tricenter.apimachinery.fielderrors import FieldError
from tricenter.apimachinery.schema import golang
from tricenter.apiserver import errors
from tricenter.apiserver.rest import bodies, duplicates, writeoptions
from tricenter.apiserver.rest.call import Call


def check(call: Call, obj: dict[str, Any], members: AbstractSet[str] | None = None) -> None:
    """Refuse or warn of unknown fields, as the request wants it, then drop them. Raises BadRequest.

    `members`: what of the object is to be looked at, None for everything. Custom resources are always looked at as a
    whole, because their schema may have changed since they were stored.
    """
    kind = call.resource.kind
    if members is None or kind.structural is not None:
        _clean(call, obj)
        return
    part = {key: obj[key] for key in members if key in obj}
    _clean(call, part)
    for key in members:
        if key in part:
            obj[key] = part[key]
        else:
            obj.pop(key, None)


def _clean(call: Call, obj: dict[str, Any]) -> None:
    unknown = schema.prune(call.resource.kind, obj)
    if unknown and _level(call) != "Ignore":
        _complain(call, orjson.dumps(obj), [f'unknown field "{path}"' for path in unknown])


def check_duplicates(call: Call, body: bytes, data: Any, known: Sequence[str] = ()) -> None:
    """Refuse or warn of members that a body names twice, as the request wants it. Raises BadRequest.

    `known`: what has been found in YAML.
    """
    if _level(call) != "Ignore":
        _complain(call, body, [*known] or duplicates.find(body, data))


def refuse(call: Call, obj: dict[str, Any], problems: Sequence[FieldError]) -> None:
    """Raise what is wrong with an object: Invalid; for a built-in kind with a wrong type what a decoder says of it."""
    if not problems:
        return
    kind = call.resource.kind
    if kind.structural is None:
        _refuse_mistyped(call, obj, kind.definition)
    raise errors.invalid(
        errors.Target(group=kind.group, kind=kind.kind, name=obj["metadata"].get("name", "")), problems
    )


def check_types(call: Call, obj: dict[str, Any], definition: str) -> None:
    """Refuse an object of a built-in type with a value that cannot be decoded. Raises BadRequest."""
    if not schema.fits(definition, obj):
        _refuse_mistyped(call, obj, definition)


def _refuse_mistyped(call: Call, obj: dict[str, Any], definition: str) -> None:
    if why := schema.mismatch(definition, obj, converted=_merges(call)):
        version = str(obj.get("apiVersion", "")).rpartition("/")[2]
        raise _undecodable(call, obj.get("kind", ""), version, orjson.dumps(obj), why)


def _undecodable(call: Call, name: str, version: str, shown: bytes, why: str) -> errors.StatusError:
    """A body that cannot be decoded is 400, a patch that leads there is 422 (endpoints/handlers/{rest,patch}.go)."""
    if call.info.verb == "patch" and bodies.media_type(call.http) != writeoptions.APPLY:
        text = (
            golang.shown(bodies.parse_json(bodies.received(call.http)))
            if _merges(call)
            else shown.decode(errors="replace")
        )
        return errors.invalid(errors.Target(), [fielderrors.invalid("patch", text, why)])
    return errors.BadRequest(f'{name} in version "{version}" cannot be handled as a {name}: {why}')


def _merges(call: Call) -> bool:
    """Whether a request is a strategic merge: what it leads to is converted, and the patch is shown, not the object."""
    return call.info.verb == "patch" and bodies.media_type(call.http) == bodies.STRATEGIC


def _level(call: Call) -> str:
    return call.query.get("fieldValidation", "") or "Warn"


def _complain(call: Call, shown: bytes, problems: list[str]) -> None:
    if problems and _level(call) == "Strict":
        kind, why = call.resource.kind, f"strict decoding error: {', '.join(problems)}"
        raise _undecodable(call, kind.kind, kind.version, shown, why)
    for text in problems:
        call.warn(text)
