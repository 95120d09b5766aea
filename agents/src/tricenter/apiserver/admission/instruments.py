"""Metrics of webhooks and policies, under upstream's names (admission/metrics, plugin/policy/validating/metrics)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from tricenter.runtime import metrics

_BUCKETS = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10, 25)
_MOST_CODES = 600


class AdmissionMetrics:
    """Counts what others decide about requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["name", "type", "operation", "rejected"]
        self._requests = metrics.Counter(
            "apiserver_admission_webhook_request",
            "Calls of admission webhooks.",
            [*labels, "code"],
            registry=registry,
        )
        self._seconds = metrics.Histogram(
            "apiserver_admission_webhook_admission_duration_seconds",
            "Time that admission webhooks took.",
            labels,
            buckets=_BUCKETS,
            registry=registry,
        )
        self._policies = metrics.Counter(
            "apiserver_validating_admission_policy_check",
            "Validations that did not hold, by what was done about it.",
            ["policy", "policy_binding", "enforcement_action"],
            registry=registry,
        )

    def called(self, name: str, *, mutating: bool, operation: str, code: int, seconds: float) -> None:
        """Note one call of a webhook; a code from 400 is a refusal or a failure."""
        kind, rejected = "admit" if mutating else "validating", str(code >= 400).lower()
        self._requests.labels(name, kind, operation, rejected, str(min(code, _MOST_CODES))).inc()
        self._seconds.labels(name, kind, operation, rejected).observe(seconds)

    def checked(self, policy: str, binding: str, action: str) -> None:
        """Note one validation that did not hold."""
        self._policies.labels(policy, binding, action.lower()).inc()
