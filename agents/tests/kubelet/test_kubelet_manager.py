"""Pods that go and come back; the runtime here knows nothing, and stopping takes as long as the test wants."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tricenter.kubelet.cri.records import PodRecord
from tricenter.kubelet.pods.manager import Pods


class Runs:
    """Plays the worker: what was run and stopped, in this order."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.may_stop = asyncio.Event()

    async def run(self, _state: Any) -> None:
        self.done.append("run")

    async def stop(self, _state: Any) -> None:
        self.done.append("stop")
        await self.may_stop.wait()

    def forget(self, _state: Any) -> None:
        self.done.append("forget")


def pods(worker: Runs, logs: Path) -> Any:
    async def record(uid: str) -> PodRecord:
        return PodRecord(uid=uid)

    config = SimpleNamespace(max_pods=1, resync_seconds=60.0, pod_logs_dir=logs)
    parts: Any = {
        "observer": SimpleNamespace(pod=record),
        "worker": worker,
        "volumes": SimpleNamespace(remove=lambda _uid: None),
        "objects": SimpleNamespace(forget=lambda _uid: None),
        "node": SimpleNamespace(config=config),
    }
    return Pods(api=None, runtime=None, statuses=None, sources_ready=lambda: True, **parts)  # type: ignore[arg-type]


async def until(worker: Runs, *done: str) -> None:
    async with asyncio.timeout(5):
        while worker.done != list(done):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("again", [True, False])
async def test_a_static_pod_that_is_put_back_while_it_stops_runs_anew(tmp_path: Path, again: bool) -> None:
    """Its uid is that of its manifest, so it comes back under the uid of the pod that is still going."""
    worker, pod = Runs(), {"metadata": {"uid": "u", "name": "p", "namespace": "n"}, "spec": {"containers": []}}
    known = pods(worker, tmp_path)
    working = asyncio.create_task(known.run())
    known.put(pod)
    await until(worker, "run")
    known.drop("u")
    await until(worker, "run", "stop")
    known.put(pod)
    if not again:
        known.drop("u")
    worker.may_stop.set()
    await until(worker, "run", "stop", "forget", *(["run"] if again else []))
    assert ("u" in known.states) is again
    working.cancel()
    await asyncio.wait({working})
