"""Objects as bytes: the stored form and the served form, without decoding on the way out.

Upstream stores an object without its resourceVersion, because that is the revision etcd gives it. We store JSON with
`apiVersion`, `kind` and `metadata` in front, so that the served form is the stored form with one member spliced in at
a place that a short search finds.
"""

from __future__ import annotations

from types import NoneType
from typing import Any

import orjson

_METADATA = b'"metadata":{'
_HEAD_LIMIT = 400
"""Where `"metadata":{` must begin at the latest: apiVersion and kind are all that may stand before it."""


def dump(obj: dict[str, Any]) -> bytes:
    """The stored form of an object: type and metadata first, no resourceVersion."""
    metadata = {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"}
    ordered = {"kind": obj["kind"], "apiVersion": obj["apiVersion"], "metadata": metadata}
    for key, value in obj.items():
        if key not in ordered:
            ordered[key] = value
    return orjson.dumps(ordered)


def served(stored: bytes, revision: int) -> bytes:
    """The served form: the stored bytes with metadata.resourceVersion."""
    head = stored.find(_METADATA, 0, _HEAD_LIMIT)
    if head < 0 or stored.count(b"{", 0, head) != 1:
        return _reencoded(stored, revision)
    start = head + len(_METADATA)
    comma = b"" if stored[start : start + 1] == b"}" else b","
    return b'%b"resourceVersion":"%d"%b%b' % (stored[:start], revision, comma, stored[start:])


def _reencoded(stored: bytes, revision: int) -> bytes:
    """The same for values that another writer has laid out differently."""
    obj = orjson.loads(stored)
    obj.setdefault("metadata", {})["resourceVersion"] = str(revision)
    return orjson.dumps(obj)


def load(stored: bytes, revision: int) -> dict[str, Any]:
    """The object of a stored value, with its resourceVersion. Raises ValueError, TypeError for what is no object."""
    obj: dict[str, Any] = orjson.loads(stored)
    check(obj)
    obj["metadata"]["resourceVersion"] = str(revision)
    return obj


_VERSION = b'"metadata":{"resourceVersion":"'


def restamped(body: bytes, revision: int) -> bytes:
    """A served form with another resourceVersion."""
    head = body.find(_VERSION, 0, _HEAD_LIMIT)
    if head < 0:
        return _reencoded(body, revision)
    start = head + len(_VERSION)
    return b"%b%d%b" % (body[:start], revision, body[body.index(b'"', start) :])


def stored(body: bytes) -> bytes:
    """A served form without its resourceVersion: the stored form it was made of."""
    head = body.find(_VERSION, 0, _HEAD_LIMIT)
    if head < 0:
        return dump(orjson.loads(body))
    end = body.index(b'"', head + len(_VERSION)) + 1
    if body[end : end + 1] == b",":
        end += 1
    return body[: head + len(_METADATA)] + body[end:]


def check(obj: Any) -> None:
    """That a value has the shape that every object has. Raises TypeError."""
    metadata = obj.get("metadata") if isinstance(obj, dict) else None
    if not isinstance(metadata, dict):
        raise TypeError("the value is no object with metadata")
    for member, kind in (("name", str), ("namespace", str), ("labels", dict), ("annotations", dict)):
        if not isinstance(metadata.get(member), (kind, NoneType)):
            raise TypeError(f"metadata.{member} is of another type")
