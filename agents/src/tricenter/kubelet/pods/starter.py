"""Starts sandboxes and containers of a pod."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cri_api.v1 import api_pb2 as cri

from tricenter.client import errors
from tricenter.client.events import NORMAL, WARNING
from tricenter.kubelet.cri.client import CriError, Runtime
from tricenter.kubelet.cri.records import ContainerRecord, PodRecord, SandboxRecord
from tricenter.kubelet.objects import Objects
from tricenter.kubelet.pods import container as container_config
from tricenter.kubelet.pods import env, hosts, sandbox, spec
from tricenter.kubelet.pods.hooks import HookError, Hooks
from tricenter.kubelet.pods.images import ImageError, Images
from tricenter.kubelet.pods.node import PodNode
from tricenter.kubelet.pods.paths import Paths
from tricenter.kubelet.pods.security import SecurityError
from tricenter.kubelet.pods.state import PodState
from tricenter.kubelet.recording import Record
from tricenter.kubelet.volumes import subpaths
from tricenter.kubelet.volumes.manager import Volumes
from tricenter.kubelet.volumes.projected import VolumeError

Object = dict[str, Any]

ETC_HOSTS = "/etc/hosts"

_log = logging.getLogger(__name__)


class StartError(Exception):
    """A container could not be started; `reason` is what its status says."""

    def __init__(self, reason: str, message: str, *, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after = retry_after


@dataclass(frozen=True, kw_only=True)
class _Order:
    """A container to make."""

    pod: Object
    container: Object
    attempt: int
    addresses: tuple[str, ...]
    volumes: dict[str, Path]
    target: str = ""
    """The id of the container that an ephemeral one looks into."""


class Starter:
    """Makes sandboxes and containers."""

    def __init__(
        self,
        *,
        runtime: Runtime,
        images: Images,
        volumes: Volumes,
        objects: Objects,
        hooks: Hooks,
        node: PodNode,
        paths: Paths,
        record: Record,
    ) -> None:
        self._runtime = runtime
        self._images = images
        self._volumes = volumes
        self._objects = objects
        self._hooks = hooks
        self._node = node
        self._paths = paths
        self._record = record

    async def sandbox(self, pod: Object, attempt: int) -> None:
        """Make and start a sandbox. Raises CriError."""
        config = sandbox.config(pod, self._node.sandbox(), attempt)
        _make_folder(config.log_directory)
        try:
            await self._runtime.run_sandbox(config, _handler(pod))
        except CriError as error:
            message = f"Failed to create pod sandbox: {error}"
            self._record(pod, WARNING, "FailedCreatePodSandBox", message)
            raise

    async def volumes(self, pod: Object, addresses: tuple[str, ...]) -> dict[str, Path]:
        """Make or renew the pod's volumes. Raises StartError."""
        try:
            return await self._volumes.prepare(pod, self._node.context(addresses))
        except (VolumeError, errors.ClientError) as error:
            message = f"MountVolume.SetUp failed: {error}"
            self._record(pod, WARNING, "FailedMount", message)
            raise StartError("ContainerCreating", "", retry_after=2.0) from error

    async def container(self, state: PodState, container: Object, record: PodRecord, volumes: dict[str, Path]) -> str:
        """Create and start a container in the pod's newest sandbox; returns its id. Raises StartError or CriError."""
        pod, place = state.pod, record.sandbox
        if place is None:
            raise StartError("ContainerCreating", "", retry_after=0.1)
        last = record.latest(container["name"])
        attempt = last.attempt + 1 if last else 0
        parent = sandbox.config(pod, self._node.sandbox(), place.attempt)
        try:
            image = await self._images.ensure(pod, container, parent)
        except ImageError as error:
            raise StartError(error.reason, str(error), retry_after=error.retry_after) from error
        order = _Order(
            pod=pod,
            container=container,
            attempt=attempt,
            addresses=place.addresses,
            volumes=volumes,
            target=_target(container, record),
        )
        config = await self._config(order, image)
        identity = await self._create(pod, container, config, place, parent)
        await self._start(pod, container, identity)
        await self._post_start(pod, container, identity, place)
        return identity

    async def _config(self, order: _Order, image: cri.Image) -> cri.ContainerConfig:
        pod, container = order.pod, order.container
        services = self._node.services() or []
        links = pod["spec"].get("enableServiceLinks") is not False
        try:
            variables = await env.container_variables(
                pod,
                container,
                services=env.service_variables(services, spec.namespace(pod), links=links),
                lookup=self._objects.lookup,
                context=self._node.context(order.addresses),
            )
            return container_config.config(
                pod,
                container,
                image=image,
                attempt=order.attempt,
                variables=variables,
                mounts=self._mounts(order, variables),
                machine_memory=self._node.machine_memory,
                target=order.target,
            )
        # ValueError: bytes of a Secret that no path or message of the runtime can hold
        except (env.EnvError, SecurityError, VolumeError, errors.ClientError, OSError, ValueError) as error:
            self._record(pod, WARNING, "Failed", f"Error: {error}")
            raise StartError("CreateContainerConfigError", str(error), retry_after=5.0) from error

    def _mounts(self, order: _Order, variables: dict[str, str]) -> list[cri.Mount]:
        container, volumes = order.container, order.volumes
        uid, found = spec.uid(order.pod), []
        for index, entry in enumerate(container.get("volumeMounts") or []):
            if entry["name"] not in volumes:
                raise VolumeError(f'volume "{entry["name"]}" of a mount does not exist')
            source = volumes[entry["name"]]
            if part := container_config.sub_path(entry, variables):
                place = self._paths.sub_path(uid, entry["name"], container["name"], index)
                source = subpaths.bind(source, part, place)
            found.append(container_config.mount(entry, str(source)))
        taken = {item.container_path.rstrip("/") for item in found}
        if ETC_HOSTS not in taken:
            found.append(cri.Mount(container_path=ETC_HOSTS, host_path=str(self._hosts(order.pod, order.addresses))))
        log = self._paths.termination_log(uid, container["name"], order.attempt)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        log.chmod(0o666)
        target = container.get("terminationMessagePath") or container_config.TERMINATION_LOG
        if target not in taken:
            found.append(cri.Mount(container_path=target, host_path=str(log)))
        return found

    def _hosts(self, pod: Object, addresses: tuple[str, ...]) -> Path:
        path = self._paths.hosts(spec.uid(pod))
        path.parent.mkdir(parents=True, exist_ok=True)
        machine = Path(ETC_HOSTS).read_text() if spec.host_network(pod) else None
        name = sandbox.hostname(pod)
        path.write_text(hosts.content(pod, addresses, name, self._node.config.cluster_domain, machine))
        path.chmod(0o644)
        return path

    async def _create(
        self,
        pod: Object,
        container: Object,
        config: cri.ContainerConfig,
        place: SandboxRecord,
        parent: cri.PodSandboxConfig,
    ) -> str:
        try:
            identity = await self._runtime.create_container(place.id, config, parent)
        except CriError as error:
            if error.unavailable:
                raise
            self._record(pod, WARNING, "Failed", f"Error: {error}")
            raise StartError("CreateContainerError", str(error), retry_after=5.0) from error
        self._record(pod, NORMAL, "Created", f"Created container: {container['name']}")
        return identity

    async def _start(self, pod: Object, container: Object, identity: str) -> None:
        try:
            await self._runtime.start_container(identity)
        except CriError as error:
            if error.unavailable:
                raise
            self._record(pod, WARNING, "Failed", f"Error: {error}")
            raise StartError("RunContainerError", str(error)) from error
        self._record(pod, NORMAL, "Started", f"Started container {container['name']}")

    async def _post_start(self, pod: Object, container: Object, identity: str, place: SandboxRecord) -> None:
        hook = (container.get("lifecycle") or {}).get("postStart")
        if not hook:
            return
        address = next(iter(place.addresses), "127.0.0.1")
        try:
            await self._hooks.run(hook, container, identity, address)
        except HookError as error:
            self._record(pod, WARNING, "FailedPostStartHook", f"PostStartHook failed: {error}")
            await self._runtime.stop_container(identity, spec.grace_seconds(pod))
            raise StartError("PostStartHookError", str(error)) from error

    def last_words(self, pod: Object, record: ContainerRecord) -> str:
        """The termination message of an ended container: its file, else (by policy) the end of its log."""
        path = self._paths.termination_log(spec.uid(pod), record.name, record.attempt)
        text = _tail(path, 4096) if path.is_file() else ""
        if not text and record.failed and record.termination_policy == "FallbackToLogsOnError" and record.log_path:
            lines = _tail(Path(record.log_path), 16_384).splitlines()[-80:]
            text = "\n".join(line.split(" ", 3)[-1] for line in lines)[-2048:]
        return text

    def discard(self, pod: Object, record: ContainerRecord) -> None:
        """Remove the files of a container that the runtime has no more: last words and logs, also rotated ones."""
        self._paths.termination_log(spec.uid(pod), record.name, record.attempt).unlink(missing_ok=True)
        if record.log_path:
            log = Path(record.log_path)
            for path in (log, *log.parent.glob(f"{log.name}.*")):
                path.unlink(missing_ok=True)


def _target(container: Object, record: PodRecord) -> str:
    """The running container that an ephemeral one names, by its id. Raises StartError while it does not run."""
    name = container.get("targetContainerName")
    if not name:
        return ""
    found = record.current(name)
    if found is None or not found.running:
        raise StartError("CreateContainerConfigError", f'unable to find target container "{name}"', retry_after=2.0)
    return found.id


def failed_at(state: PodState, name: str) -> None:
    """Note that a container failed before it ran."""
    state.failures[name] = time.time()


def _make_folder(path: str) -> None:
    Path(path).mkdir(parents=True, exist_ok=True)


def _tail(path: Path, size: int) -> str:
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - size))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def _handler(pod: Object) -> str:
    """The runtime's handler of the pod; a RuntimeClass of that name must be configured in containerd."""
    return str(pod["spec"].get("runtimeClassName") or "")
