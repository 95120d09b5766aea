"""What the API lets pass and nobody can do: the pod is told, and goes on as far as it can."""

import base64
from types import SimpleNamespace
from typing import Any

import pytest

from tricenter.kubelet.cri.records import ContainerRecord, PodRecord
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
    spec = {"containers": [{"name": "c", "image": "i", "lifecycle": hook}], "terminationGracePeriodSeconds": 30}
    pod = {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": spec}
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
