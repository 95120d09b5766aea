"""Rules of single kinds: what of a new object is kept, what a subresource may change, default classes."""

from typing import Any

import pytest
from apiserver_harness import Running

NODES, PODS = "/api/v1/nodes", "/api/v1/namespaces/default/pods"
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"
CLASSES = "/apis/networking.k8s.io/v1/ingressclasses"
STRATEGIC = "application/strategic-merge-patch+json"


@pytest.fixture
async def pod(server: Running) -> str:
    """The path of a pod."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    await server.call("POST", "/api/v1/namespaces/default/serviceaccounts", account)
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    code, _ = await server.call("POST", PODS, body)
    assert code == 201
    return f"{PODS}/p"


async def test_a_new_node_brings_its_status(server: Running) -> None:
    status = {"capacity": {"cpu": "2"}, "conditions": [{"type": "Ready", "status": "True"}]}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "status": status}
    code, made = await server.call("POST", NODES, node)
    assert code == 201
    assert made["status"]["capacity"] == {"cpu": "2"}
    made["status"]["capacity"] = {"cpu": "3"}
    _, changed = await server.call("PUT", f"{NODES}/n", made)
    assert changed["status"]["capacity"] == {"cpu": "2"}


def ingress(name: str, **spec: Any) -> dict[str, Any]:
    backend = {"service": {"name": "s", "port": {"number": 80}}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name},
        "spec": {"defaultBackend": backend, **spec},
    }


def ingress_class(name: str) -> dict[str, Any]:
    annotations = {"ingressclass.kubernetes.io/is-default-class": "true"}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"controller": "example.com/c"},
    }


async def test_an_ingress_without_a_class_gets_the_default_one(server: Running) -> None:
    _, none = await server.call("POST", INGRESSES, ingress("before"))
    assert "ingressClassName" not in none["spec"]
    await server.call("POST", CLASSES, ingress_class("one"))
    await server.call("GET", CLASSES)
    _, defaulted = await server.call("POST", INGRESSES, ingress("after"))
    assert defaulted["spec"]["ingressClassName"] == "one"
    _, own = await server.call("POST", INGRESSES, ingress("own", ingressClassName="other"))
    assert own["spec"]["ingressClassName"] == "other"


async def test_an_ephemeral_container_comes_through_its_subresource_only(server: Running, pod: str) -> None:
    patch = {"spec": {"ephemeralContainers": [{"name": "e", "image": "i", "targetContainerName": "c"}]}}
    code, _ = await server.call("PATCH", pod, patch, Content_Type=STRATEGIC)
    assert code == 422
    code, changed = await server.call("PATCH", f"{pod}/ephemeralcontainers", patch, Content_Type=STRATEGIC)
    assert (code, changed["spec"]["ephemeralContainers"][0]["name"]) == (200, "e")


async def test_resources_change_through_resize_only(server: Running, pod: str) -> None:
    resources = {"requests": {"cpu": "10m"}}
    body = {"metadata": {"name": "r"}, "spec": {"containers": [{"name": "c", "image": "i", "resources": resources}]}}
    code, made = await server.call("POST", PODS, body)
    assert code == 201, made
    patch = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "20m"}}}]}}
    code, _ = await server.call("PATCH", f"{PODS}/r", patch, Content_Type=STRATEGIC)
    assert code == 422
    code, changed = await server.call("PATCH", f"{PODS}/r/resize", patch, Content_Type=STRATEGIC)
    assert code == 200, changed
    image = {"spec": {"containers": [{"name": "c", "image": "j"}]}}
    code, _ = await server.call("PATCH", f"{PODS}/r/resize", image, Content_Type=STRATEGIC)
    assert code == 422
    code, said = await server.call("PATCH", f"{pod}/resize", patch, Content_Type=STRATEGIC)
    assert (code, "Pod QOS Class may not change as a result of resizing" in said["message"]) == (422, True)


@pytest.mark.parametrize("subresource", ["ephemeralcontainers", "resize"])
async def test_who_debugs_or_resizes_a_pod_changes_no_metadata(server: Running, pod: str, subresource: str) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u"}
    changes = {"labels": {"a": "b"}, "annotations": {"a": "b"}, "finalizers": ["a/b"], "ownerReferences": [owner]}
    code, changed = await server.call("PATCH", f"{pod}/{subresource}", {"metadata": changes}, Content_Type=STRATEGIC)
    assert (code, changes.keys() & changed["metadata"].keys()) == (200, set())


async def test_ports_to_forward_are_ascii_digits(server: Running, pod: str) -> None:
    for ports in ("%C2%B2", "1" * 5000):
        code, said = await server.call("POST", f"{pod}/portforward?ports={ports}")
        assert code < 500, said


async def test_a_new_pod_selects_by_its_own_labels_and_waits_behind_its_gates(server: Running) -> None:
    """pkg/registry/core/pod/strategy.go: mutatePodAffinity, applySchedulingGatedCondition."""
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    term = {"topologyKey": "z", "labelSelector": {}, "matchLabelKeys": ["hash"]}
    spec = {
        "containers": [{"name": "c", "image": "i"}],
        "affinity": {"podAffinity": {required: [term]}},
        "schedulingGates": [{"name": "a/b"}],
    }
    await server.call("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
    code, made = await server.call("POST", PODS, {"metadata": {"name": "p", "labels": {"hash": "1"}}, "spec": spec})
    assert code == 201, made
    (kept,) = made["spec"]["affinity"]["podAffinity"][required]
    assert kept["labelSelector"] == {"matchExpressions": [{"key": "hash", "operator": "In", "values": ["1"]}]}
    (condition,) = made["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("PodScheduled", "False", "SchedulingGated")
    code, again = await server.call(
        "PUT", f"{PODS}/p", {**made, "metadata": {**made["metadata"], "labels": {"a": "b"}}}
    )
    assert (code, again["spec"]) == (200, made["spec"]), "only a new pod is looked at"


async def test_the_topology_that_v1_has_no_more_is_not_kept(server: Running) -> None:
    slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    endpoint = {"addresses": ["10.0.0.1"], "deprecatedTopology": {"kubernetes.io/hostname": "n"}}
    made = {"metadata": {"name": "s"}, "addressType": "IPv4", "endpoints": [endpoint]}
    code, shown = await server.call("POST", slices, made)
    assert (code, shown["endpoints"][0]) == (201, {"addresses": ["10.0.0.1"]})
    shown["endpoints"][0]["deprecatedTopology"] = {"a": "b"}
    code, shown = await server.call("PUT", f"{slices}/s", shown)
    assert (code, "deprecatedTopology" in shown["endpoints"][0]) == (200, False)
