"""The kubelet's HTTPS server: for the API server and administrators only (upstream's paths)."""

import logging
from types import TracebackType
from typing import Any, Self

import grpc
from aiohttp import web
from cri_api.v1 import api_pb2 as cri
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from tricenter.kubelet.config import Config
from tricenter.kubelet.cri import labels
from tricenter.kubelet.cri.client import CriError, Runtime
from tricenter.kubelet.pods.manager import Pods
from tricenter.kubelet.pods.statuses import Statuses
from tricenter.kubelet.server import containers, stats, streaming, usage
from tricenter.runtime import tls

Object = dict[str, Any]

ADMINISTRATORS = "system:masters"
API_SERVER = "kube-apiserver-kubelet-client"
_TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"

_log = logging.getLogger(__name__)


class Server:
    """Serves while it is open as a context."""

    def __init__(self, config: Config, runtime: Runtime, pods: Pods, statuses: Statuses) -> None:
        self._config = config
        self._runtime = runtime
        self._pods = pods
        self._statuses = statuses
        self.sampler = usage.Sampler(runtime)
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[only_administrators, explain])
        logs = containers.Logs(self._runtime, self._pods)
        streams = Streams(self._runtime, self._pods)
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/pods", self._list),
                web.get("/metrics", self._metrics),
                web.get("/metrics/resource", self._resource_metrics),
                web.get("/stats/summary", self._summary),
                web.get("/containerLogs/{namespace}/{pod}/{container}", logs.get),
                *(
                    web.route(method, path, handler)
                    for method in ("GET", "POST")
                    for path, handler in (
                        ("/exec/{namespace}/{pod}/{container}", streams.exec),
                        ("/attach/{namespace}/{pod}/{container}", streams.attach),
                        ("/portForward/{namespace}/{pod}", streams.port_forward),
                    )
                ),
            ]
        )
        settings = self._config.server
        context = tls.server_context(settings.cert, settings.key, settings.client_ca, require_client=True)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, settings.address, settings.port, ssl_context=context, reuse_address=True)
        await site.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        await self._runtime.version()
        return web.Response(text="ok")

    async def _list(self, _request: web.Request) -> web.Response:
        items = []
        for uid, state in self._pods.states.items():
            status = self._statuses.get(uid) or state.pod.get("status") or {}
            items.append({**state.pod, "status": status})
        return web.json_response({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _summary(self, _request: web.Request) -> web.Response:
        return web.json_response(stats.summary(self._config.node_name, self.sampler.before, self.sampler.now))

    async def _resource_metrics(self, _request: web.Request) -> web.Response:
        return web.Response(text=stats.resource_metrics(self.sampler.now), headers={"Content-Type": _TEXT_FORMAT})


class Streams:
    """exec, attach and port forwarding: the runtime's streaming server does the work."""

    def __init__(self, runtime: Runtime, pods: Pods) -> None:
        self._runtime = runtime
        self._pods = pods

    async def exec(self, request: web.Request) -> web.StreamResponse:
        """Run a command in a container."""
        container = await containers.running(self._runtime, self._pods, request)
        wants = containers.streams(request)
        command = request.query.getall("command", [])
        if not command:
            raise web.HTTPBadRequest(text="a command is needed")
        url = await self._runtime.exec_url(cri.ExecRequest(container_id=container, cmd=command, **wants))
        return await streaming.proxy(request, url)

    async def attach(self, request: web.Request) -> web.StreamResponse:
        """Join the streams of a container's own process."""
        container = await containers.running(self._runtime, self._pods, request)
        url = await self._runtime.attach_url(cri.AttachRequest(container_id=container, **containers.streams(request)))
        return await streaming.proxy(request, url)

    async def port_forward(self, request: web.Request) -> web.StreamResponse:
        """Connect to ports of a pod."""
        state = containers.pod_state(self._pods, request)
        sandboxes = await self._runtime.sandboxes({labels.POD_UID: state.pod["metadata"]["uid"]})
        ready = [item.id for item in sandboxes if item.state == cri.SANDBOX_READY]
        if not ready:
            raise web.HTTPNotFound(text="the pod has no running sandbox")
        ports = [int(port) for port in request.query.getall("ports", request.query.getall("port", []))]
        url = await self._runtime.port_forward_url(cri.PortForwardRequest(pod_sandbox_id=ready[0], port=ports))
        return await streaming.proxy(request, url)


@web.middleware
async def only_administrators(request: web.Request, handler: Any) -> web.StreamResponse:
    """The client's certificate is verified already; its subject decides."""
    certificate = request.transport.get_extra_info("peercert") if request.transport else None
    if not allowed((certificate or {}).get("subject", ())):
        raise web.HTTPForbidden(text="this certificate may not use the kubelet's API")
    response: web.StreamResponse = await handler(request)
    return response


def allowed(subject: Any) -> bool:
    """Whether a certificate's subject (as ssl gives it) is the API server or an administrator."""
    pairs = [pair for name in subject for pair in name]
    return ("organizationName", ADMINISTRATORS) in pairs or ("commonName", API_SERVER) in pairs


@web.middleware
async def explain(request: web.Request, handler: Any) -> web.StreamResponse:
    """Failures of the runtime as HTTP answers."""
    try:
        response: web.StreamResponse = await handler(request)
    except CriError as error:
        if error.not_found:
            raise web.HTTPNotFound(text=str(error)) from error
        status = web.HTTPBadRequest if error.code is grpc.StatusCode.INVALID_ARGUMENT else web.HTTPInternalServerError
        raise status(text=str(error)) from error
    return response
