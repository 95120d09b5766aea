"""Fields that a kind does not have (KEP-2885, server-side field validation)."""

from __future__ import annotations

from typing import Any

from tricenter.apimachinery import schema
from tricenter.apiserver import errors
from tricenter.apiserver.rest.call import Call

_LEVELS = ("Ignore", "Warn", "Strict")


def check(call: Call, obj: dict[str, Any]) -> None:
    """Refuse or warn of unknown fields, as the request wants it, then drop them. Raises BadRequest."""
    level = call.query.get("fieldValidation", "") or "Warn"
    if level not in _LEVELS:
        raise errors.BadRequest(
            f'fieldValidation: Unsupported value: "{level}": supported values: "Ignore", "Strict", "Warn"'
        )
    kind = call.resource.kind
    if level != "Ignore":
        unknown = [f'unknown field "{path}"' for path in schema.unknown_fields(kind, obj)]
        if unknown and level == "Strict":
            what = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}'
            raise errors.BadRequest(f"{what}: strict decoding error: {', '.join(unknown)}")
        for text in unknown:
            call.warn(text)
    schema.prune(kind, obj)
