"""metrics.k8s.io from what kubelets say."""

from __future__ import annotations

import copy
from typing import Any

from apiserver_harness import Running

from tricenter.apimachinery import kinds, tables, times
from tricenter.apiserver.usage import objects

FIGURES = {
    "cpu": {"time": "2026-01-01T00:00:00Z", "usageCoreNanoSeconds": 1, "usageNanoCores": 12_345},
    "memory": {"time": "2026-01-01T00:00:00Z", "workingSetBytes": 4096 * 1024 + 1, "usageBytes": 1},
}
SUMMARY: dict[str, Any] = {
    "node": {"nodeName": "n", **FIGURES},
    "pods": [{"podRef": {"uid": "u"}, "containers": [{"name": "b", **FIGURES}, {"name": "a", **FIGURES}]}],
}


def test_a_nodes_metrics() -> None:
    found = objects.node("n", {"l": "v"}, SUMMARY)
    assert found is not None
    assert found["usage"] == {"cpu": "12345n", "memory": "4096Ki"}
    assert found["metadata"] == {"name": "n", "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"l": "v"}}
    assert objects.node("n", {}, {}) is None


def test_a_pod_has_metrics_when_all_its_containers_have() -> None:
    found = objects.pod("d", "p", "u", {}, SUMMARY)
    assert found is not None
    assert [item["name"] for item in found["containers"]] == ["a", "b"]
    fresh = copy.deepcopy(SUMMARY)
    del fresh["pods"][0]["containers"][1]["cpu"]["usageNanoCores"]
    assert objects.pod("d", "p", "u", {}, fresh) is None
    assert objects.pod("d", "p", "other", {}, SUMMARY) is None


def test_rows_add_up_the_containers() -> None:
    kind = kinds.by_kind("metrics.k8s.io", "v1beta1", "PodMetrics")
    found = objects.pod("d", "p", "u", {}, SUMMARY)
    assert kind is not None
    assert found is not None
    assert tables.cells(kind, found, times.now()) == ["p", "24690n", "8192Ki", "10s"]


async def test_the_group_is_served_and_explained(server: Running) -> None:
    _, listed = await server.call("GET", "/apis/metrics.k8s.io/v1beta1")
    assert [(item["name"], item["kind"], item["verbs"]) for item in listed["resources"]] == [
        ("nodes", "NodeMetrics", ["get", "list"]),
        ("pods", "PodMetrics", ["get", "list"]),
    ]
    code, found = await server.call("GET", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods?labelSelector=a%3Db")
    assert (code, found["kind"], found["items"]) == (200, "PodMetricsList", [])
    code, status = await server.call("GET", "/apis/metrics.k8s.io/v1beta1/nodes/none")
    assert (code, status["message"]) == (404, 'nodes.metrics.k8s.io "none" not found')
    code, _ = await server.call("DELETE", "/apis/metrics.k8s.io/v1beta1/nodes/none")
    assert code == 405
    _, spec = await server.call("GET", "/openapi/v3/apis/metrics.k8s.io/v1beta1")
    assert "io.k8s.metrics.pkg.apis.metrics.v1beta1.PodMetrics" in spec["components"]["schemas"]
