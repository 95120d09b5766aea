"""The official Python client's streams: WebSocket alone, without another way to fall back to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client, config
from kubernetes.stream import portforward, stream
from manifests import many, pod

pytestmark = pytest.mark.usefixtures("nodes")


@pytest.fixture(scope="module")
def place(k: Any) -> tuple[str, str]:
    """Name and namespace of a pod that sleeps and serves a page on port 8080."""
    web = pod("streams")
    web["spec"]["containers"][0]["command"] = [
        "sh",
        "-c",
        "echo page > /root/index.html; httpd -p 8080 -h /root; sleep 3600",
    ]
    k("create", "-f", "-", stdin=many(web))
    k("wait", "pod/streams", "--for=condition=Ready", "--timeout=300s")
    return "streams", k.json("get", "pod", "streams")["metadata"]["namespace"]


@pytest.fixture
def core(kubectl: Any) -> Iterator[client.CoreV1Api]:
    """A client of its own for each test: `stream` changes how the client asks."""
    config.load_kube_config(str(kubectl.kubeconfig))
    with client.ApiClient() as opened:
        yield client.CoreV1Api(opened)


def test_exec(core: client.CoreV1Api, place: tuple[str, str]) -> None:
    words = {"command": ["sh", "-c", "echo out; echo err >&2"], "stdin": False, "stdout": True, "stderr": True}
    said = stream(core.connect_get_namespaced_pod_exec, *place, **words, tty=False)
    assert sorted(said.split()) == ["err", "out"]


def test_exec_with_input_and_exit_code(core: client.CoreV1Api, place: tuple[str, str]) -> None:
    words = {"command": ["sh"], "stdin": True, "stdout": True, "stderr": True, "tty": False}
    shell = stream(core.connect_get_namespaced_pod_exec, *place, **words, _preload_content=False)
    shell.write_stdin("echo $((6*7))\n")
    assert shell.readline_stdout(timeout=400) == "42"
    shell.write_stdin("exit 9\n")
    shell.run_forever(timeout=400)
    assert shell.returncode == 9
    shell.close()


def test_a_refusal_is_a_status(core: client.CoreV1Api) -> None:
    with pytest.raises(client.ApiException) as refused:
        stream(core.connect_get_namespaced_pod_exec, "nobody", "default", command=["true"], stdout=True)
    assert "404" in str(refused.value)


def test_port_forward(core: client.CoreV1Api, place: tuple[str, str]) -> None:
    forwarded = portforward(core.connect_get_namespaced_pod_portforward, *place, ports="8080")
    connection = forwarded.socket(8080)
    connection.settimeout(400)
    connection.sendall(b"GET /index.html HTTP/1.0\r\n\r\n")
    said = b""
    while piece := connection.recv(4096):
        said += piece
    assert said.endswith(b"page\n")
    assert forwarded.error(8080) is None


def test_a_page_through_the_proxy(core: client.CoreV1Api, place: tuple[str, str]) -> None:
    name, namespace = place
    said = core.connect_get_namespaced_pod_proxy_with_path(f"{name}:8080", namespace, "index.html")
    assert said == "page\n"


def test_metrics(core: client.CoreV1Api) -> None:
    found = client.CustomObjectsApi(core.api_client).list_cluster_custom_object("metrics.k8s.io", "v1beta1", "nodes")
    assert found["kind"] == "NodeMetricsList"
    assert json.dumps(found["items"]).count("memory") == len(found["items"])
