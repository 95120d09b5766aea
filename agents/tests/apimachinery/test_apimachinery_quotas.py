"""Quotas and limit ranges: what counts, what there is room for, what is filled in and what is refused."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricenter.apimachinery import amounts, limitranges, podresources, quotas
from tricenter.apimachinery.fielderrors import FieldError
from tricenter.apimachinery.validation import limits

NOW = dt.datetime(2026, 1, 1, 12, 0, tzinfo=dt.UTC)
PODS = quotas.usage_of("", "pods")


def container(name: str = "c", *, requests: Any = None, limits: Any = None, **more: Any) -> Any:
    sections = {"requests": requests, "limits": limits}
    return {"name": name, "resources": {key: value for key, value in sections.items() if value}, **more}


def pod(*containers: Any, **spec: Any) -> Any:
    return {"metadata": {"name": "p"}, "spec": {"containers": list(containers or (container(),)), **spec}}


def quota(hard: Any, used: Any = None, **spec: Any) -> Any:
    used = dict.fromkeys(hard, "0") | (used or {})
    return {"metadata": {"name": "q"}, "spec": {"hard": hard, **spec}, "status": {"hard": hard, "used": used}}


def texts(found: dict[str, Any]) -> dict[str, str]:
    return amounts.written(found)


def test_a_sum_keeps_the_form_of_what_it_began_with() -> None:
    first, second = amounts.of({"memory": "1Gi", "cpu": "500m"}), amounts.of({"memory": "512M", "cpu": "1.5"})
    assert texts(amounts.added(first, second)) == {"memory": "1548576Ki", "cpu": "2"}
    assert texts(amounts.added({}, amounts.of({"memory": "1536Mi"}))) == {"memory": "1536Mi"}


@given(st.integers(0, 10**15), st.integers(0, 10**15))
def test_amounts_grow_by_what_they_differ(new: int, old: int) -> None:
    found = amounts.grown({"a": amounts.parse(new)}, {"a": amounts.parse(old)})
    assert found["a"].value == max(0, new - old)


def test_what_a_pod_needs_is_the_larger_of_its_beginning_and_its_running() -> None:
    sidecar = container("s", requests={"cpu": "100m"}, restartPolicy="Always")
    first = container("i", requests={"cpu": "2", "memory": "1Gi"})
    spec = pod(container(requests={"cpu": "1"}), container("d", requests={"cpu": "500m"}))["spec"]
    spec |= {"initContainers": [sidecar, first], "overhead": {"cpu": "10m", "memory": "1Mi"}}
    assert texts(podresources.requests(spec)) == {"cpu": "2110m", "memory": "1025Mi"}
    assert podresources.limits(spec) == {}


def test_pods_use_compute_until_they_have_ended() -> None:
    running = pod(container(requests={"cpu": "1", "example.com/gpu": "2"}, limits={"cpu": "2", "memory": "1Gi"}))
    assert texts(PODS.of(running, NOW)) == {
        "count/pods": "1",
        "pods": "1",
        "cpu": "1",
        "requests.cpu": "1",
        "requests.example.com/gpu": "2",
        "limits.cpu": "2",
        "limits.memory": "1Gi",
    }
    assert texts(PODS.of(running | {"status": {"phase": "Failed"}}, NOW)) == {"count/pods": "1"}
    gone = {"deletionTimestamp": "2026-01-01T11:00:00Z", "deletionGracePeriodSeconds": 30}
    assert texts(PODS.of(running | {"metadata": gone}, NOW)) == {"count/pods": "1"}


@pytest.mark.parametrize(
    ("spec", "ports", "balancers"),
    [
        ({"ports": [{}, {}]}, "0", "0"),
        ({"type": "NodePort", "ports": [{}, {}]}, "2", "0"),
        ({"type": "LoadBalancer", "ports": [{}, {}]}, "2", "1"),
        ({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False, "ports": [{"nodePort": 1}, {}]}, "1", "1"),
    ],
)
def test_services_use_ports_of_nodes_and_balancers(spec: Any, ports: str, balancers: str) -> None:
    used = texts(quotas.usage_of("", "services").of({"spec": spec}, NOW))
    assert (used["services.nodeports"], used["services.loadbalancers"]) == (ports, balancers)


def test_claims_use_storage_of_their_class() -> None:
    spec = {"storageClassName": "gold", "resources": {"requests": {"storage": "5Gi"}}}
    usage = quotas.usage_of("", "persistentvolumeclaims")
    used = texts(usage.of({"spec": spec}, NOW))
    assert used["gold.storageclass.storage.k8s.io/requests.storage"] == used["requests.storage"] == "5Gi"
    assert used["gold.storageclass.storage.k8s.io/persistentvolumeclaims"] == "1"
    assert usage.names(["gold.storageclass.storage.k8s.io/requests.storage", "cpu"]) == {
        "gold.storageclass.storage.k8s.io/requests.storage"
    }


def test_the_names_of_a_quota_say_which_resources_it_is_about() -> None:
    hard = [
        "count/deployments.apps",
        "secrets",
        "limits.cpu",
        "services.nodeports",
        "x.storageclass.storage.k8s.io/requests.storage",
    ]
    assert quotas.counted_resources(hard) == {
        ("apps", "deployments"),
        ("", "secrets"),
        ("", "pods"),
        ("", "services"),
        ("", "persistentvolumeclaims"),
    }


def test_a_full_quota_refuses_in_upstreams_words() -> None:
    full = quota({"pods": "2", "requests.memory": "1Gi"}, {"pods": "2", "requests.memory": "512Mi"})
    asking = pod(container(requests={"memory": "256Mi"}))
    with pytest.raises(quotas.Refused, match=r"^exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2$"):
        quotas.charge(full, PODS, asking, None, NOW)
    room = quota({"pods": "3", "requests.memory": "1Gi"}, {"pods": "2", "requests.memory": "512Mi"})
    assert texts(quotas.charge(room, PODS, asking, None, NOW)) == {"pods": "1", "requests.memory": "256Mi"}


def test_pods_must_say_what_a_quota_of_compute_counts() -> None:
    with pytest.raises(quotas.Refused, match=r"failed quota: q: must specify limits\.cpu for: c,d; memory for: d"):
        quotas.charge(
            quota({"limits.cpu": "1", "memory": "1Gi"}), PODS, pod(container(requests={"memory": "1"}), container("d")),
            None, NOW,
        )  # fmt: skip
    unknown = quota({"pods": "1"})
    unknown["status"]["used"] = {}
    with pytest.raises(quotas.Refused, match="status unknown for quota: q, resources: pods"):
        quotas.charge(unknown, PODS, pod(), None, NOW)


def test_an_update_is_charged_for_what_it_adds() -> None:
    usage = quotas.usage_of("", "services")
    one, two = {"spec": {"type": "NodePort", "ports": [{}]}}, {"spec": {"type": "NodePort", "ports": [{}, {}]}}
    room = quota({"services.nodeports": "5", "services": "1"}, {"services.nodeports": "1", "services": "1"})
    assert texts(quotas.charge(room, usage, two, one, NOW)) == {"services.nodeports": "1"}
    assert quotas.charge(room, usage, one, two, NOW) == {}


@pytest.mark.parametrize(
    ("scopes", "counted"),
    [
        (["BestEffort"], True),
        (["NotBestEffort"], False),
        (["NotTerminating"], True),
        (["Terminating"], False),
        (["PriorityClass"], True),
        (["CrossNamespacePodAffinity"], False),
    ],
)
def test_scopes(scopes: list[str], counted: bool) -> None:
    scoped = quota({"pods": "1"}, scopes=scopes)
    assert bool(quotas.charge(scoped, PODS, pod(priorityClassName="high"), None, NOW)) is counted
    assert not quotas.matches(scoped, ["services"], quotas.usage_of("", "services"), {})


@pytest.mark.parametrize(
    ("operator", "values", "counted"),
    [("In", ["high"], True), ("In", ["low"], False), ("NotIn", ["low"], True), ("DoesNotExist", [], False)],
)
def test_a_scope_selector_chooses_by_priority_class(operator: str, values: list[str], counted: bool) -> None:
    expression = {"scopeName": "PriorityClass", "operator": operator, "values": values}
    scoped = quota({"pods": "1"}, scopeSelector={"matchExpressions": [expression]})
    assert bool(quotas.charge(scoped, PODS, pod(priorityClassName="high"), None, NOW)) is counted


def limit(kind: str = "Container", **fields: Any) -> Any:
    return {"spec": {"limits": [{"type": kind, **fields}]}}


def test_a_limit_range_fills_in_what_containers_do_not_say() -> None:
    made = pod(container(), container("d", limits={"cpu": "2"}))
    limitranges.set_defaults(limit(default={"cpu": "1"}, defaultRequest={"cpu": "500m", "memory": "1Gi"}), made)
    first, second = (item["resources"] for item in made["spec"]["containers"])
    assert first == {"limits": {"cpu": "1"}, "requests": {"cpu": "500m", "memory": "1Gi"}}
    assert second == {"limits": {"cpu": "2"}, "requests": {"cpu": "500m", "memory": "1Gi"}}
    assert made["metadata"]["annotations"][limitranges.ANNOTATION] == (
        "LimitRanger plugin set: cpu, memory request for container c; cpu limit for container c; "
        "cpu, memory request for container d"
    )


@pytest.mark.parametrize(
    ("fields", "asked", "words"),
    [
        ({"min": {"cpu": "1"}}, container(), "minimum cpu usage per Container is 1.  No request is specified"),
        (
            {"min": {"cpu": "1"}},
            container(requests={"cpu": "500m"}),
            "minimum cpu usage per Container is 1, but request is 500m",
        ),
        (
            {"max": {"memory": "1Gi"}},
            container(limits={"memory": "2Gi"}),
            "maximum memory usage per Container is 1Gi, but limit is 2Gi",
        ),
        ({"max": {"cpu": "1"}}, container(), "maximum cpu usage per Container is 1.  No limit is specified"),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            container(requests={"cpu": "1"}, limits={"cpu": "3"}),
            "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000",
        ),
    ],
)
def test_bounds_of_containers(fields: Any, asked: Any, words: str) -> None:
    assert limitranges.problems(limit(**fields), pod(asked)) == [words]


def test_bounds_of_pods_and_claims() -> None:
    half = {"cpu": "600m"}
    both = pod(container(requests=half, limits=half), container("d", requests=half, limits=half))
    assert limitranges.problems(limit("Pod", max={"cpu": "1"}), both) == [
        "maximum cpu usage per Pod is 1, but limit is 1200m"
    ]
    claim = {"spec": {"resources": {"requests": {"storage": "10Gi"}}}}
    assert limitranges.claim_problems(limit("PersistentVolumeClaim", max={"storage": "5Gi"}), claim) == [
        "maximum storage usage per PersistentVolumeClaim is 5Gi, but request is 10Gi"
    ]


def said(found: Any) -> list[str]:
    errors: list[FieldError] = list(found)
    return [str(error) for error in errors]


def test_limit_ranges_and_quotas_must_make_sense() -> None:
    fields = {"max": {"cpu": "1"}, "default": {"cpu": "2"}, "maxLimitRequestRatio": {"cpu": "500m"}}
    assert said(limits.limit_range(limit(**fields))) == [
        'spec.limits[0].default[cpu]: Invalid value: "2": default value 2 is greater than max value 1',
        'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1',
    ]
    assert said(limits.quota({"spec": {"hard": {"cpu": "1"}, "scopes": ["BestEffort", "NotBestEffort"]}})) == [
        'spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: unsupported scope applied to resource',
        'spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes',
    ]
    assert "must be a standard resource for quota" in said(limits.quota({"spec": {"hard": {"cpuu": "1"}}}))[1]
    assert amounts.ONE.value == Fraction(1)
