"""Objects that are not as their kind says: unknown fields (KEP-2885, server-side field validation), wrong types."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import orjson

from tricenter.apimachinery import fielderrors, schema
from tricenter.apimachinery.fielderrors import FieldError
from tricenter.apiserver import errors
from tricenter.apiserver.rest import duplicates
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
    level = _level(call)
    unknown = schema.prune(call.resource.kind, obj)
    if level != "Ignore":
        _complain(call, [f'unknown field "{path}"' for path in unknown])


def check_duplicates(call: Call, body: bytes, data: Any, known: Sequence[str] = ()) -> None:
    """Refuse or warn of members that a body names twice, as the request wants it. Raises BadRequest.

    `known`: what has been found in YAML.
    """
    if _level(call) != "Ignore":
        _complain(call, [*known] or duplicates.find(body, data))


def refuse(call: Call, obj: dict[str, Any], problems: Sequence[FieldError]) -> None:
    """Raise what is wrong with an object: Invalid; for a built-in kind with a wrong type what a decoder says of it."""
    if not problems:
        return
    kind = call.resource.kind
    if kind.structural is None:
        refuse_mistyped(call, obj, kind.definition)
    raise errors.invalid(
        errors.Target(group=kind.group, kind=kind.kind, name=obj["metadata"].get("name", "")), problems
    )


def refuse_mistyped(call: Call, obj: dict[str, Any], definition: str) -> None:
    """Refuse an object of a built-in type with a value that cannot be decoded. Raises BadRequest, Invalid.

    A body with such a value is 400 upstream; a patch that leads to one is 422 (endpoints/handlers/{rest,patch}.go).
    """
    why = schema.mismatch(definition, obj)
    if not why:
        return
    if call.info.verb == "patch":
        raise errors.invalid(errors.Target(), [fielderrors.invalid("patch", orjson.dumps(obj).decode(), why)])
    name, version = obj.get("kind", ""), str(obj.get("apiVersion", "")).rpartition("/")[2]
    raise errors.BadRequest(f'{name} in version "{version}" cannot be handled as a {name}: {why}')


def _level(call: Call) -> str:
    return call.query.get("fieldValidation", "") or "Warn"


def _complain(call: Call, problems: list[str]) -> None:
    if problems and _level(call) == "Strict":
        kind = call.resource.kind
        what = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}'
        raise errors.BadRequest(f"{what}: strict decoding error: {', '.join(problems)}")
    for text in problems:
        call.warn(text)
