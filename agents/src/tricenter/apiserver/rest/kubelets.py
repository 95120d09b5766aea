"""log, exec, attach and port-forward: passed through to the kubelet of the pod's node.

A log is an HTTP answer of the kubelet handed on in pieces. The others begin with an upgrade (WebSocket, RFC 6455,
or SPDY); the request is repeated towards the kubelet and from then on bytes go both ways untouched, but for WebSocket
protocols that runtimes do not know: these are translated (KEP-4006, module translating).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from tricenter.apimachinery import reachable
from tricenter.apiserver import errors
from tricenter.apiserver.config import Config
from tricenter.apiserver.resources import Resources
from tricenter.apiserver.rest import forwarding, logoptions, translating, tunnel
from tricenter.apiserver.rest.call import Call
from tricenter.apiserver.rest.reads import Reads
from tricenter.apiserver.rest.router import Handler, Special
from tricenter.runtime import tls

Object = dict[str, Any]

_PORT = 10250
_ADDRESSES = ("InternalIP", "Hostname", "ExternalIP")
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_STREAMS = {"stdin": "input", "stdout": "output", "stderr": "error"}
"""Parameters that the kubelet knows by another name."""
_LOG_PARAMETERS = (
    "follow", "previous", "sinceSeconds", "sinceTime", "tailLines", "limitBytes", "timestamps", "stream",
)  # fmt: skip
_LOG_HEADERS = {"Content-Type": "text/plain", "Cache-Control": "no-cache, private"}
_REFUSAL = 50_000
"""Most bytes that are read of why a log cannot be had (registry/generic/rest/response_checker.go)."""


@dataclass(frozen=True)
class Place:
    """Where a pod's kubelet listens, and the container that is meant."""

    host: str
    port: int
    container: str

    @property
    def authority(self) -> str:
        """`host:port` of a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Kubelets:
    """Answers the subresources that the kubelet serves."""

    def __init__(self, config: Config, resources: Resources, reads: Reads) -> None:
        self._config = config
        self._nodes = resources["", "nodes"].objects
        self._reads = reads
        self._tls: tls.Context | None = None

    def special(self) -> dict[Special, Handler]:
        """Handlers for pods; streams may be asked for by GET and by POST."""
        found: dict[Special, Handler] = {("", "pods", "get", "log"): self.log}
        for name in ("exec", "attach", "portforward"):
            for verb in ("get", "create"):
                found["", "pods", verb, name] = self.stream
        return found

    def context(self) -> tls.Context:
        """The TLS context towards kubelets. Raises Unavailable when there is no certificate for it."""
        config = self._config
        if config.kubelet_cert is None or config.kubelet_key is None:
            raise errors.Unavailable("this server has no certificate for kubelets")
        if self._tls is None:
            ca = config.kubelet_ca or config.client_ca
            self._tls = tls.client_context(ca, config.kubelet_cert, config.kubelet_key)
        self._tls.refresh()
        return self._tls

    async def _meant(self, call: Call) -> tuple[Object, str]:
        """The pod, and which of its containers is meant."""
        pod = (await self._reads.entry(call)).load()
        if call.info.subresource == "portforward":
            return pod, ""
        return pod, container_of(pod, call.query.get("container", ""), call.target)

    def _place(self, call: Call, pod: Object, container: str) -> Place:
        node = (pod.get("spec") or {}).get("nodeName")
        if not node:
            raise errors.BadRequest(f"pod {call.info.name} does not have a host assigned", call.target)
        entry = self._nodes.get("", node)
        if entry is None:
            raise errors.not_found(errors.Target(resource="nodes", name=node))
        return Place(*address_of(entry.load()), container)

    async def log(self, call: Call) -> web.StreamResponse:
        """The output of a container."""
        logoptions.check(call)
        pod, container = await self._meant(call)
        if not (pod.get("spec") or {}).get("nodeName"):
            return web.Response(content_type="text/plain")  # nothing ran yet, so nothing was said
        place = self._place(call, pod, container)
        query = {name: call.query[name] for name in _LOG_PARAMETERS if name in call.query}
        path = f"/containerLogs/{call.info.namespace}/{call.info.name}/{quote(place.container)}"
        url = f"https://{place.authority}{path}?{urlencode(query)}"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=tunnel.CONNECT_SECONDS)
        connector = aiohttp.TCPConnector(ssl=self.context(), force_close=True)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            try:
                got = await session.get(url)
            except (aiohttp.ClientError, OSError) as error:
                raise _unreachable(place, error) from error
            async with got:
                if got.status != web.HTTPOk.status_code:
                    raise _failed(got.status, (await got.content.read(_REFUSAL)).decode(errors="replace"), call)
                return await forwarding.pass_on(call.http, got, CIMultiDict(_LOG_HEADERS))

    async def stream(self, call: Call) -> web.StreamResponse:
        """exec, attach or port-forward."""
        # kubectl turns to SPDY where a runtime does not know the newest WebSocket protocol
        if call.http.headers.get("Upgrade", "").lower() not in ("websocket", "spdy/3.1"):
            raise errors.BadRequest("Upgrade request required")
        place = self._place(call, *await self._meant(call))
        target = f"{_path(call, place)}?{urlencode(_parameters(call))}"
        try:
            return await _way(call)(call.http, place.host, place.port, target, self.context())
        except OSError as error:
            raise _unreachable(place, error) from error


def _way(call: Call) -> Callable[..., Awaitable[web.StreamResponse]]:
    """How a client's protocol gets to the kubelet."""
    offered = tunnel.protocols(call.http)
    if call.info.subresource == "portforward":
        return translating.port_forward if translating.PORT_FORWARD in offered else tunnel.through
    return translating.exec_or_attach if translating.V5 in offered else tunnel.through


