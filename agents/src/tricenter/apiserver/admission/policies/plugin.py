"""The admission plugin that asks policies (plugin/policy/validating/dispatcher.go)."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import orjson

from tricenter.apiserver import errors
from tricenter.apiserver.admission import matching, requests
from tricenter.apiserver.admission.chain import Attributes, Plugin
from tricenter.apiserver.admission.instruments import AdmissionMetrics
from tricenter.apiserver.admission.matching import Matcher
from tricenter.apiserver.admission.policies import evaluation
from tricenter.apiserver.admission.policies.definitions import Binding, Definitions, Policy
from tricenter.apiserver.admission.policies.evaluation import Denial, Outcome
from tricenter.apiserver.admission.policies.parameters import ConfigurationError, Parameters
from tricenter.apiserver.admission.requests import View
from tricenter.apiserver.auth.authorize import Authorizer
from tricenter.apiserver.cache.freshness import Freshness
from tricenter.apiserver.resources import Resources

Object = dict[str, Any]

_FAILURES = "validation.policy.admission.k8s.io/validation_failure"
_MAX_FAILURES = 50
_CODES = {"Forbidden": 403, "Unauthorized": 401, "RequestEntityTooLarge": 413, "Invalid": 422}


@dataclass
class _Findings:
    """What all policies together have found."""

    denied: list[tuple[str, Denial]] = field(default_factory=list)
    """The message and the denial; the first is what the client hears."""
    failures: list[Object] = field(default_factory=list)
    annotations: dict[str, list[str]] = field(default_factory=dict)


class ValidatingPolicies(Plugin):
    """Evaluates every policy that is bound and matches."""

    title = "ValidatingAdmissionPolicy"

    def __init__(  # what policies may ask for
        self,
        resources: Resources,
        fresh: Freshness,
        matcher: Matcher,
        authorizer: Authorizer,
        instruments: AdmissionMetrics,
    ) -> None:
        self._definitions = Definitions(resources)
        self._parameters = Parameters(resources, fresh)
        self._matcher = matcher
        self._authorizer = authorizer
        self._instruments = instruments

    async def validate(self, attributes: Attributes) -> None:
        """Raises the refusal of the first policy that denies."""
        if matching.exempt(attributes):
            return
        findings = _Findings()
        for policy, bindings in self._definitions.in_force():
            resource = await self._matcher.match(policy.criteria, attributes)
            if resource is None:
                continue
            seen = requests.view(attributes, resource)
            for binding in bindings:
                await self._bound(policy, binding, seen, findings)
        _publish(findings, attributes)
        if findings.denied:
            message, denial = findings.denied[0]
            raise refusal(attributes, message, denial.reason)

    async def _bound(self, policy: Policy, binding: Binding, seen: View, findings: _Findings) -> None:
        """Evaluate a policy as one binding puts it into force."""
        attributes = seen.attributes
        within = binding.criteria
        if within is not None and await self._matcher.match(within, attributes, always=True) is None:
            return
        try:
            params = await self._parameters.collect(
                policy.param_kind, binding.param_ref, attributes.call.info.namespace
            )
        except ConfigurationError as error:
            if not policy.ignores_failure:
                denial = Denial(f"failed to configure binding: {error}")
                findings.denied.append((_text(policy, binding, denial), denial))
            return
        namespace = await self._namespace(attributes)
        for item in params:
            began = time.perf_counter()
            outcome = evaluation.evaluate(policy, seen, self._authorizer, params=item, namespaceObject=namespace)
            spent = time.perf_counter() - began
            for action in binding.actions * len(outcome.denials) or ("allow",):
                self._instruments.checked(policy.name, binding.name, action, spent)
            _weigh(policy, binding, outcome, attributes, findings)

    async def _namespace(self, attributes: Attributes) -> Object | None:
        name = attributes.call.info.namespace
        if not name or attributes.resource == ("", "namespaces"):
            return None
        obj = (await self._matcher.namespace(name)).load()
        obj["metadata"].pop("managedFields", None)
        return obj


def _weigh(policy: Policy, binding: Binding, outcome: Outcome, attributes: Attributes, findings: _Findings) -> None:
    """What the actions of a binding make of what a policy says."""
    for denial in outcome.denials:
        if "Deny" in binding.actions:
            findings.denied.append((_text(policy, binding, denial), denial))
        if "Audit" in binding.actions:
            findings.failures.append(
                {
                    "message": denial.message,
                    "policy": binding.policy,
                    "binding": binding.name,
                    "expressionIndex": denial.index,
                    "validationActions": list(binding.actions),
                }
            )
        if "Warn" in binding.actions:
            what = f"Validation failed for ValidatingAdmissionPolicy '{policy.name}' with binding '{binding.name}'"
            attributes.call.warn(f"{what}: {denial.message}")
    for text in outcome.annotation_errors:
        findings.denied.append((_text(policy, binding, Denial(text)), Denial(text)))
    for key, value in outcome.annotations.items():
        known = findings.annotations.setdefault(f"{policy.name}/{key}", [])
        if value not in known:
            known.append(value)


def _text(policy: Policy, binding: Binding, denial: Denial) -> str:
    who = f"ValidatingAdmissionPolicy '{policy.name}' with binding '{binding.name}'"
    return f"{who} denied request: {denial.message}"


def _publish(findings: _Findings, attributes: Attributes) -> None:
    for key, values in findings.annotations.items():
        attributes.call.annotate(key, ", ".join(values))
    if findings.failures:
        attributes.call.annotate(_FAILURES, orjson.dumps(findings.failures[:_MAX_FAILURES]).decode())


def refusal(attributes: Attributes, message: str, reason: str) -> errors.StatusError:
    """A Forbidden with the reason and code that the validation asks for."""
    error = errors.forbidden(attributes.target, message)
    details = {**attributes.target.details(), "causes": [{"message": message}]}
    code = _CODES.get(reason, _CODES["Invalid"])
    return errors.given(
        {"status": "Failure", "message": error.message, "reason": reason, "details": details, "code": code}
    )
