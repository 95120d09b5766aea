"""Metrics of admission, under upstream's names (admission/metrics, plugin/policy/validating/metrics)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from tricenter.runtime import metrics

_BUCKETS = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5)
_WEBHOOK_BUCKETS = (*_BUCKETS, 10, 25)
_POLICY_BUCKETS = (0.0000005, 0.001, 0.01, 0.1, 1.0)
_MOST_CODES = 600
_PREFIX = "apiserver_admission_"
ADMIT, VALIDATE = "admit", "validate"
CALL_FAILED, INTERNAL, REFUSED = "calling_webhook_error", "apiserver_internal_error", "no_error"


class AdmissionMetrics:
    """Counts what plugins and what others decide about requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["name", "type", "operation", "rejected"]
        self._steps = _seconds(registry, "step_admission", "Time of all plugins.", labels[1:], _BUCKETS)
        self._controllers = _seconds(registry, "controller_admission", "Time of a plugin.", labels, _BUCKETS)
        self._seconds = _seconds(registry, "webhook_admission", "Time of a webhook.", labels, _WEBHOOK_BUCKETS)
        self._requests = metrics.Counter(
            f"{_PREFIX}webhook_request_total", "Calls of admission webhooks.", [*labels, "code"], registry=registry
        )
        # Upstream's names of these two counters have no `_total`, which the library would add to those of its own.
        self._rejections = metrics.Gauge(
            f"{_PREFIX}webhook_rejection_count",
            "Requests that webhooks, or their failures, refused.",
            ["name", "type", "operation", "error_type", "rejection_code"],
            registry=registry,
        )
        self._open = metrics.Gauge(
            f"{_PREFIX}webhook_fail_open_count",
            "Failed calls that were passed over.",
            ["name", "type"],
            registry=registry,
        )
        checks = ["policy", "policy_binding", "error_type", "enforcement_action"]
        self._policies = metrics.Counter(
            "apiserver_validating_admission_policy_check_total", "Evaluations of policies.", checks, registry=registry
        )
        self._policy_seconds = metrics.Histogram(
            "apiserver_validating_admission_policy_check_duration_seconds",
            "Time of an evaluation of a policy.",
            checks,
            buckets=_POLICY_BUCKETS,
            registry=registry,
        )

    def step(self, kind: str, operation: str, *, rejected: bool) -> metrics.Histogram:
        """Where the time of all plugins goes."""
        return self._steps.labels(kind, operation, str(rejected).lower())

    def controller(self, name: str, kind: str, operation: str, *, rejected: bool) -> metrics.Histogram:
        """Where the time of a plugin goes."""
        return self._controllers.labels(name, kind, operation, str(rejected).lower())

    def called(self, name: str, *, mutating: bool, operation: str, code: int, why: str, seconds: float) -> None:
        """Note one call of a webhook; `why` it ended the request, if it did, as upstream names it."""
        kind, rejected, code = _type(mutating=mutating), str(bool(why)).lower(), min(code, _MOST_CODES)
        self._requests.labels(name, kind, operation, rejected, str(code)).inc()
        self._seconds.labels(name, kind, operation, rejected).observe(seconds)
        if why:
            self._rejections.labels(name, kind, operation, why, str(code)).inc()

    def failed_open(self, name: str, *, mutating: bool) -> None:
        """Note a call that failed and was passed over."""
        self._open.labels(name, _type(mutating=mutating)).inc()

    def checked(self, policy: str, binding: str, action: str, seconds: float) -> None:
        """Note one evaluation of a policy, and what was done about it."""
        labels = (policy, binding, "no_error", action.lower())
        self._policies.labels(*labels).inc()
        self._policy_seconds.labels(*labels).observe(seconds)


def _seconds(
    registry: CollectorRegistry, name: str, text: str, labels: list[str], buckets: tuple[float, ...]
) -> metrics.Histogram:
    return metrics.Histogram(f"{_PREFIX}{name}_duration_seconds", text, labels, buckets=buckets, registry=registry)


def _type(*, mutating: bool) -> str:
    return ADMIT if mutating else "validating"