def _path(call: Call, place: Place) -> str:
    info = call.info
    if info.subresource == "portforward":
        return f"/portForward/{info.namespace}/{info.name}"
    return f"/{info.subresource}/{info.namespace}/{info.name}/{quote(place.container)}"


def _parameters(call: Call) -> list[tuple[str, str]]:
    """The query as the kubelet expects it."""
    found = []
    for name, value in call.http.query.items():
        if name in _STREAMS:
            if value.lower() not in ("", "false", "0"):
                found.append((_STREAMS[name], "1"))
        elif name == "tty":
            if value.lower() not in ("", "false", "0"):
                found.append(("tty", "1"))
        elif name in ("command", "ports", "port"):
            found.append(("port" if name == "ports" else name, value))
    return found


def _failed(code: int, text: str, call: Call) -> errors.StatusError:
    """The kubelet's refusal as ours."""
    message = text.strip()[:1000] or f"the kubelet answered {code}"
    if code == web.HTTPNotFound.status_code:
        return errors.NotFound(message, call.target)
    if code == web.HTTPBadRequest.status_code:
        return errors.BadRequest(message, call.target)
    return errors.Internal(
        f'an error on the server ("{message}") has prevented the request from succeeding', call.target
    )


def _unreachable(place: Place, error: Exception) -> errors.StatusError:
    why = getattr(error, "strerror", None) or str(error) or "i/o timeout"
    return errors.Internal(f"error dialing backend: {place.authority}: {why}")


def container_of(pod: Object, wanted: str, target: errors.Target) -> str:
    """The container that is meant. Raises BadRequest when that is not clear or there is none of the name."""
    spec = pod.get("spec") or {}
    names = [
        item["name"]
        for kind in ("containers", "initContainers", "ephemeralContainers")
        for item in spec.get(kind) or ()
    ]
    if wanted:
        if wanted not in names:
            raise errors.BadRequest(f"container {wanted} is not valid for pod {target.name}", target)
        return wanted
    main = [item["name"] for item in spec.get("containers") or ()]
    marked: Mapping[str, str] = pod["metadata"].get("annotations") or {}
    if marked.get(_DEFAULT_CONTAINER) in main:
        return marked[_DEFAULT_CONTAINER]
    if len(main) == 1:
        return str(main[0])
    listed = " ".join(main)
    raise errors.BadRequest(
        f"a container name must be specified for pod {target.name}, choose one of: [{listed}]", target
    )


def address_of(node: Object) -> tuple[str, int]:
    """Address and port of a node's kubelet. Raises Unavailable."""
    status = node.get("status") or {}
    endpoint = (status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}
    given = {item.get("type"): item.get("address") for item in reversed(status.get("addresses") or ())}
    for kind in _ADDRESSES:
        address = given.get(kind)
        if address and (kind == "Hostname" or reachable.is_ip(address)):
            return address, int(endpoint.get("Port") or _PORT)
    raise errors.Unavailable(f"node {node['metadata']['name']} has no address")
