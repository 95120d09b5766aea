"""One object in the watch cache: its encoded bytes and what selectors ask for, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from tricenter.apiserver.cache import selectable
from tricenter.apiserver.storage import encoding

Coerce = Callable[[dict[str, Any]], dict[str, Any]]
"""Makes an object as clients see it of a stored one; None where the two are the same."""

_NOTHING: Mapping[str, str] = {}


class Entry:
    """An object at a revision; immutable. `body` is its JSON as clients get it."""

    __slots__ = ("body", "fields", "key", "labels", "name", "namespace", "revision")

    def __init__(  # the members of a record
        self,
        *,
        key: str,
        revision: int,
        body: bytes,
        namespace: str,
        name: str,
        labels: Mapping[str, str],
        fields: Mapping[str, str],
    ) -> None:
        self.key = key
        self.revision = revision
        self.body = body
        self.namespace = namespace
        self.name = name
        self.labels = labels
        self.fields = fields

    def load(self) -> dict[str, Any]:
        """A fresh decoded copy of the object."""
        obj: dict[str, Any] = orjson.loads(self.body)
        return obj

    def stored(self) -> bytes:
        """The value as it is in etcd."""
        return encoding.stored(self.body)

    def at(self, revision: int) -> bytes:
        """The same object stamped with another revision, as DELETED events need it."""
        return self.body if revision == self.revision else encoding.restamped(self.body, revision)


def make(key: str, stored: bytes, revision: int, extract: selectable.Extract, coerce: Coerce | None = None) -> Entry:
    """The entry of a stored value. Raises ValueError, TypeError for a value that is no object."""
    obj = orjson.loads(stored)
    encoding.check(obj)
    if coerce is not None:
        obj = coerce(obj)
        if obj != orjson.loads(stored):
            stored = encoding.dump(obj)
    metadata = obj.get("metadata") or {}
    return Entry(
        key=key,
        revision=revision,
        body=encoding.served(stored, revision),
        namespace=metadata.get("namespace") or "",
        name=metadata.get("name") or "",
        labels=metadata.get("labels") or _NOTHING,
        fields=extract(obj),
    )
