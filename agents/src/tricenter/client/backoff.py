"""Waiting longer after each failure, never in step with others."""

from __future__ import annotations

import random


class Backoff:
    """Delays that grow by `factor` from `first` to `limit` seconds, each varied by a fifth."""

    def __init__(self, *, first: float = 0.2, limit: float = 30.0, factor: float = 2.0) -> None:
        self._first, self._limit, self._factor = first, limit, factor
        self._failures = 0

    @property
    def failures(self) -> int:
        """Failures in a row."""
        return self._failures

    def next(self) -> float:
        """Seconds to wait after one more failure."""
        delay = delay_after(self._failures, first=self._first, limit=self._limit, factor=self._factor)
        self._failures += 1
        return delay

    def reset(self) -> None:
        """Forget the failures: it worked."""
        self._failures = 0


def delay_after(failures: int, *, first: float, limit: float, factor: float = 2.0) -> float:
    """The delay after `failures` earlier failures."""
    exponent = min(failures, 63)  # beyond, the limit holds anyway, and floats overflow
    return min(limit, first * factor**exponent) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter is no secret
