"""JSON patch (RFC 6902) over JSON pointers (RFC 6901)."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from tricenter.apimachinery import copies
from tricenter.apimachinery.patches.errors import PatchError, PatchTestFailed

MAX_OPERATIONS = 10_000
"""Upstream's bound on the operations of one patch."""

MAX_COPIED = 3 << 20
"""Upstream's bound on the bytes that all copies of one patch add (JSONPatchMaxCopyBytes): each may double a list."""

_INDEX = re.compile(r"0|[1-9][0-9]{0,17}")
_VALUE_OPERATIONS = {"add", "replace", "test"}


def json_patch(doc: Any, ops: Sequence[Mapping[str, Any]]) -> Any:
    """`doc` with all operations applied in order, or PatchError and no effect at all."""
    if not isinstance(ops, list | tuple):
        raise PatchError("a JSON patch is a list of operations")
    if len(ops) > MAX_OPERATIONS:
        raise PatchError(f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(ops)}")
    result, copied = copies.deep(doc), 0
    for operation in ops:
        if isinstance(operation, Mapping) and operation.get("op") == "copy":
            result, size = _copy(result, operation)
            copied += size
            if copied > MAX_COPIED:
                text = f"the accumulated size increase of copy is {copied}, exceeding the limit {MAX_COPIED}"
                raise PatchError(f"Unable to complete the copy, {text}")
        else:
            result = _apply(result, operation)
    return result


def _copy(doc: Any, operation: Mapping[str, Any]) -> tuple[Any, int]:
    """The document after a copy, and the size of what was copied."""
    try:
        encoded = orjson.dumps(_get(doc, _pointer(operation, "from")))
    except orjson.JSONEncodeError as error:
        raise PatchError("the document is nested too deeply") from error
    return _add(doc, _pointer(operation, "path"), orjson.loads(encoded)), len(encoded)


def _apply(doc: Any, operation: Mapping[str, Any]) -> Any:
    if not isinstance(operation, Mapping):
        raise PatchError("an operation of a JSON patch is an object")
    name, path = str(operation.get("op")), _pointer(operation, "path")
    if name in _VALUE_OPERATIONS:
        if "value" not in operation:
            raise PatchError(f"{name} operation needs a value: {operation.get('path')}")
        return _apply_value(doc, name, path, copies.deep(operation["value"]))
    if name == "remove":
        return _remove(doc, path)[0]
    if name == "move":
        origin = _pointer(operation, "from")
        if path[: len(origin)] == origin and path != origin:
            raise PatchError("a value cannot be moved into itself")
        doc, value = _remove(doc, origin)
        return _add(doc, path, value)
    raise PatchError(f"unexpected kind: {name}")


def _apply_value(doc: Any, name: str, path: list[str], value: Any) -> Any:
    if name == "add":
        return _add(doc, path, value)
    found = _get(doc, path)
    if name == "test":
        if not _equal(found, value):
            raise PatchTestFailed(f"testing value {_show(path)} failed")
        return doc
    if not path:
        return value
    parent = _get(doc, path[:-1])
    parent[path[-1] if isinstance(parent, dict) else int(path[-1])] = value
    return doc


def _equal(left: Any, right: Any) -> bool:
    """JSON equality: unlike Python's, true is not 1."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _pointer(operation: Mapping[str, Any], member: str) -> list[str]:
    text = operation.get(member)
    if not isinstance(text, str):
        raise PatchError(f"operation has no {member}: {dict(operation)!r}")
    if not text:
        return []
    if text[0] != "/":
        raise PatchError(f"{member} is no JSON pointer: {text!r}")
    return [part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/")]


def _show(path: list[str]) -> str:
    return "/" + "/".join(path)


def _get(doc: Any, path: list[str]) -> Any:
    for part in path:
        if isinstance(doc, dict) and part in doc:
            doc = doc[part]
        elif isinstance(doc, list) and _INDEX.fullmatch(part) and int(part) < len(doc):
            doc = doc[int(part)]
        else:
            raise PatchError(f"path not found: {_show(path)}")
    return doc


def _add(doc: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = _get(doc, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list) and last == "-":
        parent.append(value)
    elif isinstance(parent, list) and _INDEX.fullmatch(last) and int(last) <= len(parent):
        parent.insert(int(last), value)
    else:
        raise PatchError(f"cannot add at {_show(path)}")
    return doc


def _remove(doc: Any, path: list[str]) -> tuple[Any, Any]:
    if not path:
        return None, doc
    value = _get(doc, path)
    parent = _get(doc, path[:-1])
    if isinstance(parent, dict):
        del parent[path[-1]]
    else:
        del parent[int(path[-1])]
    return doc, value
