"""Growing pauses between restarts of a container that keeps ending (upstream's flowcontrol.Backoff)."""

from collections.abc import Hashable
from dataclasses import dataclass

FIRST_SECONDS = 10.0
LONGEST_SECONDS = 300.0


@dataclass
class _Entry:
    delay: float
    updated: float


class Backoff:
    """Delays by key: none the first time, then 10 s doubling to 5 min; forgotten after 10 good minutes."""

    def __init__(self, *, first: float = FIRST_SECONDS, longest: float = LONGEST_SECONDS) -> None:
        self._first, self._longest = first, longest
        self._entries: dict[Hashable, _Entry] = {}

    def remaining(self, key: Hashable, *, since: float, now: float) -> float:
        """Seconds still to wait after an end (or failure) at `since`; 0 to go ahead."""
        entry = self._entries.get(key)
        if entry is None or self._expired(entry, since):
            return 0.0
        return max(0.0, since + entry.delay - now)

    def advance(self, key: Hashable, *, since: float) -> None:
        """Note that another attempt is made after an end at `since`."""
        entry = self._entries.get(key)
        if entry is None or self._expired(entry, since):
            self._entries[key] = _Entry(self._first, since)
        else:
            entry.delay, entry.updated = min(entry.delay * 2, self._longest), since

    def delay(self, key: Hashable) -> float:
        """The present delay, for messages."""
        entry = self._entries.get(key)
        return entry.delay if entry else 0.0

    def forget(self, key: Hashable) -> None:
        """Start over: it worked, or its owner is gone."""
        self._entries.pop(key, None)

    def _expired(self, entry: _Entry, since: float) -> bool:
        return since - entry.updated > 2 * self._longest
