"""The subresource `proxy` of pods, Services and nodes, for every method and any path below it.

Who may: the verb of the request's method on `pods/proxy`, `services/proxy` or `nodes/proxy`, with the whole
`scheme:name:port` as the resource's name, as upstream's authorisation attributes say.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from tricenter.apiserver import errors
from tricenter.apiserver.resources import Resources
from tricenter.apiserver.rest import forwarding, locations
from tricenter.apiserver.rest.call import Call
from tricenter.apiserver.rest.forwarding import Hop
from tricenter.apiserver.rest.kubelets import Kubelets, address_of
from tricenter.apiserver.rest.locations import Location
from tricenter.apiserver.rest.reads import Reads
from tricenter.apiserver.rest.router import Handler, Special

Object = dict[str, Any]

_VERBS = ("get", "create", "update", "patch", "delete", "options")
_SERVICE_NAME = "kubernetes.io/service-name"


class Proxying:
    """Answers `proxy`."""

    def __init__(self, resources: Resources, reads: Reads, kubelets: Kubelets) -> None:
        self._pods = resources["", "pods"].objects
        self._slices = resources["discovery.k8s.io", "endpointslices"].objects
        self._reads = reads
        self._kubelets = kubelets

    def special(self) -> dict[Special, Handler]:
        """Handlers of the three resources."""
        by_resource = {"pods": self.pod, "services": self.service, "nodes": self.node}
        return {("", name, verb, "proxy"): handler for name, handler in by_resource.items() for verb in _VERBS}

    async def pod(self, call: Call) -> web.StreamResponse:
        """To a port of a pod."""
        wanted = locations.split(call.info.name, "pod")
        return await _forward(call, locations.of_pod(await self._object(call, wanted.name), wanted))

    async def service(self, call: Call) -> web.StreamResponse:
        """To one of a Service's endpoints."""
        wanted = locations.split(call.info.name, "service")
        service = await self._object(call, wanted.name)
        found = (self._slices.entries[key] for key in self._slices.keys(call.info.namespace))
        own = [entry.load() for entry in found if entry.labels.get(_SERVICE_NAME) == wanted.name]
        return await _forward(call, locations.of_service(service, own, self._pod, wanted))

    async def node(self, call: Call) -> web.StreamResponse:
        """To a node's kubelet, with our certificate, or to another port of the node."""
        wanted = locations.split(call.info.name, "node")
        address, port = address_of(await self._object(call, wanted.name))
        if wanted.port in ("", str(port)):
            return await _forward(call, Location(address, port, secure=True), self._kubelets.context())
        return await _forward(call, locations.of_node(await _resolved(address), wanted))

    async def _object(self, call: Call, name: str) -> Object:
        named = replace(call, info=replace(call.info, name=name))
        return (await self._reads.entry(named)).load()

    def _pod(self, namespace: str, name: str) -> Object | None:
        entry = self._pods.get(namespace, name)
        return None if entry is None else entry.load()


async def _resolved(host: str) -> str:
    """A node's address; where it is known by name only, what the name stands for."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise errors.BadRequest(f"lookup {host}: {error.strerror or error}") from error
    return str(found[0][4][0])


async def _forward(call: Call, location: Location, tls: Any = False) -> web.StreamResponse:
    prefix, path = cut(call.http.raw_path.partition("?")[0], call.info.name)
    return await forwarding.forward(call.http, Hop(location=location, tls=tls, prefix=prefix, path=path))


def cut(raw_path: str, name: str) -> tuple[str, str]:
    """The path up to `proxy`, and what follows it: escaped as the client wrote it. Raises BadRequest."""
    parts = raw_path.split("/")
    for index in range(1, len(parts)):
        if parts[index] == "proxy" and unquote(parts[index - 1]) == name:
            rest = parts[index + 1 :]
            return "/".join(parts[: index + 1]), "/" + "/".join(rest) if rest else ""
    raise errors.BadRequest("the path is not written as the resource's path")
