"""Flow schemas and priority levels that mean nothing are refused (pkg/apis/flowcontrol/validation)."""

from typing import Any

import pytest

from tricenter.apimachinery import defaults, kinds, validation

_API = "flowcontrol.apiserver.k8s.io"
_RESOURCES = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}
_USER = {"kind": "User", "user": {"name": "joe"}}


def obj(kind: str, spec: dict[str, Any], name: str = "x") -> dict[str, Any]:
    return {"apiVersion": f"{_API}/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def schema(name: str = "x", **spec: Any) -> dict[str, Any]:
    rules = [{"subjects": [_USER], "resourceRules": [_RESOURCES]}]
    whole = {"priorityLevelConfiguration": {"name": "y"}, "matchingPrecedence": 500, "rules": rules}
    return obj("FlowSchema", {**whole, **spec}, name)


def rule(**parts: Any) -> dict[str, Any]:
    return {"rules": [{"subjects": [_USER], "resourceRules": [_RESOURCES], **parts}]}


def level(name: str = "x", **spec: Any) -> dict[str, Any]:
    return obj("PriorityLevelConfiguration", spec, name)


def limited(**parts: Any) -> dict[str, Any]:
    return level(type="Limited", limited={"limitResponse": {"type": "Reject"}, **parts})


def queue(**parts: int) -> dict[str, Any]:
    return limited(limitResponse={"type": "Queue", "queuing": parts})


def said(new: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
    kind = kinds.by_kind(_API, "v1", new["kind"])
    assert kind is not None
    defaults.apply(kind, new)
    if old is None:
        found = validation.validate_create(kind, new)
    else:
        defaults.apply(kind, old)
        found = validation.validate_update(kind, old, new)
    return [f"{problem.path}: {problem.message}" for problem in found]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"matchingPrecedence": -1}, "spec.matchingPrecedence: Invalid value: -1: must be a positive value"),
        ({"matchingPrecedence": 10001}, "must not be greater than 10000"),
        ({"matchingPrecedence": 1}, "only the schema named 'exempt' may have matchingPrecedence 1"),
        ({"distinguisherMethod": {"type": "X"}}, 'spec.distinguisherMethod.type: Unsupported value: "X"'),
        ({"priorityLevelConfiguration": {"name": ""}}, "Required value: must reference a priority level"),
        (rule(subjects=[]), "spec.rules[0].subjects: Required value: subjects must contain at least one value"),
        (rule(resourceRules=[]), "at least one of resourceRules and nonResourceRules has to be non-empty"),
        (rule(subjects=[{"kind": "X"}]), "spec.rules[0].subjects[0].kind: Unsupported value"),
        (rule(subjects=[{"kind": "Group"}]), "group is required when subject kind is 'Group'"),
        (rule(subjects=[{**_USER, "group": {"name": "a"}}]), "group is forbidden when subject kind is not 'Group'"),
        (
            rule(subjects=[{"kind": "ServiceAccount", "serviceAccount": {"name": "*"}}]),
            "Required value: must specify namespace for service account",
        ),
        (rule(resourceRules=[{**_RESOURCES, "verbs": ["fly"]}]), "resourceRules[0].verbs: Unsupported value"),
        (rule(resourceRules=[{**_RESOURCES, "apiGroups": []}]), "must supply at least one api group"),
        (
            rule(resourceRules=[{**_RESOURCES, "namespaces": []}]),
            "that are not cluster scoped must supply at least one",
        ),
        (rule(resourceRules=[{**_RESOURCES, "resources": ["*", "a"]}]), "must not specify other resources"),
        (rule(nonResourceRules=[{"verbs": ["get"], "nonResourceURLs": ["x"]}]), "must start with slash"),
        (
            rule(nonResourceRules=[{"verbs": ["get"], "nonResourceURLs": ["/a*"]}]),
            "wildcard can only do suffix matching",
        ),
    ],
)
def test_schemas(spec: dict[str, Any], expected: str) -> None:
    (problem,) = said(schema(**spec))
    assert expected in problem


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (level(type="X"), 'spec.type: Unsupported value: "X": supported values: "Exempt", "Limited"'),
        (level(type="Exempt"), "type must be 'Exempt' if and only if name is 'exempt'"),
        (level(type="Limited"), "spec.limited: Required value: must not be empty when type is Limited"),
        (limited(nominalConcurrencyShares=-1), "must be a non-negative integer"),
        (limited(lendablePercent=101), "spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100"),
        (limited(borrowingLimitPercent=-1), "if specified, must be a non-negative integer"),
        (limited(limitResponse={"type": "Queue"}), "must not be empty if limited.limitResponse.type is Limited"),
        (
            queue(queues=2, handSize=3),
            "spec.limited.limitResponse.queuing.handSize: Invalid value: 3: should not be greater",
        ),
        (queue(queues=1000, handSize=7), "required entropy bits of deckSize 1000 and handSize 7 should not be greater"),
    ],
)
def test_levels(given: dict[str, Any], expected: str) -> None:
    (problem,) = said(given)
    assert expected in problem


def test_what_means_something_is_taken() -> None:
    assert said(schema(matchingPrecedence=0)) == [], "nothing said is 1000"
    assert said(queue(queues=64, handSize=6)) == []
    assert said(limited(nominalConcurrencyShares=0)) == []
    assert said(queue()) == [], "nothing said is 64 queues"
    assert said(queue(queues=0, handSize=0, queueLengthLimit=0)) == [], "nor does a 0 say anything"


def test_what_every_cluster_has_stays_as_it_is() -> None:
    last = schema("catch-all", matchingPrecedence=10000)
    (problem,) = said(schema("catch-all", matchingPrecedence=9999), last)
    assert problem.endswith("spec of 'catch-all' must equal the fixed value")
    exempt = level("exempt", type="Exempt", exempt={})
    assert said(level("exempt", type="Exempt", exempt={"nominalConcurrencyShares": 5}), exempt) == []
