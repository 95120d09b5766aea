"""What the API lets pass and nobody can do: the pod is told, and goes on as far as it can."""

import base64
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from cri_api.v1 import api_pb2 as cri

from tricenter.kubelet.cri.client import Runtime
from tricenter.kubelet.cri.records import ContainerRecord, PodRecord
from tricenter.kubelet.main import Kubelet
from tricenter.kubelet.pods import spec
from tricenter.kubelet.pods.hooks import Hooks
from tricenter.kubelet.pods.images import Images
from tricenter.kubelet.pods.state import PodState
from tricenter.kubelet.pods.stopper import Stopper


class Told:
    """The events of a pod."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def __call__(self, _obj: object, _kind: str, reason: str, _message: str) -> None:
        self.reasons.append(reason)


async def test_a_pre_stop_hook_to_a_port_that_is_not_there_does_not_keep_the_pod_from_stopping() -> None:
    """Any name is taken as a port; upstream tells FailedPreStopHook and stops the container."""
    stopped: list[str] = []

    async def stop_container(identity: str, _grace: int) -> None:
        stopped.append(identity)

    runtime: Any = SimpleNamespace(stop_container=stop_container)
    http: Any = None
    hook = {"preStop": {"httpGet": {"port": "nosuch"}}}
    body = {"containers": [{"name": "c", "image": "i", "lifecycle": hook}], "terminationGracePeriodSeconds": 30}
    pod = {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": body}
    told = Told()
    running = ContainerRecord(id="1", name="c", sandbox="s", attempt=0, state="running", created=0)
    record = PodRecord(uid="u", containers=(running,))
    await Stopper(runtime, Hooks(runtime, http), told).stop_pod(PodState(pod=pod), record)
    assert stopped == ["1"]
    assert told.reasons == ["Killing", "FailedPreStopHook"]


@pytest.mark.parametrize(
    "content",
    [
        b"x",
        b"[]",
        b"\xff",
        b'{"auths": {"r.example": {"auth": "/w=="}}}',
        b'{"auths": {"r.example": 1}}',
    ],
)
async def test_a_pull_secret_that_cannot_be_read_leaves_the_next_one_to_be_tried(content: bytes) -> None:
    good = b'{"auths": {"r.example": {"username": "u", "password": "p"}}}'

    async def lookup(_kind: str, _namespace: str, name: str) -> dict[str, Any]:
        found = content if name == "bad" else good
        return {"data": {".dockerconfigjson": base64.b64encode(found).decode()}}

    pod = {
        "metadata": {"name": "p", "namespace": "n"},
        "spec": {"imagePullSecrets": [{"name": "bad"}, {"name": "good"}]},
    }
    told, runtime = Told(), SimpleNamespace()
    images: Any = Images(runtime, told, lookup)  # type: ignore[arg-type]
    auth = await images._credentials(pod, "r.example/app:1")
    assert (auth.username, auth.password) == ("u", "p")
    assert told.reasons == ["FailedToRetrieveImagePullSecret"]


@pytest.mark.parametrize("grace", [30, 10**10, 2**63 - 1])
async def test_a_container_with_all_the_patience_in_the_world_is_told_to_stop(grace: int) -> None:
    told: list[int] = []

    async def stop(request: bytes, _context: object) -> bytes:
        told.append(cri.StopContainerRequest.FromString(request).timeout)
        return b""

    class Handler(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            wanted = details.method == "/runtime.v1.RuntimeService/StopContainer"
            return grpc.unary_unary_rpc_method_handler(stop) if wanted else None

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with Runtime(f"127.0.0.1:{port}") as runtime:
        await runtime.stop_container("1", grace)
    await server.stop(None)
    assert told == [min(grace, 365 * 86_400)]


def test_a_pod_of_the_api_that_says_it_is_a_manifest_of_the_machine_is_none() -> None:
    """Else its status would never be written, nor its end be confirmed: it would be there for ever."""
    pod = {"metadata": {"name": "p", "uid": "u", "annotations": {spec.CONFIG_SOURCE: "file", "a": "b"}}, "spec": {}}
    put: list[dict[str, Any]] = []
    kubelet: Any = SimpleNamespace(_pods=SimpleNamespace(put=put.append))
    Kubelet._on_pod(kubelet, "ADDED", None, pod)
    assert spec.is_static(pod)
    assert [spec.is_static(found) for found in put] == [False]
    assert put[0]["metadata"]["annotations"]["a"] == "b"
