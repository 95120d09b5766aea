"""Sets up, refreshes and removes the volumes of pods."""

import errno
import os
import shutil
from pathlib import Path
from typing import Any

from tricenter.apimachinery import quantity
from tricenter.kubelet.objects import Objects
from tricenter.kubelet.pods import fields, spec
from tricenter.kubelet.pods.paths import Paths
from tricenter.kubelet.volumes import atomic, mounts, projected
from tricenter.kubelet.volumes.projected import VolumeError

Object = dict[str, Any]

_PROJECTED = {
    "configMap": "kubernetes.io~configmap",
    "secret": "kubernetes.io~secret",
    "downwardAPI": "kubernetes.io~downward-api",
    "projected": "kubernetes.io~projected",
}
EMPTY_DIR = "kubernetes.io~empty-dir"


class Volumes:
    """The volumes of this node's pods."""

    def __init__(self, paths: Paths, objects: Objects) -> None:
        self._paths = paths
        self._objects = objects

    async def prepare(self, pod: Object, context: fields.Context) -> dict[str, Path]:
        """Make all volumes of a pod ready, or renew their content; returns where each one is. Raises VolumeError."""
        found = {}
        for volume in pod["spec"].get("volumes") or []:
            try:
                found[volume["name"]] = await self._one(pod, volume, context)
            except OSError as error:
                raise VolumeError(f'volume "{volume["name"]}": {error}') from error
        return found

    def remove(self, uid: str) -> None:
        """Unmount and delete everything of a pod. Raises OSError."""
        folder = self._paths.pod(uid)
        for point in mounts.mounts_below(folder):
            mounts.unmount(point)
        # a part of a hostPath volume is the machine's own data
        if left := mounts.mounts_below(folder):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(left[0]))
        if folder.exists():
            shutil.rmtree(folder)

    def uids(self) -> set[str]:
        """The pods that have a folder."""
        return {entry.name for entry in self._paths.pods.iterdir()} if self._paths.pods.is_dir() else set()

    async def _one(self, pod: Object, volume: Object, context: fields.Context) -> Path:
        group = (pod["spec"].get("securityContext") or {}).get("fsGroup")
        if "hostPath" in volume:
            return host_path(volume["hostPath"])
        if "emptyDir" in volume:
            return self._empty_dir(spec.uid(pod), volume["name"], volume["emptyDir"] or {}, group)
        kind = next((name for name in _PROJECTED if name in volume), None)
        if kind is None:
            raise VolumeError(f'volume "{volume["name"]}": no volume plugin matched {sorted(set(volume) - {"name"})}')
        objects = self._objects
        sources = projected.Sources(lookup=objects.lookup, token=objects.token, context=context)
        files = await projected.files(pod, volume, sources)
        target = self._paths.volume(spec.uid(pod), _PROJECTED[kind], volume["name"])
        target.mkdir(parents=True, exist_ok=True)
        # what may be secret stays in memory
        if kind != "configMap" and not mounts.is_mounted(target):
            mounts.mount_tmpfs(target)
        atomic.write(target, files, group=group, owner=_token_owner(pod, volume))
        return target

    def _empty_dir(self, uid: str, name: str, source: Object, group: int | None) -> Path:
        target = self._paths.volume(uid, EMPTY_DIR, name)
        memory = source.get("medium") == "Memory"
        # the folder of one in memory outlives a restart of the machine, its content does not
        if target.exists() and (not memory or mounts.is_mounted(target)):
            return target
        target.mkdir(parents=True, exist_ok=True)
        if memory:
            size = quantity.to_int(source["sizeLimit"]) if source.get("sizeLimit") else 0
            mounts.mount_tmpfs(target, size=size, mode="0777")
        target.chmod(0o777)
        if group is not None:
            os.chown(target, -1, group)
            target.chmod(0o2777)
        return target


def host_path(source: Object) -> Path:
    """A path of the machine, checked or made by its type. Raises VolumeError."""
    path, kind = Path(source["path"]), source.get("type") or ""
    if kind == "DirectoryOrCreate":
        path.mkdir(parents=True, exist_ok=True)
    elif kind == "FileOrCreate":
        path.touch(exist_ok=True)
    elif not kind:
        # the runtime would make a missing folder anyway; made here it has a mode we know
        if not path.exists():
            path.mkdir(parents=True)
        return path
    checks = {
        "Directory": Path.is_dir,
        "DirectoryOrCreate": Path.is_dir,
        "File": Path.is_file,
        "FileOrCreate": Path.is_file,
        "Socket": Path.is_socket,
        "CharDevice": Path.is_char_device,
        "BlockDevice": Path.is_block_device,
    }
    if not checks[kind](path):
        raise VolumeError(f"hostPath type check failed: {path} is not a {kind}")
    return path


def _token_owner(pod: Object, volume: Object) -> int | None:
    """A token belongs to the user of the pod's containers where they all have the same (KEP-2451)."""
    sources = (volume.get("projected") or {}).get("sources") or []
    if not any("serviceAccountToken" in item for item in sources):
        return None
    shared = (pod["spec"].get("securityContext") or {}).get("runAsUser")
    users = {(item.get("securityContext") or {}).get("runAsUser", shared) for item in spec.all_containers(pod)}
    return users.pop() if len(users) == 1 else None
