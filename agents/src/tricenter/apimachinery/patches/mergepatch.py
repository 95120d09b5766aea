"""JSON merge patch (RFC 7396)."""

from typing import Any


def merge_patch(doc: Any, patch: Any) -> Any:
    """`doc` with `patch` merged into it: null removes a member, objects merge, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(doc) if isinstance(doc, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result
