"""Defaults are upstream's, and setting them twice changes nothing."""

import copy
from typing import Any

import pytest

from tricenter.apimachinery import defaults, kinds, schema
from tricenter.apimachinery.records import Kind

TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}


def kind_of(api_version: str, name: str) -> Kind:
    found = kinds.of_object({"apiVersion": api_version, "kind": name})
    assert found is not None
    return found


def defaulted(api_version: str, name: str, **fields: Any) -> dict[str, Any]:
    obj = {"apiVersion": api_version, "kind": name, "metadata": {"name": "x"}, **copy.deepcopy(fields)}
    kind = kind_of(api_version, name)
    defaults.apply(kind, obj)
    again = copy.deepcopy(obj)
    defaults.apply(kind, again)
    assert again == obj, "defaulting twice must change nothing"
    assert schema.prune(kind, copy.deepcopy(obj)) == []
    return obj


def test_pod() -> None:
    spec: dict[str, Any] = {
        "containers": [
            {"name": "c", "image": "registry:5000/nginx:1.26", "ports": [{"containerPort": 80}],
             "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}},
             "readinessProbe": {"httpGet": {"port": 80}},
             "env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]},
        ],
        "volumes": [{"name": "a"}, {"name": "b", "configMap": {"name": "x"}},
                    {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}],
    }  # fmt: skip
    pod = defaulted("v1", "Pod", spec=spec)["spec"]
    assert (pod["restartPolicy"], pod["dnsPolicy"], pod["schedulerName"]) == (
        "Always", "ClusterFirst", "default-scheduler",
    )  # fmt: skip
    assert pod["terminationGracePeriodSeconds"] == 30
    assert pod["enableServiceLinks"] is True
    container = pod["containers"][0]
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert container["resources"]["requests"] == {"cpu": "500m", "memory": "1Gi"}
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert container["readinessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, "timeoutSeconds": 1, "periodSeconds": 10,
        "successThreshold": 1, "failureThreshold": 3,
    }  # fmt: skip
    assert container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"] == "v1"
    assert pod["volumes"][0]["emptyDir"] == {}
    assert pod["volumes"][1]["configMap"]["defaultMode"] == 420
    assert pod["volumes"][2]["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"] == 3600


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"), ("nginx:latest", "Always"), ("nginx:1", "IfNotPresent"), ("r:5000/nginx", "Always"),
        ("nginx@sha256:0", "IfNotPresent"),
    ],
)  # fmt: skip
def test_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    pod = defaulted("v1", "Pod", spec={"containers": [{"name": "c", "image": image}]})
    assert pod["spec"]["containers"][0]["imagePullPolicy"] == policy


