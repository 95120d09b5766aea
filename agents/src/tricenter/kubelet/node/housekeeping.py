"""Keeps the disk from filling: rotates logs of containers, removes images that no container uses."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cri_api.v1 import api_pb2 as cri

from tricenter.apimachinery import quantity, times
from tricenter.kubelet.config import Config
from tricenter.kubelet.cri import labels
from tricenter.kubelet.cri.client import CriError, Runtime
from tricenter.kubelet.node import machine

_PAUSE_SECONDS = 30.0
# An image that was just pulled or used is about to be used.
_YOUNG_SECONDS = 120.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LogFile:
    """A container's current log."""

    path: Path
    uid: str
    container: str
    attempt: int


class Housekeeping:
    """Looks every half minute."""

    def __init__(self, config: Config, runtime: Runtime, used: Mapping[str, float]) -> None:
        self._config = config
        self._runtime = runtime
        self._used = used
        self._limit = quantity.to_int(config.container_log_max_size)

    async def run(self) -> None:
        """Clean up for ever."""
        while True:
            await asyncio.sleep(_PAUSE_SECONDS)
            try:
                for log in await asyncio.to_thread(large_logs, self._config.pod_logs_dir, self._limit):
                    await self._rotate(log)
                await self._remove_images()
            except (CriError, OSError) as error:
                _log.warning("cannot clean up: %s", error)

    async def _rotate(self, log: LogFile) -> None:
        selector = {labels.POD_UID: log.uid, labels.CONTAINER_NAME: log.container}
        found = [item for item in await self._runtime.containers(selector) if item.metadata.attempt == log.attempt]
        if not found or found[0].state != cri.CONTAINER_RUNNING:
            return
        archive = rotated_name(log.path, times.now())
        log.path.rename(archive)
        try:
            await self._runtime.reopen_log(found[0].id)
        except CriError:
            archive.rename(log.path)
            raise
        for old in surplus_logs(log.path, self._config.container_log_max_files):
            old.unlink(missing_ok=True)

    async def _remove_images(self) -> None:
        """Remove unused images, the longest unused first, until the disk has room again."""
        place = Path(await self._runtime.image_folder())
        if self._fullness(place) < self._config.image_gc_high_percent:
            return
        images, containers = await asyncio.gather(self._runtime.images(), self._runtime.containers())
        names = {name for item in containers for name in (item.image.image, item.image_ref)}
        for image in removable(images, names, self._used, times.now().timestamp()):
            _log.info("removing an unused image: %s", ", ".join(image.repo_tags) or image.id)
            await self._runtime.remove_image(image.id)
            if self._fullness(place) < self._config.image_gc_low_percent:
                return

    def _fullness(self, place: Path) -> float:
        return 100 * (1 - machine.disk_free(place)[0])


def large_logs(folder: Path, limit: int) -> list[LogFile]:
    """Current logs that are larger than `limit` bytes."""
    found = []
    for path in folder.glob("*/*/*.log"):
        if path.stem.isdecimal() and path.stat().st_size > limit:
            uid = path.parts[-3].rsplit("_", 1)[-1]
            found.append(LogFile(path=path, uid=uid, container=path.parts[-2], attempt=int(path.stem)))
    return found


def rotated_name(path: Path, now: datetime) -> Path:
    """`0.log` becomes `0.log.20260102-030405`, as upstream names it."""
    return path.with_name(f"{path.name}.{now:%Y%m%d-%H%M%S}")


def surplus_logs(path: Path, most: int) -> list[Path]:
    """Rotated logs beyond the newest ones; the current log counts as one of `most`."""
    archives = sorted(path.parent.glob(f"{path.name}.*"), reverse=True)
    return archives[max(0, most - 1) :]


def removable(images: Iterable[cri.Image], in_use: set[str], used: Mapping[str, float], now: float) -> list[cri.Image]:
    """Images that no container uses and nobody asked for lately, the longest unused first."""
    found = [
        image
        for image in images
        if not image.pinned
        and not in_use.intersection([image.id, *image.repo_tags, *image.repo_digests])
        and now - used.get(image.id, 0.0) > _YOUNG_SECONDS
    ]
    return sorted(found, key=lambda image: used.get(image.id, 0.0))
