"""Defaults of kinds that say who may do what: RBAC, quotas, priorities, admission, API extension."""

import base64

from tricenter.apimachinery.defaults.fields import Object, each, optional, put, put_all, section

RBAC_GROUP = "rbac.authorization.k8s.io"
NAME_LABEL = "kubernetes.io/metadata.name"


def namespace(obj: Object) -> None:
    """v1 Namespace: the phase, and the label that lets selectors name it."""
    put(section(obj, "status"), "phase", "Active")
    if name := section(obj, "metadata").get("name"):
        section(obj["metadata"], "labels")[NAME_LABEL] = name


def node(obj: Object) -> None:
    """v1 Node."""
    status = optional(obj, "status")
    if status and status.get("capacity") and not status.get("allocatable"):
        status["allocatable"] = dict(status["capacity"])


def secret(obj: Object) -> None:
    """v1 Secret: `stringData` is write-only and lands in `data`."""
    put(obj, "type", "Opaque")
    if not isinstance(obj.get("stringData", {}), dict):
        return  # for validation to refuse
    for key, value in obj.pop("stringData", {}).items():
        section(obj, "data")[key] = base64.b64encode(str(value).encode()).decode()


def limit_range(obj: Object) -> None:
    """v1 LimitRange: limits default to the maximum, requests to the limits, then to the minimum."""
    for item in each(optional(obj, "spec"), "limits"):
        if item.get("type") != "Container":
            continue
        limits, requests = dict(item.get("default") or {}), dict(item.get("defaultRequest") or {})
        for resource, value in (item.get("max") or {}).items():
            limits.setdefault(resource, value)
        for resource, value in (limits | (item.get("min") or {}) | limits).items():
            requests.setdefault(resource, value)
        if limits:
            item["default"] = limits
        if requests:
            item["defaultRequest"] = requests


def binding(obj: Object) -> None:
    """RoleBinding and ClusterRoleBinding."""
    if reference := optional(obj, "roleRef"):
        put(reference, "apiGroup", RBAC_GROUP)
    for subject in each(obj, "subjects"):
        if subject.get("kind") in {"User", "Group"}:
            put(subject, "apiGroup", RBAC_GROUP)


def priority_class(obj: Object) -> None:
    """scheduling.k8s.io/v1 PriorityClass."""
    put(obj, "preemptionPolicy", "PreemptLowerPriority")


def webhooks(obj: Object) -> None:
    """MutatingWebhookConfiguration and ValidatingWebhookConfiguration."""
    for webhook in each(obj, "webhooks"):
        put_all(webhook, {"failurePolicy": "Fail", "matchPolicy": "Equivalent", "timeoutSeconds": 10})
        section(webhook, "namespaceSelector")
        section(webhook, "objectSelector")
        if obj.get("kind") == "MutatingWebhookConfiguration":
            put(webhook, "reinvocationPolicy", "Never")
        _rules(webhook, "rules")
        if service := optional(webhook, "clientConfig", "service"):
            put(service, "port", 443)


def admission_policy(obj: Object) -> None:
    """ValidatingAdmissionPolicy."""
    spec = section(obj, "spec")
    put(spec, "failurePolicy", "Fail")
    _match_resources(optional(spec, "matchConstraints"))


def admission_binding(obj: Object) -> None:
    """ValidatingAdmissionPolicyBinding."""
    _match_resources(optional(obj, "spec", "matchResources"))


def _match_resources(match: Object | None) -> None:
    if match is not None:
        put(match, "matchPolicy", "Equivalent")
        section(match, "namespaceSelector")
        section(match, "objectSelector")
        _rules(match, "resourceRules")
        _rules(match, "excludeResourceRules")


def _rules(obj: Object, key: str) -> None:
    for rule in each(obj, key):
        put(rule, "scope", "*")


def custom_resource_definition(obj: Object) -> None:
    """apiextensions.k8s.io/v1 CustomResourceDefinition."""
    spec = section(obj, "spec")
    if (names := optional(spec, "names")) and names.get("kind"):
        put_all(names, {"singular": str(names["kind"]).lower(), "listKind": f"{names['kind']}List"})
    put(section(spec, "conversion"), "strategy", "None")
    if service := optional(spec, "conversion", "webhook", "clientConfig", "service"):
        put(service, "port", 443)


def api_service(obj: Object) -> None:
    """apiregistration.k8s.io/v1 APIService."""
    if service := optional(obj, "spec", "service"):
        put(service, "port", 443)


def flow_schema(obj: Object) -> None:
    """flowcontrol.apiserver.k8s.io/v1 FlowSchema."""
    spec = section(obj, "spec")
    spec["matchingPrecedence"] = spec.get("matchingPrecedence") or 1000


def priority_level(obj: Object) -> None:
    """flowcontrol.apiserver.k8s.io/v1 PriorityLevelConfiguration."""
    spec = section(obj, "spec")
    if (exempt := optional(spec, "exempt")) is not None:
        put_all(exempt, {"nominalConcurrencyShares": 0, "lendablePercent": 0})
    limited = optional(spec, "limited")
    if limited is not None:
        put_all(limited, {"nominalConcurrencyShares": 30, "lendablePercent": 0})
        response = section(limited, "limitResponse")
        put(response, "type", "Reject")
        if (queuing := optional(response, "queuing")) is not None:
            for key in [key for key, value in queuing.items() if value == 0]:
                del queuing[key]  # Go cannot tell a 0 from nothing here
            put_all(queuing, {"queues": 64, "handSize": 8, "queueLengthLimit": 50})


def token_request(obj: Object) -> None:
    """authentication.k8s.io/v1 TokenRequest."""
    put(section(obj, "spec"), "expirationSeconds", 3600)
