"""Rows of RBAC, certificate, admission, priority and API extension kinds."""

from datetime import datetime, timedelta
from typing import Any

from tricenter.apimachinery.tables import text
from tricenter.apimachinery.tables.text import NONE, UNSET, Object, Printer


def _binding(obj: Object, now: datetime) -> list[Any]:
    role = obj.get("roleRef") or {}
    found: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for subject in obj.get("subjects") or ():
        name, kind = subject.get("name", ""), subject.get("kind", "")
        if kind == "ServiceAccount" and subject.get("namespace"):
            name = f"{subject['namespace']}/{name}"
        found.setdefault(kind, []).append(name)
    subjects = (", ".join(found[kind]) for kind in ("User", "Group", "ServiceAccount"))
    return [f"{role.get('kind', '')}/{role.get('name', '')}", text.age(obj, now), *subjects]


def _signing_state(obj: Object) -> str:
    types = {item.get("type") for item in text.status(obj).get("conditions") or ()}
    state = "Denied" if "Denied" in types else "Approved" if "Approved" in types else "Pending"
    if "Failed" in types:
        state += ",Failed"
    return state + (",Issued" if text.status(obj).get("certificate") else "")


def _signing_request(obj: Object, now: datetime) -> list[Any]:
    spec = text.spec(obj)
    seconds = spec.get("expirationSeconds")
    return [
        text.age(obj, now),
        spec.get("signerName") or NONE,
        spec.get("username", ""),
        NONE if seconds is None else text.human(timedelta(seconds=seconds)),
        _signing_state(obj),
    ]


def _priority_class(obj: Object, now: datetime) -> list[Any]:
    return [
        obj.get("value", 0),
        bool(obj.get("globalDefault")),
        text.age(obj, now),
        obj.get("preemptionPolicy", ""),
    ]


def _runtime_class(obj: Object, now: datetime) -> list[Any]:
    return [obj.get("handler", ""), text.age(obj, now)]


def _webhooks(obj: Object, now: datetime) -> list[Any]:
    return [len(obj.get("webhooks") or ()), text.age(obj, now)]


def _admission_policy(obj: Object, now: datetime) -> list[Any]:
    spec = text.spec(obj)
    param = spec.get("paramKind")
    shown = f"{param.get('apiVersion', '')}/{param.get('kind', '')}" if param else UNSET
    return [len(spec.get("validations") or ()), shown, text.age(obj, now)]


def _admission_binding(obj: Object, now: datetime) -> list[Any]:
    spec = text.spec(obj)
    reference, shown = spec.get("paramRef") or {}, UNSET
    if reference.get("name"):
        shown = f"{reference.get('namespace') or '*'}/{reference['name']}"
    elif reference.get("selector") is not None:
        shown = text.selector(reference["selector"])
    return [spec.get("policyName", ""), shown, text.age(obj, now)]


def _flow_schema(obj: Object, now: datetime) -> list[Any]:
    spec = text.spec(obj)
    return [
        (spec.get("priorityLevelConfiguration") or {}).get("name", ""),
        spec.get("matchingPrecedence", 0),
        (spec.get("distinguisherMethod") or {}).get("type", NONE),
        text.age(obj, now),
        text.condition(obj, "Dangling") or "?",
    ]


def _priority_level(obj: Object, now: datetime) -> list[Any]:
    spec = text.spec(obj)
    limited = spec.get("limited") or {}
    queuing = (limited.get("limitResponse") or {}).get("queuing") or {}
    return [
        spec.get("type", ""),
        limited.get("nominalConcurrencyShares", NONE),
        *(queuing.get(key, NONE) for key in ("queues", "handSize", "queueLengthLimit")),
        text.age(obj, now),
    ]


def _api_service(obj: Object, now: datetime) -> list[Any]:
    service = text.spec(obj).get("service")
    shown = f"{service.get('namespace', '')}/{service.get('name', '')}" if service else "Local"
    available = "Unknown"
    for item in text.status(obj).get("conditions") or ():
        if item.get("type") == "Available":
            reason = item.get("reason")
            available = "True" if item.get("status") == "True" else f"{item.get('status')} ({reason})"
    return [shown, available, text.age(obj, now)]


_RBAC = "rbac.authorization.k8s.io"
_ADMISSION = "admissionregistration.k8s.io"
_FLOW = "flowcontrol.apiserver.k8s.io"
_BINDING = Printer("Role Age Users* Groups* ServiceAccounts*", _binding)
_WEBHOOKS = Printer("Webhooks# Age", _webhooks)

PRINTERS = {
    (_RBAC, "RoleBinding"): _BINDING,
    (_RBAC, "ClusterRoleBinding"): _BINDING,
    ("certificates.k8s.io", "CertificateSigningRequest"): Printer(
        "Age SignerName Requestor RequestedDuration Condition", _signing_request
    ),
    ("scheduling.k8s.io", "PriorityClass"): Printer("Value# Global-Default? Age PreemptionPolicy", _priority_class),
    ("node.k8s.io", "RuntimeClass"): Printer("Handler Age", _runtime_class),
    (_ADMISSION, "MutatingWebhookConfiguration"): _WEBHOOKS,
    (_ADMISSION, "ValidatingWebhookConfiguration"): _WEBHOOKS,
    (_ADMISSION, "ValidatingAdmissionPolicy"): Printer("Validations# ParamKind Age", _admission_policy),
    (_ADMISSION, "ValidatingAdmissionPolicyBinding"): Printer("PolicyName ParamRef Age", _admission_binding),
    (_FLOW, "FlowSchema"): Printer("PriorityLevel MatchingPrecedence DistinguisherMethod Age MissingPL", _flow_schema),
    (_FLOW, "PriorityLevelConfiguration"): Printer(
        "Type NominalConcurrencyShares Queues HandSize QueueLengthLimit Age", _priority_level
    ),
    ("apiregistration.k8s.io", "APIService"): Printer("Service Available Age", _api_service),
}
