"""Static pods: manifests in a folder of the machine, which run without an API server (upstream's staticPodPath).

A manifest's change is a new pod: its uid is a digest of its content and the node's name. While the API answers, a
mirror pod shows each one to its users; deleting the mirror does not stop the pod.
"""

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import yaml

from tricenter.apimachinery import defaults, kinds, mirrorpods, names
from tricenter.client import Client, errors, resources
from tricenter.kubelet.pods import spec

Object = dict[str, Any]

_SCAN_SECONDS = 2.0
_MIRROR_SECONDS = 20.0

_log = logging.getLogger(__name__)


class ManifestError(Exception):
    """A manifest cannot be used; the message says which and why."""


def static_pod(text: bytes, path: Path, node: str) -> Object:
    """The pod of a manifest as it runs on this node. Raises ManifestError."""
    try:
        return _static_pod(yaml.safe_load(text), text, path, node)
    except (yaml.YAMLError, RecursionError) as error:
        raise ManifestError(f"{path}: {error}") from error
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ManifestError(f"{path}: its fields are not those of a Pod: {error}") from error


def _static_pod(pod: Any, text: bytes, path: Path, node: str) -> Object:
    if not isinstance(pod, dict) or pod.get("kind") != "Pod" or pod.get("apiVersion") != "v1":
        raise ManifestError(f"{path}: a manifest here must be a v1 Pod")
    digest = hashlib.sha256(node.encode() + b"\0" + str(path).encode() + b"\0" + text).hexdigest()[:32]
    metadata = pod.setdefault("metadata", {})
    metadata["name"] = f"{metadata.get('name', path.stem)}-{node}".lower()
    metadata.setdefault("namespace", "default")
    annotations = {spec.CONFIG_SOURCE: "file", spec.CONFIG_HASH: digest}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **annotations}
    pod.setdefault("spec", {})["nodeName"] = node
    # no taint evicts a pod that the machine itself wants
    pod["spec"].setdefault("tolerations", []).append({"operator": "Exists", "effect": "NoExecute"})
    kind = kinds.by_kind("", "v1", "Pod")
    if kind is None:
        raise ManifestError(f"{path}: this build has no definition of Pod")
    defaults.apply(kind, pod)
    metadata["uid"] = digest
    wrong = [*names.dns_subdomain(metadata["name"]), *names.dns_label(metadata["namespace"])]
    wrong += [word for item in pod["spec"]["containers"] for word in names.dns_label(item["name"])]
    if wrong or not all(isinstance(item["image"], str) for item in pod["spec"]["containers"]):
        raise ManifestError(f"{path}: {'; '.join(wrong) or 'an image is no text'}")
    return dict(pod)


class StaticPods:
    """Follows a folder and tells of pods that come and go."""

    def __init__(self, folder: Path, node: str, put: Callable[[Object], None], drop: Callable[[str], None]) -> None:
        self._folder = folder
        self._node = node
        self._put = put
        self._drop = drop
        self._files: dict[Path, tuple[float, int]] = {}
        self.pods: dict[Path, Object] = {}
        self.scanned = False

    async def run(self) -> None:
        """Look at the folder every few seconds, for ever."""
        while True:
            self.scan()
            await asyncio.sleep(_SCAN_SECONDS)

    def scan(self) -> None:
        """Compare the folder with what runs."""
        found = {}
        for path in sorted(self._folder.glob("*")) if self._folder.is_dir() else []:
            if path.suffix in (".yaml", ".yml", ".json") and not path.name.startswith("."):
                with contextlib.suppress(FileNotFoundError):  # an editor's file, gone since the folder was read
                    stat = path.stat()
                    found[path] = (stat.st_mtime, stat.st_size)
        for path in [path for path in self._files if path not in found]:
            self._remove(path)
        for path, stamp in found.items():
            if self._files.get(path) != stamp:
                self._files[path] = stamp
                self._load(path)
        self._files = found
        self.scanned = True

    def _load(self, path: Path) -> None:
        try:
            pod = static_pod(path.read_bytes(), path, self._node)
        except (ManifestError, OSError) as error:
            _log.error("static pod refused: %s", error)
            return
        old = self.pods.get(path)
        if old and spec.uid(old) != spec.uid(pod):
            self._drop(spec.uid(old))
        self.pods[path] = pod
        self._put(pod)

    def _remove(self, path: Path) -> None:
        if (pod := self.pods.pop(path, None)) is not None:
            self._drop(spec.uid(pod))


class Mirrors:
    """Keeps a mirror pod in the API for every static pod."""

    def __init__(self, api: Client, static: StaticPods, known: Callable[[], list[Object]]) -> None:
        self._api = api
        self._static = static
        self._known = known
        self._refused: dict[str, str] = {}

    async def run(self) -> None:
        """Compare every now and then, for ever."""
        while True:
            try:
                await self._sync()
            except errors.ClientError as error:
                _log.info("mirror pods: %s", error)
            await asyncio.sleep(_MIRROR_SECONDS)

    async def _sync(self) -> None:
        mirrors = {spec.key(pod): pod for pod in self._known() if mirrorpods.is_mirror(pod)}
        wanted = {spec.key(pod): pod for pod in self._static.pods.values()}
        for key, mirror in mirrors.items():
            pod = wanted.get(key)
            if pod is None or mirror["metadata"]["annotations"][mirrorpods.MIRROR] != spec.uid(pod):
                await self._each(key, self._delete(mirror))
        for key, pod in wanted.items():
            if key not in mirrors:
                await self._each(key, self._create(pod))
        self._refused = {key: words for key, words in self._refused.items() if key in wanted or key in mirrors}

    async def _each(self, key: str, work: Awaitable[None]) -> None:
        """What the API refuses for one pod is told once, and is not the others' matter. Raises errors.Unreachable."""
        try:
            await work
        except errors.ApiError as error:
            if self._refused.get(key) != str(error):
                _log.warning("its mirror is refused until that is mended: %s", error, extra={"object": key})
            self._refused[key] = str(error)
        else:
            self._refused.pop(key, None)

    async def _delete(self, mirror: Object) -> None:
        uid = spec.uid(mirror)
        await self._api.delete(resources.PODS, spec.name(mirror), spec.namespace(mirror), uid=uid, grace_seconds=0)

    async def _create(self, pod: Object) -> None:
        metadata = {name: value for name, value in pod["metadata"].items() if name != "uid"}
        metadata["annotations"] = {**metadata["annotations"], mirrorpods.MIRROR: spec.uid(pod)}
        try:
            await self._api.create(resources.PODS, {**pod, "metadata": metadata})
        except errors.AlreadyExists:
            return