def test_workloads() -> None:
    spec = defaulted("apps/v1", "Deployment", spec={"template": TEMPLATE})["spec"]
    assert (spec["replicas"], spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (1, 10, 600)
    assert spec["strategy"] == {
        "type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }  # fmt: skip
    assert spec["template"]["spec"]["restartPolicy"] == "Always"
    assert "enableServiceLinks" not in spec["template"]["spec"]
    recreate = defaulted("apps/v1", "Deployment", spec={"strategy": {"type": "Recreate"}})
    assert recreate["spec"]["strategy"] == {"type": "Recreate"}
    stateful = defaulted("apps/v1", "StatefulSet", spec={"replicas": 0, "template": TEMPLATE})["spec"]
    assert stateful["replicas"] == 0
    assert stateful["updateStrategy"]["rollingUpdate"] == {"partition": 0}
    daemon = defaulted("apps/v1", "DaemonSet", spec={})["spec"]
    assert daemon["updateStrategy"]["rollingUpdate"] == {"maxUnavailable": 1, "maxSurge": 0}
    cron = defaulted("batch/v1", "CronJob", spec={"schedule": "* * * * *"})["spec"]
    assert (cron["successfulJobsHistoryLimit"], cron["failedJobsHistoryLimit"]) == (3, 1)


def test_job_gets_a_selector_of_its_own() -> None:
    job = defaulted("batch/v1", "Job", spec={"template": TEMPLATE})
    assert (job["spec"]["completions"], job["spec"]["parallelism"], job["spec"]["backoffLimit"]) == (1, 1, 6)
    assert job["metadata"]["labels"] == {"app": "web"}
    job["metadata"]["uid"] = "u"
    defaults.job_selector(job)
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert labels["batch.kubernetes.io/job-name"] == "x"
    assert job["spec"]["selector"]["matchLabels"] == {"batch.kubernetes.io/controller-uid": "u"}


def test_service() -> None:
    spec = defaulted("v1", "Service", spec={"ports": [{"port": 80}], "type": "LoadBalancer"})["spec"]
    assert spec["ports"] == [{"port": 80, "targetPort": 80, "protocol": "TCP"}]
    assert spec["externalTrafficPolicy"] == spec["internalTrafficPolicy"] == "Cluster"
    assert spec["allocateLoadBalancerNodePorts"] is True
    sticky = defaulted("v1", "Service", spec={"sessionAffinity": "ClientIP"})["spec"]
    assert sticky["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}
    assert "externalTrafficPolicy" not in sticky


def test_network_policy_types_follow_the_rules() -> None:
    group = "networking.k8s.io/v1"
    assert defaulted(group, "NetworkPolicy", spec={"podSelector": {}})["spec"]["policyTypes"] == ["Ingress"]
    egress = defaulted(group, "NetworkPolicy", spec={"podSelector": {}, "egress": [{"ports": [{"port": 53}]}]})
    assert egress["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert egress["spec"]["egress"][0]["ports"] == [{"port": 53, "protocol": "TCP"}]


def test_secret_and_others() -> None:
    assert defaulted("v1", "Secret", stringData={"a": "b"})["data"] == {"a": "Yg=="}
    assert defaulted("v1", "Namespace")["metadata"]["labels"] == {"kubernetes.io/metadata.name": "x"}
    limits = [{"type": "Container", "max": {"cpu": "1"}, "min": {"memory": "1Mi"}}]
    item = defaulted("v1", "LimitRange", spec={"limits": limits})["spec"]["limits"][0]
    assert item["default"] == {"cpu": "1"}
    assert item["defaultRequest"] == {"cpu": "1", "memory": "1Mi"}
    binding = defaulted(
        "rbac.authorization.k8s.io/v1", "RoleBinding", roleRef={"kind": "Role", "name": "r"},
        subjects=[{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s", "namespace": "n"}],
    )  # fmt: skip
    assert binding["roleRef"]["apiGroup"] == binding["subjects"][0]["apiGroup"] == "rbac.authorization.k8s.io"
    assert "apiGroup" not in binding["subjects"][1]


@pytest.mark.parametrize("kind", kinds.BUILTIN, ids=lambda kind: f"{kind.api_version}.{kind.kind}")
def test_defaulting_a_bare_object_does_not_fail(kind: Kind) -> None:
    defaulted(kind.api_version, kind.kind)


def test_custom_resources_take_defaults_of_their_schema() -> None:
    structural = {"properties": {"spec": {"default": {}, "properties": {
        "size": {"default": 3}, "list": {"items": {"properties": {"a": {"default": "x"}}}},
    }}}}  # fmt: skip
    kind = Kind(
        group="e.com", version="v1", kind="X", plural="xs", singular="x", namespaced=True, verbs=(),
        structural=structural,
    )  # fmt: skip
    obj: dict[str, Any] = {}
    defaults.apply(kind, obj)
    assert obj == {"spec": {"size": 3}}
    obj = {"spec": {"size": 0, "list": [{}]}}
    defaults.apply(kind, obj)
    assert obj == {"spec": {"size": 0, "list": [{"a": "x"}]}}
