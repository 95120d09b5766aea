"""The calls of the Container Runtime Interface v1 that the kubelet needs, over a Unix socket."""

from collections.abc import AsyncIterator, Awaitable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
from cri_api.v1 import api_pb2 as cri
from cri_api.v1 import api_pb2_grpc

T = TypeVar("T")

# A sandbox waits for its network; pulling has no bound but the registry's.
CALL_SECONDS = 120.0
_MESSAGE_BYTES = 16 * 1024 * 1024
# A year; a pod may ask for any int64, but the nanoseconds of gRPC and of containerd end after 292 years: the call
# would be over before it began, and nothing be told to stop.
_LONGEST_GRACE = 365 * 86_400


class CriError(Exception):
    """The runtime refused or failed; the message is the runtime's own."""

    def __init__(self, message: str, *, code: grpc.StatusCode) -> None:
        super().__init__(message)
        self.code = code

    @property
    def not_found(self) -> bool:
        """Whether the container, sandbox or image does not exist."""
        return self.code is grpc.StatusCode.NOT_FOUND

    @property
    def unavailable(self) -> bool:
        """Whether the runtime does not answer."""
        return self.code is grpc.StatusCode.UNAVAILABLE


class Runtime:
    """A connection to the runtime; use as `async with`."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    async def __aenter__(self) -> Self:
        options = [
            ("grpc.max_receive_message_length", _MESSAGE_BYTES),
            # a runtime that restarts is back within a second
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.max_reconnect_backoff_ms", 1000),
        ]
        self._channel = grpc.aio.insecure_channel(self._endpoint, options=options)
        self._runtime: Any = api_pb2_grpc.RuntimeServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._images: Any = api_pb2_grpc.ImageServiceStub(self._channel)  # type: ignore[no-untyped-call]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.close(None)

    async def version(self) -> cri.VersionResponse:
        """Name and version of the runtime."""
        return await _call(self._runtime.Version(cri.VersionRequest(), timeout=10))

    async def conditions(self) -> dict[str, tuple[bool, str]]:
        """The runtime's conditions (RuntimeReady, NetworkReady) with their messages."""
        answer: cri.StatusResponse = await _call(self._runtime.Status(cri.StatusRequest(), timeout=10))
        return {item.type: (item.status, item.message) for item in answer.status.conditions}

    async def run_sandbox(self, config: cri.PodSandboxConfig, handler: str = "") -> str:
        """Create and start a sandbox; returns its id."""
        request = cri.RunPodSandboxRequest(config=config, runtime_handler=handler)
        answer = await _call(self._runtime.RunPodSandbox(request, timeout=CALL_SECONDS))
        return str(answer.pod_sandbox_id)

    async def stop_sandbox(self, sandbox: str) -> None:
        """Stop everything in a sandbox and release its network; may be repeated."""
        await _gone(
            self._runtime.StopPodSandbox(cri.StopPodSandboxRequest(pod_sandbox_id=sandbox), timeout=CALL_SECONDS)
        )

    async def remove_sandbox(self, sandbox: str) -> None:
        """Remove a sandbox and all its containers; may be repeated."""
        request = cri.RemovePodSandboxRequest(pod_sandbox_id=sandbox)
        await _gone(self._runtime.RemovePodSandbox(request, timeout=CALL_SECONDS))

    async def sandboxes(self, labels: Mapping[str, str] | None = None) -> list[cri.PodSandbox]:
        """All sandboxes with these labels."""
        request = cri.ListPodSandboxRequest(filter=cri.PodSandboxFilter(label_selector=labels))
        return list((await _call(self._runtime.ListPodSandbox(request, timeout=CALL_SECONDS))).items)

    async def sandbox_status(self, sandbox: str) -> cri.PodSandboxStatus:
        """State and addresses of a sandbox."""
        request = cri.PodSandboxStatusRequest(pod_sandbox_id=sandbox)
        answer: cri.PodSandboxStatusResponse = await _call(
            self._runtime.PodSandboxStatus(request, timeout=CALL_SECONDS)
        )
        return answer.status

    async def create_container(self, sandbox: str, config: cri.ContainerConfig, parent: cri.PodSandboxConfig) -> str:
        """Create a container in a sandbox whose configuration was `parent`; returns its id."""
        request = cri.CreateContainerRequest(pod_sandbox_id=sandbox, config=config, sandbox_config=parent)
        answer = await _call(self._runtime.CreateContainer(request, timeout=CALL_SECONDS))
        return str(answer.container_id)

    async def start_container(self, container: str) -> None:
        """Start a created container."""
        await _call(
            self._runtime.StartContainer(cri.StartContainerRequest(container_id=container), timeout=CALL_SECONDS)
        )

    async def stop_container(self, container: str, grace: int) -> None:
        """Send the stop signal, after `grace` seconds SIGKILL; may be repeated."""
        grace = min(grace, _LONGEST_GRACE)
        request = cri.StopContainerRequest(container_id=container, timeout=grace)
        await _gone(self._runtime.StopContainer(request, timeout=grace + CALL_SECONDS))

    async def remove_container(self, container: str) -> None:
        """Remove a container; may be repeated."""
        request = cri.RemoveContainerRequest(container_id=container)
        await _gone(self._runtime.RemoveContainer(request, timeout=CALL_SECONDS))

    async def containers(self, labels: Mapping[str, str] | None = None) -> list[cri.Container]:
        """All containers with these labels, in any state."""
        request = cri.ListContainersRequest(filter=cri.ContainerFilter(label_selector=labels))
        return list((await _call(self._runtime.ListContainers(request, timeout=CALL_SECONDS))).containers)

    async def container_status(self, container: str) -> cri.ContainerStatus:
        """Everything about one container."""
        request = cri.ContainerStatusRequest(container_id=container)
        answer: cri.ContainerStatusResponse = await _call(self._runtime.ContainerStatus(request, timeout=CALL_SECONDS))
        return answer.status

    async def exec_sync(self, container: str, command: list[str], seconds: float) -> cri.ExecSyncResponse:
        """Run a command and wait for its end; DEADLINE_EXCEEDED when it takes longer than `seconds`."""
        request = cri.ExecSyncRequest(container_id=container, cmd=command, timeout=max(1, int(seconds)))
        return await _call(self._runtime.ExecSync(request, timeout=seconds + 5))

    async def exec_url(self, request: cri.ExecRequest) -> str:
        """The URL of the runtime's streaming server that runs the command."""
        return str((await _call(self._runtime.Exec(request, timeout=CALL_SECONDS))).url)

    async def attach_url(self, request: cri.AttachRequest) -> str:
        """The URL that streams the container's own input and output."""
        return str((await _call(self._runtime.Attach(request, timeout=CALL_SECONDS))).url)

    async def port_forward_url(self, request: cri.PortForwardRequest) -> str:
        """The URL that connects to ports inside a sandbox."""
        return str((await _call(self._runtime.PortForward(request, timeout=CALL_SECONDS))).url)

    async def reopen_log(self, container: str) -> None:
        """Have the runtime open the container's log file anew, after a rotation."""
        request = cri.ReopenContainerLogRequest(container_id=container)
        await _call(self._runtime.ReopenContainerLog(request, timeout=CALL_SECONDS))

    async def container_stats(self) -> list[cri.ContainerStats]:
        """CPU, memory and disk of all running containers."""
        request = cri.ListContainerStatsRequest()
        return list((await _call(self._runtime.ListContainerStats(request, timeout=CALL_SECONDS))).stats)

    async def set_pod_cidr(self, cidr: str) -> None:
        """Tell a runtime that writes CNI configuration itself the node's range; others ignore it."""
        network = cri.NetworkConfig(pod_cidr=cidr)
        request = cri.UpdateRuntimeConfigRequest(runtime_config=cri.RuntimeConfig(network_config=network))
        await _call(self._runtime.UpdateRuntimeConfig(request, timeout=CALL_SECONDS))

    async def events(self) -> AsyncIterator[cri.ContainerEventResponse]:
        """Containers and sandboxes created, started, stopped and deleted, until the connection breaks (CriError)."""
        stream = self._runtime.GetContainerEvents(cri.GetEventsRequest())
        try:
            async for event in stream:
                yield event
        except grpc.aio.AioRpcError as error:
            raise _error(error) from error
        finally:
            stream.cancel()

    async def image_status(self, image: str) -> cri.Image | None:
        """An image that is present, by any of its names."""
        request = cri.ImageStatusRequest(image=cri.ImageSpec(image=image))
        answer: cri.ImageStatusResponse = await _call(self._images.ImageStatus(request, timeout=CALL_SECONDS))
        return answer.image if answer.HasField("image") else None

    async def pull_image(self, image: str, auth: cri.AuthConfig | None, parent: cri.PodSandboxConfig) -> str:
        """Pull an image; returns its id. Takes as long as it takes."""
        request = cri.PullImageRequest(image=cri.ImageSpec(image=image), auth=auth, sandbox_config=parent)
        return str((await _call(self._images.PullImage(request))).image_ref)

    async def images(self) -> list[cri.Image]:
        """All images present."""
        return list((await _call(self._images.ListImages(cri.ListImagesRequest(), timeout=CALL_SECONDS))).images)

    async def image_folder(self) -> str:
        """Where the runtime keeps images; empty where it does not say."""
        answer: cri.ImageFsInfoResponse = await _call(
            self._images.ImageFsInfo(cri.ImageFsInfoRequest(), timeout=CALL_SECONDS)
        )
        return next((item.fs_id.mountpoint for item in answer.image_filesystems), "")

    async def remove_image(self, image: str) -> None:
        """Remove an image; may be repeated."""
        request = cri.RemoveImageRequest(image=cri.ImageSpec(image=image))
        await _gone(self._images.RemoveImage(request, timeout=CALL_SECONDS))


async def _call(call: Awaitable[T]) -> T:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise _error(error) from error


async def _gone(call: Awaitable[Any]) -> None:
    """Await a call whose aim is reached when its object does not exist."""
    try:
        await _call(call)
    except CriError as error:
        if not error.not_found:
            raise


def _error(error: grpc.aio.AioRpcError) -> CriError:
    return CriError(error.details() or error.code().name, code=error.code())
