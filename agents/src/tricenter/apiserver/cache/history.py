"""What happened to a resource lately, so that a watch can resume from a revision that the client has seen."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from tricenter.apiserver.cache.entry import Entry

ADDED, MODIFIED, DELETED, BOOKMARK, ERROR = "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"


class Change:
    """One write as etcd reported it; `current` is None for a delete, `previous` for a creation.

    `encoded` keeps the watch events made of it, so that every watcher of the same form shares one encoding.
    """

    __slots__ = ("current", "encoded", "previous", "revision")

    def __init__(self, revision: int, previous: Entry | None, current: Entry | None) -> None:
        self.revision = revision
        self.previous = previous
        self.current = current
        self.encoded: dict[tuple[str, str], bytes] = {}


class History:
    """The last changes in order; everything after `floor` is there."""

    def __init__(self, floor: int, limit: int) -> None:
        self.floor = floor
        self._changes: deque[Change] = deque()
        self._limit = limit

    def __len__(self) -> int:
        return len(self._changes)

    def append(self, change: Change) -> None:
        """Remember a change, forget the oldest one when there are too many."""
        self._changes.append(change)
        if len(self._changes) > self._limit:
            self.floor = self._changes.popleft().revision

    def since(self, revision: int) -> Iterator[Change]:
        """Changes after `revision`, oldest first. The caller has checked `revision >= floor`."""
        newest: list[Change] = []
        for change in reversed(self._changes):
            if change.revision <= revision:
                break
            newest.append(change)
        return reversed(newest)
