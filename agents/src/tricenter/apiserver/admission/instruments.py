"""Metrics of admission, under upstream's names (admission/metrics, plugin/policy/validating/metrics)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from tricenter.apiserver.tallies import Cell, Spread, Tally

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
        self._steps = Spread(
            registry, f"{_PREFIX}step_admission_duration_seconds", "Time of all plugins.", labels[1:], _BUCKETS
        )
        self._controllers = Spread(
            registry, f"{_PREFIX}controller_admission_duration_seconds", "Time of a plugin.", labels, _BUCKETS
        )
        self._seconds = Spread(
            registry, f"{_PREFIX}webhook_admission_duration_seconds", "Time of a webhook.", labels, _WEBHOOK_BUCKETS
        )
        self._requests = Tally(
            registry, f"{_PREFIX}webhook_request_total", "Calls of admission webhooks.", [*labels, "code"]
        )
        self._rejections = Tally(
            registry,
            f"{_PREFIX}webhook_rejection_count",
            "Requests that webhooks, or their failures, refused.",
            ["name", "type", "operation", "error_type", "rejection_code"],
        )
        self._open = Tally(
            registry, f"{_PREFIX}webhook_fail_open_count", "Failed calls that were passed over.", ["name", "type"]
        )
        checks = ["policy", "policy_binding", "error_type", "enforcement_action"]
        self._policies = Tally(
            registry, "apiserver_validating_admission_policy_check_total", "Evaluations of policies.", checks
        )
        self._policy_seconds = Spread(
            registry,
            "apiserver_validating_admission_policy_check_duration_seconds",
            "Time of an evaluation of a policy.",
            checks,
            _POLICY_BUCKETS,
        )

    def step(self, kind: str, operation: str, *, rejected: bool) -> Cell:
        """Where the time of all plugins goes."""
        return self._steps.cell((kind, operation, str(rejected).lower()))

    def controller(self, name: str, kind: str, operation: str, *, rejected: bool) -> Cell:
        """Where the time of a plugin goes."""
        return self._controllers.cell((name, kind, operation, str(rejected).lower()))

    def called(self, name: str, *, mutating: bool, operation: str, code: int, why: str, seconds: float) -> None:
        """Note one call of a webhook; `why` it ended the request, if it did, as upstream names it."""
        kind, rejected, code = _type(mutating=mutating), str(bool(why)).lower(), min(code, _MOST_CODES)
        self._requests.add((name, kind, operation, rejected, str(code)))
        self._seconds.observe((name, kind, operation, rejected), seconds)
        if why:
            self._rejections.add((name, kind, operation, why, str(code)))

    def failed_open(self, name: str, *, mutating: bool) -> None:
        """Note a call that failed and was passed over."""
        self._open.add((name, _type(mutating=mutating)))

    def checked(self, policy: str, binding: str, action: str, seconds: float) -> None:
        """Note one evaluation of a policy, and what was done about it."""
        labels = (policy, binding, "no_error", action.lower())
        self._policies.add(labels)
        self._policy_seconds.observe(labels, seconds)


def _type(*, mutating: bool) -> str:
    return ADMIT if mutating else "validating"
