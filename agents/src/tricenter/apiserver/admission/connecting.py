"""Admission of what is no write but a connection: exec, attach, port-forward and proxy are CONNECT."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tricenter.apiserver.admission.chain import CONNECT
from tricenter.apiserver.requestinfo import truth
from tricenter.apiserver.rest.call import Call
from tricenter.apiserver.rest.changes import Changes
from tricenter.apiserver.rest.router import Handler, Special

Object = dict[str, Any]

_CONNECTING = ("attach", "exec", "portforward", "proxy")
_PORT = re.compile("[0-9]{1,5}")
_TRUTHS = ("stdin", "stdout", "stderr", "tty")


def admitted(handlers: Mapping[Special, Handler], changes: Changes) -> dict[Special, Handler]:
    """The handlers, those that connect after admission has agreed."""
    return {key: _asking(item, changes) if key[3] in _CONNECTING else item for key, item in handlers.items()}


def _asking(handler: Handler, changes: Changes) -> Handler:
    async def ask(call: Call) -> web.StreamResponse:
        await changes.admitted(call, options(call), CONNECT)
        return await handler(call)

    return ask


def options(call: Call) -> Object:
    """What the client asks for, as the kind of the subresource says it: PodExecOptions, ServiceProxyOptions, ..."""
    subresource = call.resource.kind.subresource(call.info.subresource)
    kind = subresource.kind if subresource is not None else ""
    found: Object = {"kind": kind, "apiVersion": "v1", "metadata": {}}
    if call.info.subresource == "proxy":
        return found | ({"path": f"/{call.info.rest}"} if call.info.rest else {})
    query = call.http.query
    found |= {name: True for name in _TRUTHS if truth(query.get(name))}
    if query.get("container"):
        found["container"] = query["container"]
    if "command" in query:
        found["command"] = query.getall("command")
    if "ports" in query:
        found["ports"] = [int(port) for port in query.getall("ports") if _PORT.fullmatch(port)]
    return found
