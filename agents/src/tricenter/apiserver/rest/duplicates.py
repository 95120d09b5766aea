"""Members that a body names twice (KEP-2885): the last one would win, and the first one's author would wonder."""

from __future__ import annotations

import json
from typing import Any

import orjson


def find(body: bytes, data: Any) -> list[str]:
    """What upstream's strict decoder says of each, given the body and what it was decoded into; nothing of YAML."""
    # A member that is gone takes its colon along; so most bodies need not be looked at closely.
    if body.lstrip()[:1] not in (b"{", b"[") or orjson.dumps(data).count(b":") == body.count(b":"):
        return []
    try:
        return _in_json(json.loads(body, object_pairs_hook=_Pairs), "")
    except (ValueError, RecursionError):
        return []


class _Pairs(list[tuple[str, Any]]):
    """An object as it is written."""


def _in_json(value: Any, path: str) -> list[str]:
    found: list[str] = []
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for name, item in value:
            place = f"{path}.{name}" if path else name
            if name in seen:
                found.append(f'duplicate field "{place}"')
            seen.add(name)
            found += _in_json(item, place)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += _in_json(item, f"{path}[{index}]")
    return found
