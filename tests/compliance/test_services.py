"""A Service is found by environment variable, by name and by cluster address, and from outside by node port."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

NAMESPACE = "compliance-services"
SERVER = (
    "import http.server as h, os\n"
    "class H(h.BaseHTTPRequestHandler):\n"
    " def do_GET(s):\n"
    "  b = os.environ['NODE'].encode(); s.send_response(200); s.send_header('Content-Length', str(len(b)));"
    " s.end_headers(); s.wfile.write(b)\n"
    " def log_message(s, *a): pass\n"
    "h.ThreadingHTTPServer(('', 8080), H).serve_forever()\n"
)
"""A server that answers with the name of its node."""


@pytest.fixture(scope="module")
def service(site: Any, kubectl: Any) -> Iterator[dict[str, Any]]:
    """A NodePort Service with one server in every center, and a client pod that started after it."""
    metadata = {"namespace": NAMESPACE, "labels": {"app": "web"}}
    centers = site["site_centers"]
    spread = {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "web"}},
    }
    container = {
        "name": "web",
        "image": "python:3.13",
        "command": ["python3", "-c", SERVER],
        "env": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
    }
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata | {"name": "web"},
            "spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata | {"name": "web"},
            "spec": {
                "replicas": len(centers),
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"topologySpreadConstraints": [spread], "containers": [container]},
                },
            },
        },
    )
    kubectl("rollout", "status", "deployment/web", f"--namespace={NAMESPACE}", "--timeout=300s")
    kubectl("run", "client", f"--namespace={NAMESPACE}", "--image=python:3.13", "--command", "--", "sleep", "3600")
    kubectl("wait", "pod", "client", f"--namespace={NAMESPACE}", "--for=condition=Ready", "--timeout=300s")
    yield kubectl.json("get", "service", "web", f"--namespace={NAMESPACE}")
    kubectl("delete", "namespace", NAMESPACE, "--timeout=300s")


@pytest.fixture
def get(kubectl: Any) -> Any:
    """A function that fetches a URL, an expression of Python, in the client pod; returns the answers."""

    def fetch(url: str, times: int = 1) -> list[str]:
        code = (
            "import os, urllib.request as u\n"
            f"for i in range({times}): print(u.urlopen({url}, timeout=20).read().decode())"
        )
        return kubectl("exec", f"--namespace={NAMESPACE}", "client", "--", "python3", "-c", code).split()

    return fetch


@pytest.fixture
def nodes(kubectl: Any, service: Any) -> set[str]:
    """The nodes that the servers run on."""
    items = kubectl.json("get", "pods", f"--namespace={NAMESPACE}", "--selector=app=web")["items"]
    return {item["spec"]["nodeName"] for item in items}


def test_pods_are_spread_over_all_centers(site: Any, nodes: set[str]) -> None:
    assert {site.machines[node]["center_name"] for node in nodes} == set(site["site_centers"])


def test_by_environment_variable(service: Any, get: Any, nodes: set[str]) -> None:
    assert set(get("'http://%s:%s' % (os.environ['WEB_SERVICE_HOST'], os.environ['WEB_SERVICE_PORT'])")) <= nodes
    linked = get("os.environ['WEB_PORT_80_TCP'].replace('tcp:', 'http:')")
    assert linked, "the link-style variable leads nowhere"


@pytest.mark.parametrize("name", ["web", f"web.{NAMESPACE}", f"web.{NAMESPACE}.svc.{{domain}}"])
def test_by_name(name: str, service: Any, site: Any, get: Any, nodes: set[str]) -> None:
    assert set(get(repr("http://" + name.format(domain=site["site_cluster_domain"])))) <= nodes


@pytest.mark.on("node")
@pytest.mark.unit("tricenter-proxy")
def test_by_cluster_address_from_every_node(
    machine: Any, host: Any, service: Any, nodes: set[str], eventually: Any
) -> None:
    def answer() -> str:
        return str(host.run("curl --silent --max-time 20 http://%s", service["spec"]["clusterIP"]).stdout)

    eventually(answer)  # the node's rules follow the Service
    answers = [answer() for _ in range(3)]
    assert set(answers) <= nodes, f"{machine} got {answers}"


@pytest.mark.on("node")
@pytest.mark.unit("tricenter-proxy")
def test_by_node_port(machine: Any, service: Any, site: Any, connect: Any, nodes: set[str], eventually: Any) -> None:
    port = service["spec"]["ports"][0]["nodePort"]
    caller = next(other for other in site.group("control_plane") if other["rack_name"] != machine["rack_name"])
    fetch = f"curl --silent --max-time 20 http://{machine['machine_address']}:{port}"
    answer = eventually(lambda: connect(caller.name).run(fetch).stdout)
    assert answer in nodes, f"{machine}:{port} answered {answer!r}"


def test_all_servers_get_their_share(service: Any, get: Any, nodes: set[str]) -> None:
    answers = Counter(get("'http://web'", times=60))
    assert set(answers) == nodes, f"some server got nothing in 60 requests: {answers}"


def test_a_closed_cluster_address_refuses_at_once(service: Any, kubectl: Any) -> None:
    code = (
        "import socket; s = socket.socket(); s.settimeout(60)\n"
        f"try: s.connect(('{service['spec']['clusterIP']}', 81)); print('open')\n"
        "except OSError as e: print(type(e).__name__)"
    )
    said = kubectl("exec", f"--namespace={NAMESPACE}", "client", "--", "python3", "-c", code)
    assert said.strip() == "ConnectionRefusedError"
