"""Requests: paths, errors, and what is tried again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import web

from tricenter.client import Client, errors, resources, transport
from tricenter.runtime.config import ApiConfig


def status(code: int, reason: str) -> dict[str, object]:
    return {"kind": "Status", "code": code, "reason": reason, "message": f"it is {reason}"}


async def test_paths_and_bodies(api: Client, server) -> None:
    server.add({"metadata": {}, "items": []})
    await api.get(resources.PODS, "web", "shop")
    await api.list(resources.DEPLOYMENTS, "shop", label_selector="app=web")
    await api.create(resources.PODS, {"metadata": {"name": "a", "namespace": "shop"}})
    await api.create_subresource(resources.PODS, "a", "shop", "binding", {"target": {"name": "n"}})
    await api.update_status(resources.NODES, {"metadata": {"name": "n"}})
    await api.patch(resources.SERVICES, "s", {"x": 1}, "shop", subresource="status", field_manager="m", force=True)
    await api.delete(resources.PODS, "a", "shop", uid="u", grace_seconds=0, propagation="Background")
    assert server.requests == [
        "GET /api/v1/namespaces/shop/pods/web",
        "GET /apis/apps/v1/namespaces/shop/deployments?labelSelector=app%3Dweb",
        "POST /api/v1/namespaces/shop/pods",
        "POST /api/v1/namespaces/shop/pods/a/binding",
        "PUT /api/v1/nodes/n/status",
        "PATCH /api/v1/namespaces/shop/services/s/status?fieldManager=m&force=true",
        "DELETE /api/v1/namespaces/shop/pods/a",
    ]
    assert json.loads(server.bodies[2])["kind"] == "Pod"
    options = json.loads(server.bodies[6])
    assert options["preconditions"] == {"uid": "u"}
    assert (options["gracePeriodSeconds"], options["propagationPolicy"]) == (0, "Background")


async def test_items_of_a_list_stand_alone(api: Client, server) -> None:
    server.add({"metadata": {"resourceVersion": "7"}, "items": [{"metadata": {"name": "a"}}]})
    answer = await api.list(resources.NODES)
    assert answer.resource_version == "7"
    assert answer.items[0]["kind"] == "Node"


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (404, "NotFound", errors.NotFound),
        (409, "Conflict", errors.Conflict),
        (409, "AlreadyExists", errors.AlreadyExists),
        (410, "Expired", errors.Gone),
        (422, "Invalid", errors.Invalid),
        (500, "InternalError", errors.ServerError),
        (418, "Teapot", errors.ApiError),
    ],
)
async def test_a_status_becomes_its_error(api: Client, server, code: int, reason: str, kind: type) -> None:
    server.add(status(code, reason), code)
    with pytest.raises(errors.ApiError, match=f"it is {reason}") as caught:
        await api.create(resources.NODES, {"metadata": {"name": "n"}})
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.reason) == (code, reason)


async def test_retry_after_is_obeyed(api: Client, server, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(transport.asyncio, "sleep", sleep)
    server.add(status(429, "TooManyRequests"), 429, {"Retry-After": "3"})
    server.add({"metadata": {"name": "n"}})
    await api.create(resources.NODES, {"metadata": {"name": "n"}})
    assert 3.0 in slept


async def test_a_broken_read_is_tried_again_and_a_broken_write_is_not(api: Client, server) -> None:
    async def drop(request: web.Request) -> web.StreamResponse:
        request.transport.abort()
        return web.Response()

    server.answers.append(drop)
    server.add({"metadata": {"name": "n"}})
    assert await api.get(resources.NODES, "n") == {"metadata": {"name": "n"}}
    server.answers.insert(0, drop)
    count = len(server.requests)
    with pytest.raises(errors.Unreachable):
        await api.create(resources.NODES, {"metadata": {"name": "n"}})
    assert len(server.requests) == count + 1


async def test_nobody_listens(identity: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_TRIES", 2)
    config = ApiConfig(server="https://127.0.0.1:1", ca=identity[0], cert=identity[0], key=identity[1])
    async with Client(config) as client:
        with pytest.raises(errors.Unreachable) as caught:
            await client.create(resources.NODES, {"metadata": {"name": "n"}})
    assert not caught.value.sent


def test_a_write_whose_fate_is_unknown_is_never_repeated() -> None:
    assert transport.retry_pause(errors.Unreachable("reset"), "POST", 1) is None
    assert transport.retry_pause(errors.Unreachable("refused", sent=False), "POST", 1) is not None
    assert transport.retry_pause(errors.Unreachable("reset"), "GET", 1) is not None
    assert transport.retry_pause(errors.Unreachable("reset"), "GET", transport._TRIES) is None


async def test_a_watch_yields_events_of_any_size_and_ends_with_its_error(api: Client, server) -> None:
    big = {"metadata": {"name": "n", "resourceVersion": "2"}, "data": "x" * 300_000}

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(json.dumps({"type": "ADDED", "object": big}).encode() + b"\n")
        await response.write(b'{"type": "ERROR", "object": {"code": 410, "reason": "Expired"}}\n')
        return response

    server.answers.append(stream)
    seen = []
    with pytest.raises(errors.Gone):
        async for kind, obj in api.watch(resources.NODES, resource_version="1", field_selector="metadata.name=n"):
            seen.append((kind, obj))
    assert seen == [("ADDED", big)]
    assert "allowWatchBookmarks=true" in server.requests[0]


async def test_a_silent_watch_is_unreachable(api: Client, server) -> None:
    async def hang(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.Event().wait()
        return response

    server.answers.append(hang)
    with pytest.raises(errors.Unreachable):
        async for _ in api.watch(resources.NODES, silence=0.05):
            pass


async def test_discovery_prefers_versions_and_survives_a_broken_group(api: Client, server) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        group = {"preferredVersion": {"version": "v1"}, "versions": [{"version": "v1"}, {"version": "v1beta1"}]}
        documents = {
            "/api/v1": {"resources": [{"name": "pods", "kind": "Pod", "namespaced": True, "verbs": ["list"]}]},
            "/apis": {"groups": [group | {"name": name} for name in ("apps", "broken", "closed", "odd", "odder")]},
            "/apis/odd/v1": {"resources": [{"name": "nameless"}]},
            "/apis/odder/v1": {"resources": ["nothing"]},
            "/apis/apps/v1": {
                "resources": [
                    {"name": "deployments", "kind": "Deployment", "namespaced": True, "verbs": ["list", "delete"]},
                    {"name": "deployments/status", "kind": "Deployment", "namespaced": True, "verbs": ["get"]},
                ]
            },
            "/apis/apps/v1beta1": {
                "resources": [
                    {"name": "deployments", "kind": "Deployment", "namespaced": True, "verbs": ["get"]},
                    {"name": "olds", "kind": "Old", "namespaced": True, "verbs": ["list"]},
                ]
            },
        }
        if request.path.startswith("/apis/closed"):
            return web.json_response(status(403, "Forbidden"), status=403)
        document = documents.get(request.path)
        return web.json_response(document) if document else web.json_response(status(503, "Down"), status=503)

    server.answers.append(answer)
    found = await api.discover()
    old = resources.Resource("apps", "v1beta1", "olds", "Old", True)
    assert found.resources == [resources.PODS, resources.DEPLOYMENTS, old]
    assert found.resources[1].verbs == {"list", "delete"}
    assert found.failed == {"broken", "closed", "odd", "odder"}
