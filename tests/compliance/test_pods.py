"""Network principles 1 to 7: every pod reaches every pod and node, and is seen under its own address."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

NAMESPACE = "compliance-pods"
ECHO = """
import http.server, socketserver
class Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.client_address[0].encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
class Server(socketserver.ThreadingMixIn, http.server.HTTPServer): daemon_threads = True
Server(("", 8080), Echo).serve_forever()
"""
"""A server that answers with the address it sees."""

GET = (
    "import sys, urllib.request as u; "
    "print(*(u.urlopen(f'http://{a}:8080', timeout=20).read().decode() for a in sys.argv[1:]))"
)


def pod(node: str) -> dict[str, Any]:
    """A pod of the echo server, held on the node."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"echo-{node}", "namespace": NAMESPACE, "labels": {"app": "echo"}},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": node},
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": "echo",
                    "image": "python:3.13",
                    "command": ["python3", "-c", ECHO],
                    "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
                }
            ],
        },
    }


@pytest.fixture(scope="module")
def pods(site: Any, kubectl: Any) -> Iterator[dict[str, dict[str, Any]]]:
    """Node name → the echo pod that runs there."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    kubectl.apply(namespace)
    kubectl.apply(*(pod(machine.name) for machine in site.group("node")))
    kubectl("wait", "pods", "--all", f"--namespace={NAMESPACE}", "--for=condition=Ready", "--timeout=300s")
    items = kubectl.json("get", "pods", f"--namespace={NAMESPACE}")["items"]
    yield {item["spec"]["nodeName"]: item for item in items}
    kubectl("delete", "namespace", NAMESPACE, "--timeout=300s")


def test_each_pod_has_an_address_of_its_nodes_range(pods: Any, site: Any) -> None:
    addresses = {p["status"]["podIP"] for p in pods.values()}
    assert len(addresses) == len(site.group("node"))


@pytest.mark.on("node")
@pytest.mark.unit("tricenter-kubelet", "bird")
def test_the_pod_reaches_all_others_under_its_own_address(machine: Any, pods: Any, kubectl: Any) -> None:
    own = pods[machine.name]["status"]["podIP"]
    others = [p["status"]["podIP"] for node, p in pods.items() if node != machine.name]
    seen = kubectl("exec", f"--namespace={NAMESPACE}", f"echo-{machine.name}", "--", "python3", "-c", GET, *others)
    assert seen.split() == [own] * len(others)


@pytest.mark.on("node:control_plane")
def test_machines_reach_every_pod_under_their_own_address(machine: Any, host: Any, pods: Any) -> None:
    for target in pods.values():
        seen = host.run("curl --silent --max-time 20 http://%s:8080", target["status"]["podIP"]).stdout
        if target["spec"]["nodeName"] != machine.name:
            assert seen == machine["machine_address"], f"{machine} is seen as {seen!r}"
        else:
            assert seen, f"{machine} does not reach its own pod"


@pytest.mark.on("node")
def test_the_address_inside_is_the_address_outside(machine: Any, pods: Any, kubectl: Any) -> None:
    code = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
        "s.connect(('10.255.255.255', 1)); print(s.getsockname()[0])"
    )
    inside = kubectl("exec", f"--namespace={NAMESPACE}", f"echo-{machine.name}", "--", "python3", "-c", code)
    assert inside.strip() == pods[machine.name]["status"]["podIP"]


@pytest.fixture(scope="module")
def shared(kubectl: Any, pods: Any) -> Any:
    """Runs a command in container a or b of one pod; its containers share processes and a volume."""
    mounts = [{"name": "common", "mountPath": "/common"}]
    container = {"image": "busybox:1", "volumeMounts": mounts}
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "shared", "namespace": NAMESPACE},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "shareProcessNamespace": True,
            "volumes": [{"name": "common", "emptyDir": {}}],
            "containers": [
                container | {"name": "a", "command": ["sleep", "3601"]},
                container | {"name": "b", "command": ["sleep", "3602"]},
            ],
        },
    }
    kubectl.apply(body)
    kubectl("wait", "pod", "shared", f"--namespace={NAMESPACE}", "--for=condition=Ready", "--timeout=300s")

    def run(container: str, *command: str) -> str:
        return str(kubectl("exec", f"--namespace={NAMESPACE}", "shared", f"--container={container}", "--", *command))

    return run


def test_containers_of_a_pod_share_one_network_stack(shared: Any) -> None:
    addresses = [shared(container, "cat", "/proc/net/fib_trie") for container in "ab"]
    assert addresses[0] == addresses[1]


def test_containers_of_a_pod_carry_its_name(shared: Any) -> None:
    assert [shared(container, "hostname") for container in "ab"] == ["shared\n", "shared\n"]


@pytest.mark.parametrize("kind", ["net", "uts", "ipc", "pid"])
def test_containers_of_a_pod_share_a_namespace(shared: Any, kind: str) -> None:
    assert shared("a", "readlink", f"/proc/self/ns/{kind}") == shared("b", "readlink", f"/proc/self/ns/{kind}")


def test_containers_of_a_pod_have_files_of_their_own(shared: Any) -> None:
    assert shared("a", "readlink", "/proc/self/ns/mnt") != shared("b", "readlink", "/proc/self/ns/mnt")


def test_containers_of_a_pod_see_each_others_processes_when_they_ask_for_it(shared: Any) -> None:
    assert "sleep 3602" in shared("a", "ps")
    assert "sleep 3601" in shared("b", "ps")


def test_containers_of_a_pod_share_volumes_and_memory(shared: Any) -> None:
    for folder in ("/common", "/dev/shm"):  # noqa: S108  # of the container
        shared("a", "sh", "-c", f"echo from a > {folder}/file")
        assert shared("b", "cat", f"{folder}/file") == "from a\n"


def test_logs_come_back(kubectl: Any, pods: Any) -> None:
    name = "talks"
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "c", "image": "busybox:1", "command": ["echo", json.dumps({"said": "this"})]}],
        },
    }
    kubectl.apply(body)
    kubectl(
        "wait", "pod", name, f"--namespace={NAMESPACE}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=300s"
    )
    assert json.loads(kubectl("logs", f"--namespace={NAMESPACE}", name)) == {"said": "this"}
