"""The priority levels and flow schemas of every cluster (apis/flowcontrol/bootstrap), and one for the site's agents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tricenter.apimachinery import times

Object = dict[str, Any]

GROUP = "flowcontrol.apiserver.k8s.io"
AUTOUPDATE = "apf.kubernetes.io/autoupdate-spec"
_ANNOTATIONS = {AUTOUPDATE: "true"}
_ALL_RESOURCES = {
    "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"],
}  # fmt: skip
_ALL_PATHS = {"verbs": ["*"], "nonResourceURLs": ["*"]}
_LEASES = {
    "verbs": ["get", "create", "update"], "apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
    "namespaces": ["*"],
}  # fmt: skip

# name: nominal shares, lendable percent, queues, hand size, queue length
_QUEUED = {
    "system": (30, 33, 64, 6, 50),
    "node-high": (40, 25, 64, 6, 50),
    "leader-election": (10, 0, 16, 4, 50),
    "workload-high": (40, 50, 128, 6, 50),
    "workload-low": (100, 90, 128, 6, 50),
    "global-default": (20, 50, 128, 6, 50),
}

_EVERYBODY = ("Group system:unauthenticated", "Group system:authenticated")


def all_objects() -> Iterator[tuple[str, str, Object]]:
    """Group, plural and object."""
    for level in levels():
        yield GROUP, "prioritylevelconfigurations", level
    for schema in schemas():
        yield GROUP, "flowschemas", schema


def levels() -> Iterator[Object]:
    """PriorityLevelConfigurations."""
    exempt = {"nominalConcurrencyShares": 0, "lendablePercent": 0}
    yield _object("PriorityLevelConfiguration", "exempt", {"type": "Exempt", "exempt": exempt})
    yield _limited("catch-all", 5, 0, {"type": "Reject"})
    for name, (shares, lendable, queues, hand, length) in _QUEUED.items():
        queuing = {"queues": queues, "handSize": hand, "queueLengthLimit": length}
        yield _limited(name, shares, lendable, {"type": "Queue", "queuing": queuing})


def schemas() -> Iterator[Object]:
    """FlowSchemas, in the order of their precedence."""
    everything = {"resourceRules": [_ALL_RESOURCES], "nonResourceRules": [_ALL_PATHS]}
    probes = {"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}
    nodes = [
        {"verbs": ["*"], "apiGroups": [""], "resources": ["nodes", "nodes/status"], "clusterScope": True,
         "namespaces": ["*"]},
        {"verbs": ["*"], "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "namespaces": ["*"]},
    ]  # fmt: skip
    managers = ("User system:kube-controller-manager", "User system:kube-scheduler")
    own = ("kube-proxy", "tricenter:dns", "tricenter:ingress", "tricenter:balancer")
    accounts = ("Group system:serviceaccounts",)
    system_accounts = ("ServiceAccount kube-system *",)
    yield _schema("exempt", "exempt", 1, "", _rule(("Group system:masters",), everything))
    yield _schema("probes", "exempt", 2, "", _rule(_EVERYBODY, {"nonResourceRules": [probes]}))
    elections = {"resourceRules": [_LEASES]}
    yield _schema(
        "system-leader-election", "leader-election", 100, "ByUser", _rule((*managers, *system_accounts), elections)
    )
    yield _schema("workload-leader-election", "leader-election", 200, "ByUser", _rule(accounts, elections))
    yield _schema(
        "system-node-high", "node-high", 400, "ByUser", _rule(("Group system:nodes",), {"resourceRules": nodes})
    )
    yield _schema("system-nodes", "system", 500, "ByUser", _rule(("Group system:nodes",), everything))
    yield _schema("kube-controller-manager", "workload-high", 800, "ByNamespace", _rule(managers[:1], everything))
    yield _schema("kube-scheduler", "workload-high", 800, "ByNamespace", _rule(managers[1:], everything))
    # Upstream leaves kube-proxy to global-default; on our nodes and directors traffic depends on these agents.
    agents = tuple(f"User system:{name}" for name in own)
    yield _schema("tricenter-agents", "workload-high", 850, "ByUser", _rule(agents, everything))
    yield _schema(
        "kube-system-service-accounts", "workload-high", 900, "ByNamespace", _rule(system_accounts, everything)
    )
    yield _schema("service-accounts", "workload-low", 9000, "ByUser", _rule(accounts, everything))
    yield _schema("global-default", "global-default", 9900, "ByUser", _rule(_EVERYBODY, everything))
    yield _schema("catch-all", "catch-all", 10000, "ByUser", _rule(_EVERYBODY, everything))


def schema_for_all() -> Object:
    """A schema that everybody's requests match."""
    everything = {"resourceRules": [_ALL_RESOURCES], "nonResourceRules": [_ALL_PATHS]}
    return _schema("catch-all", "catch-all", 10000, "ByUser", _rule(("User *",), everything))


def _object(kind: str, name: str, spec: Object) -> Object:
    metadata = {"name": name, "generation": 1, "annotations": _ANNOTATIONS}
    return {"kind": kind, "apiVersion": f"{GROUP}/v1", "metadata": metadata, "spec": spec, "status": {}}


def _limited(name: str, shares: int, lendable: int, response: Object) -> Object:
    limited = {"nominalConcurrencyShares": shares, "lendablePercent": lendable, "limitResponse": response}
    return _object("PriorityLevelConfiguration", name, {"type": "Limited", "limited": limited})


def _schema(name: str, level: str, precedence: int, distinguisher: str, rule: Object) -> Object:
    spec: Object = {
        "priorityLevelConfiguration": {"name": level},
        "matchingPrecedence": precedence,
        "rules": [rule],
    }
    if distinguisher:
        spec["distinguisherMethod"] = {"type": distinguisher}
    obj = _object("FlowSchema", name, spec)
    message = f'This FlowSchema references the PriorityLevelConfiguration object named "{level}" and it exists'
    found = {"type": "Dangling", "status": "False", "reason": "Found", "message": message}
    return {**obj, "status": {"conditions": [{**found, "lastTransitionTime": times.now_rfc3339()}]}}


def _rule(subjects: tuple[str, ...], rules: Object) -> Object:
    return {"subjects": [_subject(text) for text in subjects], **rules}


def _subject(text: str) -> Object:
    kind, *names = text.split()
    if kind == "ServiceAccount":
        return {"kind": kind, "serviceAccount": {"namespace": names[0], "name": names[1]}}
    return {"kind": kind, kind.lower(): {"name": names[0]}}
