"""Values of wrong types are named as Go's decoder names them."""

from typing import Any

import pytest

from tricenter.apimachinery import schema

CONTAINERS = "PodSpec.spec.template.spec.containers"
IN_CONTAINER = CONTAINERS.partition(".")[2]
CAPABILITIES = f"Capabilities.{IN_CONTAINER}.securityContext.capabilities.add"
LIMITS = f"ResourceRequirements.{IN_CONTAINER}.resources.limits"


def deployment(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": spec}


def pods(*containers: Any) -> dict[str, Any]:
    return deployment(template={"spec": {"containers": [*containers]}})


@pytest.mark.parametrize(
    ("obj", "why"),
    [
        (deployment(replicas="3"), "string into Go struct field DeploymentSpec.spec.replicas of type int32"),
        (deployment(replicas=1.5), "number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32"),
        (deployment(replicas=2**31), f"number {2**31} into Go struct field DeploymentSpec.spec.replicas of type int32"),
        (deployment(paused=1), "number into Go struct field DeploymentSpec.spec.paused of type bool"),
        ({**deployment(), "spec": []}, "array into Go struct field Deployment.spec of type v1.DeploymentSpec"),
        (
            deployment(template={"spec": {"containers": "c"}}),
            f"string into Go struct field {CONTAINERS} of type []v1.Container",
        ),
        (pods({"name": "c"}, "c"), f"string into Go struct field {CONTAINERS} of type v1.Container"),
        (pods({"name": True}), "bool into Go struct field Container.spec.template.spec.containers.name of type string"),
        (
            {**deployment(), "metadata": {"labels": {"a": {}}}},
            "object into Go struct field ObjectMeta.metadata.labels of type string",
        ),
        (
            {**deployment(), "metadata": {"labels": "a"}},
            "string into Go struct field ObjectMeta.metadata.labels of type map[string]string",
        ),
        (
            deployment(strategy={"rollingUpdate": {"maxSurge": {}}}),
            "object into Go struct field RollingUpdateDeployment.spec.strategy.rollingUpdate.maxSurge of type int32",
        ),
        (
            {**deployment(), "metadata": {"uid": 5}},
            "number into Go struct field ObjectMeta.metadata.uid of type types.UID",
        ),
        (
            deployment(template={"spec": {"restartPolicy": 5}}),
            "number into Go struct field PodSpec.spec.template.spec.restartPolicy of type v1.RestartPolicy",
        ),
        (
            pods({"securityContext": {"capabilities": {"add": "NET_ADMIN"}}}),
            f"string into Go struct field {CAPABILITIES} of type []v1.Capability",
        ),
        (
            pods({"securityContext": {"capabilities": {"add": [1]}}}),
            f"number into Go struct field {CAPABILITIES} of type v1.Capability",
        ),
        (
            pods({"resources": {"limits": "much"}}),
            f"string into Go struct field {LIMITS} of type v1.ResourceList",
        ),
        (
            {**deployment(), "metadata": {"creationTimestamp": 5}},
            "number into Go struct field ObjectMeta.metadata.creationTimestamp of type string",
        ),
    ],
)  # fmt: skip
def test_another_type(obj: dict[str, Any], why: str) -> None:
    assert schema.mismatch("io.k8s.api.apps.v1.Deployment", obj) == f"json: cannot unmarshal {why}"


@pytest.mark.parametrize(
    ("obj", "why"),
    [
        (
            pods({"resources": {"limits": {"cpu": "one"}}}),
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (pods({"resources": {"limits": {"cpu": "1ii"}}}), "unable to parse quantity's suffix"),
        (
            {"metadata": {"creationTimestamp": "noon"}},
            'parsing time "noon" as "2006-01-02T15:04:05Z07:00": cannot parse "noon" as "2006"',
        ),
    ],
)
def test_a_text_that_its_type_cannot_read(obj: dict[str, Any], why: str) -> None:
    assert schema.mismatch("io.k8s.api.apps.v1.Deployment", obj) == why


def test_maps_of_named_types() -> None:
    review = {"spec": {"extra": {"scopes": [1]}}}
    why = "json: cannot unmarshal number into Go struct field SubjectAccessReviewSpec.spec.extra of type string"
    assert schema.mismatch("io.k8s.api.authorization.v1.SubjectAccessReview", review) == why
    review = {"spec": {"extra": {"scopes": "all"}}}
    why = "json: cannot unmarshal string into Go struct field SubjectAccessReviewSpec.spec.extra of type v1.ExtraValue"
    assert schema.mismatch("io.k8s.api.authorization.v1.SubjectAccessReview", review) == why


def test_data_that_is_not_base64() -> None:
    secret = {"data": {"a": "YQ==", "b": "not base64!"}}
    assert schema.mismatch("io.k8s.api.core.v1.Secret", secret) == "illegal base64 data at input byte 3"


def test_what_can_be_decoded() -> None:
    obj = pods({"name": None, "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}, "unknown": [{}]})
    obj["spec"]["strategy"] = {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}}
    assert not schema.mismatch("io.k8s.api.apps.v1.Deployment", obj)
    event = {"eventTime": "2026-01-02T03:04:05.000006Z", "count": 0}
    assert not schema.mismatch("io.k8s.api.core.v1.Event", event)
    revision = {"data": "anything", "revision": 1}
    assert not schema.mismatch("io.k8s.api.apps.v1.ControllerRevision", revision)
