"""What a controller has done but not yet seen in its informer (client-go's controller expectations).

Without them a controller that looks again before its own writes have come back would write them twice.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable

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
