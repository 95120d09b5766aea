"""What a controller has done but not yet seen in its informer (client-go's controller expectations).

Without them a controller that looks again before its own writes have come back would write them twice.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable
from typing import Any

from tricenter.client import Informer
from tricenter.client.informer import key_of

Object = dict[str, Any]

PATIENCE_SECONDS = 300.0
"""After that an expectation is given up: an event may have been lost between two lists."""


@dataclasses.dataclass
class _Expected:
    creations: int = 0
    deletions: set[str] = dataclasses.field(default_factory=set)
    since: float = 0.0


class Expectations:
    """Per key: how many creations and which deletions are still to be seen."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._expected: dict[str, _Expected] = {}

    def expect(self, key: str, *, creations: int = 0, deletions: Iterable[str] = ()) -> None:
        """The controller is about to do this."""
        self._expected[key] = _Expected(creations, set(deletions), self._clock())

    def created(self, key: str, number: int = 1) -> None:
        """Seen, or given up because the request failed."""
        expected = self._expected.get(key)
        if expected is not None:
            expected.creations -= number

    def deleted(self, key: str, uid: str) -> None:
        """Seen, or given up because the request failed."""
        expected = self._expected.get(key)
        if expected is not None:
            expected.deletions.discard(uid)

    def met(self, key: str) -> bool:
        """Whether the informer shows all that was done."""
        expected = self._expected.get(key)
        if expected is None or (expected.creations <= 0 and not expected.deletions):
            return True
        return self._clock() - expected.since > PATIENCE_SECONDS

    def forget(self, key: str) -> None:
        """The object is gone."""
        self._expected.pop(key, None)


class Written:
    """The objects of an informer, in their place what was written of them since (client-go's MutationCache).

    For controllers that decide by what they have noted in a status: an older one would have them do it twice.
    """

    def __init__(self, informer: Informer) -> None:
        self._informer = informer
        self._newer: dict[str, Object] = {}
        informer.add_handler(self._seen)

    def get(self, key: str) -> Object | None:
        """The newest state of an object; None when the informer does not show it."""
        seen = self._informer.store.get(key)
        return self._newer.get(key, seen) if seen is not None else None

    def note(self, obj: Object) -> None:
        """Remember what the server has answered to a write, until the informer shows it."""
        seen = self._informer.store.get(key_of(obj))
        if seen is not None and _same(obj, seen) and _revision(obj) > _revision(seen):
            self._newer[key_of(obj)] = obj

    def _seen(self, event: str, _old: Object | None, new: Object) -> None:
        written = self._newer.get(key_of(new))
        if written is None:
            return
        if event == "DELETED" or not _same(written, new) or _revision(written) <= _revision(new):
            del self._newer[key_of(new)]


def _same(one: Object, other: Object) -> bool:
    return bool(one["metadata"]["uid"] == other["metadata"]["uid"])


def _revision(obj: Object) -> int:
    """Comparable since KEP-5504; etcd's."""
    return int(obj["metadata"]["resourceVersion"])
