"""kubectl port-forward, proxy, get --raw through the subresource proxy, top."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from manifests import many, pod

pytestmark = pytest.mark.usefixtures("nodes")

SERVE = "mkdir /w; echo '<a href=\"/x\">page</a>' > /w/index.html; exec httpd -f -p 8080 -h /w"


@pytest.fixture(scope="module")
def served(k: Any) -> str:
    """A pod that serves a page on port 8080, and a Service of the same name before it."""
    web = pod("served", {"app": "served"})
    web["spec"]["containers"][0] |= {
        "command": ["sh", "-c", SERVE],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 1},
    }
    port = {"name": "web", "port": 80, "targetPort": "http"}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "served"}}
    k("create", "-f", "-", stdin=many(web, {**service, "spec": {"selector": {"app": "served"}, "ports": [port]}}))
    k("wait", "pod/served", "--for=condition=Ready", "--timeout=300s")
    return "served"


@contextmanager
def running(k: Any, *words: str, pattern: str) -> Iterator[str]:
    """kubectl that goes on; yields what the pattern finds in its first line."""
    process = k.start(*words)
    try:
        found = re.search(pattern, process.stdout.readline())
        assert found, f"kubectl {words[0]} does not say where it listens"
        yield found[1]
    finally:
        process.terminate()
        process.communicate(timeout=400)


def fetch(url: str) -> bytes:
    """A page."""
    with urllib.request.urlopen(url, timeout=400) as answer:  # noqa: S310  # http on loopback
        body: bytes = answer.read()
        return body


@pytest.mark.parametrize("websocket", ["true", "false"])
@pytest.mark.parametrize("target", ["pod/served", "service/served"])
def test_port_forward(k: Any, served: str, target: str, websocket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECTL_PORT_FORWARD_WEBSOCKETS", websocket)
    port = "8080" if target.startswith("pod") else "80"
    with running(k, "port-forward", target, f":{port}", pattern=r"127\.0\.0\.1:(\d+)") as local:
        for _ in range(3):
            assert b"page" in fetch(f"http://127.0.0.1:{local}/index.html")


def test_proxy_serves_the_api_on_loopback(k: Any, served: str) -> None:
    with running(k, "proxy", "--port=0", pattern=r"127\.0\.0\.1:(\d+)") as local:
        base = f"http://127.0.0.1:{local}"
        assert json.loads(fetch(f"{base}/version"))["major"] == "1"
        namespace = k.json("get", "pod", served)["metadata"]["namespace"]
        path = f"/api/v1/namespaces/{namespace}/services/served:web/proxy"
        # without the last slash a redirect leads to the page; its links stay below the proxy
        assert fetch(f"{base}{path}") == f'<a href="{path}/x">page</a>\n'.encode()


@pytest.mark.parametrize("name", ["pods/served", "pods/http:served:8080", "services/served:web", "services/served:80"])
def test_the_subresource_proxy(k: Any, served: str, name: str) -> None:
    namespace = k.json("get", "pod", served)["metadata"]["namespace"]
    assert "page" in k("get", "--raw", f"/api/v1/namespaces/{namespace}/{name}/proxy/index.html")


def test_the_proxy_says_why_it_does_not_reach(k: Any, served: str) -> None:
    base = f"/api/v1/namespaces/{k.json('get', 'pod', served)['metadata']['namespace']}"
    assert "error trying to reach service: dial tcp" in k.refused("get", "--raw", f"{base}/pods/served:1/proxy/")
    assert "no service port 81 found" in k.refused("get", "--raw", f"{base}/services/served:81/proxy/")
    assert "no endpoints available" in k.refused("get", "--raw", f"{base}/services/served:none/proxy/")
    who = "--as=jane"
    assert 'cannot get resource "pods/proxy"' in k.refused("get", "--raw", f"{base}/pods/served/proxy/", who)


def test_a_nodes_kubelet(whole: Any, nodes: list[str]) -> None:
    assert whole("get", "--raw", f"/api/v1/nodes/{nodes[0]}/proxy/healthz") == "ok"
    text = whole("get", "--raw", f"/api/v1/nodes/{nodes[0]}/proxy/metrics/resource")
    assert re.search(r"^node_memory_working_set_bytes \d+ \d+$", text, re.MULTILINE)


# --- top ---


def test_top_nodes(whole: Any, nodes: list[str], eventually: Any) -> None:
    names = eventually(lambda: whole("top", "nodes", "--no-headers").split()[::5])
    assert set(names) <= set(nodes)
    assert names
    header = whole("top", "nodes").splitlines()[0].split()
    assert header == ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"]


def test_top_pods(k: Any, served: str, eventually: Any) -> None:
    shown = eventually(lambda: "served" in (k.start("top", "pod").communicate(timeout=400)[0] or ""))
    assert shown
    name, cpu, memory = k("top", "pod", "served", "--no-headers").split()
    assert name == "served"
    assert re.fullmatch(r"\d+m", cpu)
    assert re.fullmatch(r"\d+Mi", memory)
    assert k("top", "pod", "-l", "app=served", "--containers", "--no-headers").split()[:2] == ["served", "main"]
    found = k.json("get", "pods.metrics.k8s.io", "served")
    assert int(found["containers"][0]["usage"]["memory"].removesuffix("Ki")) > 0
