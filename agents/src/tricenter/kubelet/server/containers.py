"""Finds the container a request means, and its log."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from cri_api.v1 import api_pb2 as cri

from tricenter.apimachinery import times
from tricenter.kubelet.cri import labels
from tricenter.kubelet.cri.client import CriError, Runtime
from tricenter.kubelet.pods import spec
from tricenter.kubelet.pods.manager import Pods
from tricenter.kubelet.pods.state import PodState
from tricenter.kubelet.server import logs

Object = dict[str, Any]

_WAITING = {
    "ImagePullBackOff": "trying and failing to pull image",
    "ErrImagePull": "image can't be pulled",
}
"""Upstream's words for some reasons (validateContainerLogStatus of pkg/kubelet)."""


def pod_state(pods: Pods, request: web.Request) -> PodState:
    """The pod of the request's path. Raises 404."""
    key = f"{request.match_info['namespace']}/{request.match_info['pod']}"
    state = pods.by_key(key)
    if state is None:
        raise web.HTTPNotFound(text=f"pod {key} is not on this node")
    return state


async def find(runtime: Runtime, pods: Pods, request: web.Request) -> list[cri.Container]:
    """All containers of the name in the request's path, newest first. Raises 404."""
    state, name = pod_state(pods, request), request.match_info["container"]
    selector = {labels.POD_UID: spec.uid(state.pod), labels.CONTAINER_NAME: name}
    found = sorted(await runtime.containers(selector), key=lambda item: item.created_at, reverse=True)
    if not found:
        reason = state.waiting.get(name, ("ContainerCreating", ""))[0]
        why = _WAITING.get(reason, reason)
        raise web.HTTPBadRequest(text=f'container "{name}" in pod "{spec.name(state.pod)}" is waiting to start: {why}')
    return found


async def running(runtime: Runtime, pods: Pods, request: web.Request) -> str:
    """The id of the running container that the request means. Raises 400 or 404."""
    for item in await find(runtime, pods, request):
        if item.state == cri.CONTAINER_RUNNING:
            return str(item.id)
    raise web.HTTPBadRequest(text=f'container "{request.match_info["container"]}" is not running')


def streams(request: web.Request) -> dict[str, bool]:
    """Which streams are wanted: upstream's names between API server and kubelet, or kubectl's own."""
    query = request.query

    def flag(*names: str) -> bool:
        return any(query.get(name, "").lower() in ("1", "true") for name in names)

    tty = flag("tty")
    return {
        "stdin": flag("input", "stdin"),
        "stdout": flag("output", "stdout"),
        "stderr": flag("error", "stderr") and not tty,
        "tty": tty,
    }


class Logs:
    """Serves logs of containers."""

    def __init__(self, runtime: Runtime, pods: Pods) -> None:
        self._runtime = runtime
        self._pods = pods

    async def get(self, request: web.Request) -> web.StreamResponse:
        """The log of a container's newest run, or of the one before."""
        found = await find(self._runtime, self._pods, request)
        previous = request.query.get("previous") == "true"
        if previous and len(found) < 2:
            name, pod = request.match_info["container"], request.match_info["pod"]
            raise web.HTTPBadRequest(text=f'previous terminated container "{name}" in pod "{pod}" not found')
        item = found[1 if previous else 0]
        path = Path((await self._runtime.container_status(item.id)).log_path)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        try:
            options = log_options(request)
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        try:
            async for text in logs.read(path, options, lambda: self._ended(item.id)):
                if not response.prepared:
                    await response.prepare(request)
                await response.write(text)
        except FileNotFoundError as error:
            raise web.HTTPNotFound(text=f"log {path} does not exist") from error
        if not response.prepared:
            await response.prepare(request)
        await response.write_eof()
        return response

    async def _ended(self, container: str) -> bool:
        try:
            status = await self._runtime.container_status(container)
        except CriError:
            return True
        return status.state != cri.CONTAINER_RUNNING


def log_options(request: web.Request) -> logs.Options:
    """The options in a request's query. Raises ValueError."""
    query = request.query
    since = None
    if "sinceTime" in query:
        since = times.parse(query["sinceTime"])
    elif "sinceSeconds" in query:
        since = times.now() - timedelta(seconds=int(query["sinceSeconds"]))
    stream = query.get("stream", "")
    return logs.Options(
        follow=query.get("follow") == "true",
        tail=int(query["tailLines"]) if "tailLines" in query else None,
        since=since,
        timestamps=query.get("timestamps") == "true",
        limit_bytes=int(query["limitBytes"]) if "limitBytes" in query else None,
        stream="" if stream in ("", "All") else stream.lower(),
    )
