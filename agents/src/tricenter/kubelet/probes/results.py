"""What probes know about containers, and when a series of answers becomes a verdict (core/v1 Probe)."""

from dataclasses import dataclass
from typing import Any, Literal

Object = dict[str, Any]
Kind = Literal["startup", "readiness", "liveness"]

KINDS: tuple[Kind, ...] = ("startup", "readiness", "liveness")
FIELDS: dict[Kind, str] = {"startup": "startupProbe", "readiness": "readinessProbe", "liveness": "livenessProbe"}


@dataclass
class Verdict:
    """The verdict of one probe of one container; it changes after enough equal answers in a row."""

    success_threshold: int
    failure_threshold: int
    ok: bool
    """Before the first answer: a container counts as alive, not as ready, not as started."""
    run: int = 0
    last: bool | None = None

    def answer(self, good: bool) -> bool:
        """Take an answer; returns whether the verdict was changed or confirmed anew as a failure."""
        self.run = self.run + 1 if good == self.last else 1
        self.last = good
        threshold = self.success_threshold if good else self.failure_threshold
        if self.run < threshold or good == self.ok:
            # a failing verdict that is confirmed must be told again: the first time may have come too early
            return not good and not self.ok and self.run >= threshold
        self.ok = good
        return True


def initial(probe: Object, kind: Kind) -> Verdict:
    """The verdict before any answer."""
    return Verdict(
        success_threshold=probe.get("successThreshold") or 1,
        failure_threshold=probe.get("failureThreshold") or 3,
        ok=kind == "liveness",
    )
