"""Events are counted, bounded, and never hurt their caller."""

from __future__ import annotations

from typing import Any

from tricenter.client import errors
from tricenter.client.events import Recorder, reference_to

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "shop", "uid": "u1", "resourceVersion": "5"},
}


class Api:
    def __init__(self) -> None:
        self.created: list[Any] = []
        self.patched: list[Any] = []
        self.expired = False

    async def create(self, res: object, obj: Any) -> Any:
        self.created.append(obj)
        return obj

    async def patch(self, res: object, name: str, patch: Any, namespace: str) -> Any:
        if self.expired:
            raise errors.NotFound({}, 404)
        self.patched.append(patch)


async def test_the_same_event_again_is_counted() -> None:
    api = Api()
    recorder = Recorder(api, "scheduler", "east1-cp1")
    for _ in range(3):
        recorder.event(POD, "Warning", "FailedScheduling", "0/6 nodes are available")
    await recorder.close()
    assert len(api.created) == 1
    assert [patch["count"] for patch in api.patched] == [2, 3]
    event = api.created[0]
    assert event["metadata"]["namespace"] == "shop"
    assert event["involvedObject"] == reference_to(POD)
    assert event["source"] == {"component": "scheduler", "host": "east1-cp1"}


async def test_an_expired_event_starts_anew() -> None:
    api = Api()
    recorder = Recorder(api, "kubelet", "n")
    recorder.event(POD, "Normal", "Pulled", "image")
    await recorder.close()
    api.expired = True
    recorder.event(POD, "Normal", "Pulled", "image")
    await recorder.close()
    assert len(api.created) == 2


async def test_one_object_cannot_flood_the_store() -> None:
    api = Api()
    recorder = Recorder(api, "kubelet", "n")
    for number in range(100):
        recorder.event(POD, "Normal", "Spam", f"number {number}")
    await recorder.close()
    assert len(api.created) == 25


async def test_a_cluster_scoped_object_reports_to_default() -> None:
    api = Api()
    recorder = Recorder(api, "controllers", "cp")
    recorder.event({"kind": "Node", "metadata": {"name": "n1"}}, "Normal", "NodeReady", "ready")
    await recorder.close()
    assert api.created[0]["metadata"]["namespace"] == "default"


async def test_an_api_that_refuses_does_not_hurt() -> None:
    refused = []

    class Refusing(Api):
        async def create(self, res: object, obj: Any) -> Any:
            refused.append(obj)
            raise errors.Forbidden({"message": "no"}, 403)

    recorder = Recorder(Refusing(), "kubelet", "n")
    recorder.event(POD, "Normal", "Pulled", "image")
    await recorder.close()
    assert refused
