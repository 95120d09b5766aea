"""Values of wrong types are named as Go's decoder names them."""

from typing import Any

import pytest

from tricenter.apimachinery import schema

CONTAINERS = "PodSpec.spec.template.spec.containers"


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
