"""Runs the probes of all running containers, a task each, and keeps their verdicts."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tricenter.client.events import WARNING
from tricenter.kubelet.cri.records import ContainerRecord, PodRecord
from tricenter.kubelet.pods import spec
from tricenter.kubelet.probes import results
from tricenter.kubelet.probes.checks import Checks
from tricenter.kubelet.probes.results import FIELDS, KINDS, Kind, Verdict
from tricenter.kubelet.recording import Record

Object = dict[str, Any]

_KILLING: tuple[Kind, ...] = ("startup", "liveness")


@dataclass
class _Probed:
    """One running container with probes."""

    uid: str
    verdicts: dict[Kind, Verdict]
    started: asyncio.Event
    words: dict[Kind, str] = field(default_factory=dict)
    tasks: dict[Kind, asyncio.Task[None]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Target:
    """What a probe asks."""

    pod: Object
    container: Object
    record: ContainerRecord
    address: str


class Prober:
    """The verdicts of all probes by container id; containers without probes are started, ready and alive."""

    def __init__(self, checks: Checks, record: Record, changed: Callable[[str], None]) -> None:
        self._checks = checks
        self._record = record
        self._changed = changed
        self._probed: dict[str, _Probed] = {}

    def started(self, container: str) -> bool:
        """Whether the startup probe succeeded, or there is none."""
        return self._ok(container, "startup")

    def ready(self, container: str) -> bool:
        """Whether the readiness probe succeeded, or there is none."""
        return self._ok(container, "readiness")

    def must_die(self, container: str) -> str | None:
        """Why a liveness or startup probe wants the container restarted."""
        found = self._probed.get(container)
        for kind in _KILLING if found else ():
            verdict = found.verdicts.get(kind) if found else None
            if verdict and not verdict.ok and verdict.last is False and verdict.run >= verdict.failure_threshold:
                return f"Container failed {kind} probe, will be restarted"
        return None

    def update(self, pod: Object, record: PodRecord) -> None:
        """Begin with containers that run now, end with those that do not any more."""
        definitions = {item["name"]: item for item in spec.all_containers(pod)}
        running = {item.id for item in record.running}
        for item in record.running:
            definition = definitions.get(item.name)
            if definition and item.id not in self._probed and any(FIELDS[kind] in definition for kind in KINDS):
                self._begin(pod, definition, item, next(iter(record.addresses), ""))
        for container, probed in list(self._probed.items()):
            if probed.uid == record.uid and container not in running:
                self._end(container)

    def stop_liveness(self, uid: str) -> None:
        """The pod is to stop: nothing shall be restarted any more."""
        for probed in self._probed.values():
            if probed.uid == uid:
                for kind in _KILLING:
                    if task := probed.tasks.pop(kind, None):
                        task.cancel()

    def forget(self, uid: str) -> None:
        """End all probes of a pod."""
        for container in [key for key, probed in self._probed.items() if probed.uid == uid]:
            self._end(container)

    def close(self) -> None:
        """End all probes: the kubelet ends."""
        for container in list(self._probed):
            self._end(container)

    def _ok(self, container: str, kind: Kind) -> bool:
        found = self._probed.get(container)
        verdict = found.verdicts.get(kind) if found else None
        return verdict is None or verdict.ok

    def _begin(self, pod: Object, definition: Object, item: ContainerRecord, address: str) -> None:
        probes = {kind: definition[FIELDS[kind]] for kind in KINDS if FIELDS[kind] in definition}
        verdicts = {kind: results.initial(probe, kind) for kind, probe in probes.items()}
        # what was found before the kubelet was restarted holds until something else is found
        for kind in known_before(pod, item.id):
            if kind in verdicts:
                verdicts[kind].ok = True
        probed = _Probed(uid=spec.uid(pod), verdicts=verdicts, started=asyncio.Event())
        if "startup" not in probes or verdicts["startup"].ok:
            probed.started.set()
            probes.pop("startup", None)
        self._probed[item.id] = probed
        for kind, probe in probes.items():
            work = self._follow(_Target(pod, definition, item, address or "127.0.0.1"), probe, kind)
            probed.tasks[kind] = asyncio.create_task(work, name=f"{kind} {item.name}")

    def _end(self, container: str) -> None:
        for task in self._probed.pop(container).tasks.values():
            task.cancel()

    async def _follow(self, target: _Target, probe: Object, kind: Kind) -> None:
        item = target.record
        probed, period = self._probed[item.id], probe.get("periodSeconds") or 10
        if kind != "startup":
            await probed.started.wait()
        age = time.time() - item.started / 1e9
        await asyncio.sleep(max(0.0, (probe.get("initialDelaySeconds") or 0) - age))
        if age > period:  # after a restart of the kubelet not all containers shall be asked at once
            await asyncio.sleep(random.uniform(0, period))  # noqa: S311
        while True:
            good, words = await self._checks.check(probe, target.container, item.id, target.address)
            verdict = probed.verdicts[kind]
            if not good:
                title = kind.capitalize()
                self._record(target.pod, WARNING, "Unhealthy", f"{title} probe failed: {words}")
            if verdict.answer(good):
                if kind == "startup" and good:
                    probed.started.set()
                self._changed(probed.uid)
                if kind == "startup" and good:
                    return
            await asyncio.sleep(period)


def known_before(pod: Object, container: str) -> list[Kind]:
    """The probes that this very container had passed according to the status that the API has."""
    status = pod.get("status") or {}
    for item in (*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])):
        if str(item.get("containerID", "")).endswith(f"//{container}"):
            passed: dict[Kind, bool] = {"startup": bool(item.get("started")), "readiness": bool(item.get("ready"))}
            return [kind for kind, found in passed.items() if found]
    return []
