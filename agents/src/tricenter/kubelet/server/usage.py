"""What the node, its pods and its containers use, sampled from control groups and the runtime.

The node and pods are read from their control groups (v1: one hierarchy a controller; v2: one for all), containers come
from the runtime (CRI ListContainerStats), which reads theirs. Memory is the working set, as everywhere in Kubernetes:
what is used without the file pages that nobody has touched for long. A rate needs two samples: the
sampler keeps the last two.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tricenter.kubelet.cri import labels
from tricenter.kubelet.cri.client import CriError, Runtime
from tricenter.kubelet.pods import cgroups

_PERIOD_SECONDS = 10.0
_KIBI = 1024

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Usage:
    """One look."""

    at: float
    """Seconds since the epoch."""
    cpu: int
    """Nanoseconds of processor time since the beginning."""
    memory: int
    """Bytes used."""
    working_set: int
    """Bytes used without inactive file pages."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A container of a pod; without a container's name the pod itself."""

    namespace: str
    pod: str
    uid: str
    container: str = ""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Everything at about one time."""

    node: Usage | None = None
    parts: Mapping[Reference, Usage] = field(default_factory=dict)
    failed: bool = False


def rate(before: Usage | None, now: Usage) -> int | None:
    """Nanoseconds of processor time a second between two looks; None where nothing can be said."""
    if before is None or now.at <= before.at or now.cpu < before.cpu:  # less: it was started anew
        return None
    return round((now.cpu - before.cpu) / (now.at - before.at))


class Sampler:
    """Looks every few seconds."""

    def __init__(self, runtime: Runtime, root: Path = cgroups.ROOT) -> None:
        self._runtime = runtime
        self._root = root
        self.before = Sample()
        self.now = Sample()

    async def run(self) -> None:
        """Sample for ever."""
        while True:
            self.before, self.now = self.now, await self.sample()
            await asyncio.sleep(_PERIOD_SECONDS)

    async def sample(self) -> Sample:
        """One look at everything."""
        parts: dict[Reference, Usage] = {}
        failed = False
        try:
            found = await self._runtime.container_stats()
        except CriError as error:
            _log.warning("cannot read what containers use: %s", error)
            found, failed = [], True
        for item in found:
            if not item.cpu.timestamp:  # it has ended
                continue
            names = item.attributes.labels
            pod = Reference(
                namespace=names[labels.POD_NAMESPACE], pod=names[labels.POD_NAME], uid=names[labels.POD_UID]
            )
            name = names.get(labels.CONTAINER_NAME, item.attributes.metadata.name)
            container = Reference(namespace=pod.namespace, pod=pod.pod, uid=pod.uid, container=name)
            parts[container] = Usage(
                at=item.cpu.timestamp / 1e9,
                cpu=item.cpu.usage_core_nano_seconds.value,
                memory=item.memory.usage_bytes.value,
                working_set=item.memory.working_set_bytes.value,
            )
            if pod not in parts and (usage := pod_usage(pod.uid, self._root)) is not None:
                parts[pod] = usage
        return Sample(node=node_usage(self._root), parts=parts, failed=failed)


def node_usage(root: Path = cgroups.ROOT, meminfo: Path = Path("/proc/meminfo")) -> Usage | None:
    """The whole machine."""
    if not _unified(root):
        return _v1(root / "cpuacct", root / "memory")
    usage = _v2(root)
    if usage is None and (cpu := _cpu_v2(root)) is not None:
        # the root group of a machine has no memory of its own; the kernel counts it elsewhere
        facts = _facts(meminfo)
        used = (facts.get("MemTotal:", 0) - facts.get("MemFree:", 0)) * _KIBI
        inactive = _facts(root / "memory.stat").get("inactive_file", facts.get("Inactive(file):", 0) * _KIBI)
        usage = Usage(at=time.time(), cpu=cpu, memory=used, working_set=max(0, used - inactive))
    return usage


def pod_usage(uid: str, root: Path = cgroups.ROOT) -> Usage | None:
    """A pod with all its containers and its sandbox; None where it has no control group."""
    for folder in cgroups.folders(uid):
        usage = _v2(root / folder) if _unified(root) else _v1(root / "cpuacct" / folder, root / "memory" / folder)
        if usage is not None:
            return usage
    return None


def _unified(root: Path) -> bool:
    return (root / "cgroup.controllers").exists()


def _v1(cpu: Path, memory: Path) -> Usage | None:
    spent, used = _number(cpu / "cpuacct.usage"), _number(memory / "memory.usage_in_bytes")
    if spent is None or used is None:
        return None
    inactive = _facts(memory / "memory.stat").get("total_inactive_file", 0)
    return Usage(at=time.time(), cpu=spent, memory=used, working_set=max(0, used - inactive))


def _v2(folder: Path) -> Usage | None:
    spent, used = _cpu_v2(folder), _number(folder / "memory.current")
    if spent is None or used is None:
        return None
    inactive = _facts(folder / "memory.stat").get("inactive_file", 0)
    return Usage(at=time.time(), cpu=spent, memory=used, working_set=max(0, used - inactive))


def _cpu_v2(folder: Path) -> int | None:
    spent = _facts(folder / "cpu.stat").get("usage_usec")
    return None if spent is None else spent * 1000


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _facts(path: Path) -> dict[str, int]:
    """Lines of a name and a number; nothing where there is no file."""
    try:
        words = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return {}
    return {line[0]: int(line[1]) for line in words if len(line) > 1 and line[1].isdigit()}
