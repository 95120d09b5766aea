"""The status of a new object, and what of it comes back when a controller leaves it out."""

from __future__ import annotations

from typing import Any

import pytest
from apiserver_harness import Running

pytestmark = pytest.mark.etcd

LABELS = {"app": "web"}
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
SELECTED = {"selector": {"matchLabels": LABELS}, "template": TEMPLATE}
DAEMONS = ("currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled", "numberReady")
BUDGET = ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods")
SCALER = {"scaleTargetRef": {"kind": "Deployment", "name": "x", "apiVersion": "apps/v1"}, "maxReplicas": 3}
APPS, SCALING = "/apis/apps/v1/namespaces/default", "/apis/autoscaling/{}/namespaces/default/horizontalpodautoscalers"
BACKEND = {"service": {"name": "s", "port": {"number": 80}}}
VOLUME = {
    "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}},
}
JOB = {"spec": {"containers": [{"name": "c", "image": "x"}], "restartPolicy": "Never"}}


@pytest.mark.parametrize(
    ("path", "spec", "status"),
    [
        (f"{APPS}/deployments", SELECTED, {}),
        (f"{APPS}/statefulsets", {**SELECTED, "serviceName": "s"}, {"replicas": 0, "availableReplicas": 0}),
        (f"{APPS}/replicasets", SELECTED, {"replicas": 0}),
        (f"{APPS}/daemonsets", SELECTED, dict.fromkeys(DAEMONS, 0)),
        ("/api/v1/namespaces/default/replicationcontrollers", {"template": TEMPLATE}, {"replicas": 0}),
        ("/apis/policy/v1/namespaces/default/poddisruptionbudgets", {"minAvailable": 1}, dict.fromkeys(BUDGET, 0)),
        (SCALING.format("v2"), SCALER, {"currentMetrics": None, "desiredReplicas": 0}),
        (SCALING.format("v1"), SCALER, {"currentReplicas": 0, "desiredReplicas": 0}),
        ("/apis/networking.k8s.io/v1/namespaces/default/ingresses", {"defaultBackend": BACKEND}, {"loadBalancer": {}}),
    ],
)
async def test_zeros_are_there_before_a_controller_is(
    server: Running, path: str, spec: dict[str, Any], status: dict[str, Any]
) -> None:
    """k8s.io/api: members of a status without `omitempty`; nobody owns what the server puts there."""
    code, made = await server.call("POST", path, {"metadata": {"name": "x"}, "spec": spec})
    assert (code, made["status"]) == (201, status), made
    assert all("f:status" not in entry["fieldsV1"] for entry in made["metadata"]["managedFields"])
    code, shown = await server.call("PUT", f"{path}/x/status", {**made, "status": {}})
    assert (code, shown["status"]) == (200, status), shown
    assert shown["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"], "nothing has changed"


async def test_a_status_update_that_leaves_zeros_out_gets_them_back(server: Running) -> None:
    path = f"{APPS}/statefulsets"
    made = (await server.call("POST", path, {"metadata": {"name": "x"}, "spec": {**SELECTED, "serviceName": "s"}}))[1]
    full = {"replicas": 2, "availableReplicas": 1, "observedGeneration": 1}
    assert (await server.call("PUT", f"{path}/x/status", {**made, "status": full}))[1]["status"] == full
    stripped = {**made, "status": {"replicas": 2}, "metadata": {"name": "x"}}
    assert (await server.call("PUT", f"{path}/x/status", stripped))[1]["status"] == {
        "replicas": 2,
        "availableReplicas": 0,
    }
    patch = {"status": {"replicas": None, "readyReplicas": 1}}
    merge = {"Content-Type": "application/merge-patch+json"}
    code, shown = await server.call("PATCH", f"{path}/x/status", patch, **merge)
    assert (code, shown["status"]) == (200, {"replicas": 0, "availableReplicas": 0, "readyReplicas": 1})


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/v1/namespaces/default/resourcequotas", {"spec": {"hard": {"pods": "1"}}}, {}),
        ("/apis/batch/v1/namespaces/default/jobs", {"spec": {"template": JOB}}, {}),
        ("/api/v1/persistentvolumes", VOLUME, {"phase": "Pending"}),
    ],
)
async def test_a_status_is_there_when_there_is_nothing_to_say(
    server: Running, path: str, body: dict[str, Any], status: dict[str, Any]
) -> None:
    """A status is no pointer upstream, so `status: {}` is the least that a client sees."""
    code, shown = await server.call("POST", path, {"metadata": {"name": "x"}, **body})
    assert (code, shown["status"]) == (201, status)


async def test_a_node_that_nobody_describes_has_the_fields_of_a_description(server: Running) -> None:
    code, shown = await server.call("POST", "/api/v1/nodes", {"metadata": {"name": "x"}})
    assert (code, shown["status"]["daemonEndpoints"]) == (201, {"kubeletEndpoint": {"Port": 0}})
    assert set(shown["status"]["nodeInfo"].values()) == {""}
