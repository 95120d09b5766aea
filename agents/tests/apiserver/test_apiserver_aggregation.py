"""Aggregated APIs: an extension server on loopback behind a Service, reached through the API server."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from apiserver_harness import Authority, EtcdProcess, Peer, Running, client_session, loops, make_config

from tricenter.apiserver import assembly, main
from tricenter.apiserver.aggregation import apiservices, availability, registration
from tricenter.apiserver.assembly import Parts
from tricenter.apiserver.bootstrap import bootstrap
from tricenter.apiserver.cache.history import Change

pytestmark = pytest.mark.etcd

Object = dict[str, Any]

_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
_LIST = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": "wardle.example.com/v1",
    "resources": [
        {"name": "flunders", "singularName": "flunder", "namespaced": True, "kind": "Flunder",
         "verbs": ["create", "get", "list", "watch"], "shortNames": ["fl"]},
        {"name": "flunders/status", "singularName": "", "namespaced": True, "kind": "Flunder", "verbs": ["get"]},
    ],
}  # fmt: skip
_OPENAPI = "/openapi/v3/apis/wardle.example.com/v1"


@dataclass
class ExtensionServer:
    """Serves flunders and remembers who asked for what."""

    peer: Peer
    asked: list[tuple[str, str, list[tuple[str, str]], bytes]] = field(default_factory=list)
    certificates: list[Any] = field(default_factory=list)
    healthy: bool = True
    index: Object | None = None
    """What it says of its OpenAPI documents; the usual when None."""

    async def handle(self, http: web.BaseRequest) -> web.StreamResponse:
        transport = http.transport
        assert transport is not None
        self.certificates.append(transport.get_extra_info("peercert"))
        headers = [(name, value) for name, value in http.headers.items()]
        if http.path == "/apis/wardle.example.com/v1":
            return web.json_response(_LIST, status=200 if self.healthy else 500)
        if http.path == "/openapi/v3":
            entry = {"serverRelativeURL": f"{_OPENAPI}?hash=ABC"}
            return web.json_response(self.index or {"paths": {"apis/wardle.example.com/v1": entry}})
        self.asked.append((http.method, http.path_qs, headers, await http.read()))
        if http.path == _OPENAPI:
            return web.json_response({"openapi": "3.0.0", "paths": {}})
        return await self._resource(http)

    async def _resource(self, http: web.BaseRequest) -> web.StreamResponse:
        if "to" in http.query:
            return web.Response(status=302, headers={"Location": http.query["to"]})
        if "watch" in http.query:
            return await self._watch(http)
        if "dies" in http.query:
            response = web.StreamResponse(headers={"Content-Length": "1000"})
            await response.prepare(http)
            await response.write(b"begun")
            assert http.transport is not None
            http.transport.abort()
            return response
        if http.headers.get("Upgrade") == "websocket":
            socket = web.WebSocketResponse()
            await socket.prepare(http)  # type: ignore[arg-type]  # what a plain server gives is enough for it
            async for message in socket:
                await socket.send_str(message.data[::-1])
            return socket
        return web.json_response({"kind": "FlunderList", "items": []}, status=418, headers={"X-Custom": "yes"})

    async def _watch(self, http: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(http)
        for number in range(2):
            await response.write(orjson.dumps({"type": "ADDED", "object": {"n": number}}) + b"\n")
            await asyncio.sleep(0.1)
        return response


@pytest.fixture
async def aggregating(etcd: EtcdProcess, pki: Path) -> AsyncIterator[Running]:
    """A server that registers its APIs and looks after those of others."""
    authority = Authority(pki)  # a new one, which signs all that this server is to trust
    for name, user, group in (("server", "kube-apiserver", ""), ("admin", "admin", "system:masters")):
        authority.issue(name, user, group)
    authority.issue("proxy", "front-proxy-client")
    changes = {"proxy_client_cert": pki / "proxy.crt", "proxy_client_key": pki / "proxy.key"}
    parts = assembly.assemble(make_config(etcd, pki, requestheader_ca=pki / "ca.crt", **changes))
    async with loops(parts):
        await bootstrap.run(parts)
        parts.health.bootstrapped.set()
        tasks = [asyncio.create_task(parts.registration.run()), asyncio.create_task(parts.availability.run())]
        async with main.listening(parts), client_session(pki, "admin") as session:
            yield Running(parts, session)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@pytest.fixture
async def extension(aggregating: Running, pki: Path, tmp_path: Path) -> AsyncIterator[ExtensionServer]:
    peer = Peer(tmp_path / "extension", "wardle")
    peer.context.verify_mode = ssl.CERT_OPTIONAL
    peer.context.load_verify_locations(pki / "ca.crt")
    server = ExtensionServer(peer)
    await peer.join(aggregating)
    async with peer.serving(server.handle):
        yield server


async def register(server: Running, peer: Peer, **changes: Any) -> None:
    spec = {
        "group": "wardle.example.com",
        "version": "v1",
        "service": {"name": peer.name, "namespace": peer.namespace},
        "caBundle": peer.bundle,
        "groupPriorityMinimum": 1000,
        "versionPriority": 15,
        **changes,
    }
    body = {"metadata": {"name": "v1.wardle.example.com"}, "spec": spec}
    code, answer = await server.call("POST", _SERVICES, body)
    assert code == 201, answer


async def condition(server: Running, name: str, status: str) -> Object:
    """The condition Available, once it has a status."""
    found: Object = {}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(120):
            while found.get("status") != status:
                code, obj = await server.call("GET", f"{_SERVICES}/{name}")
                conditions = (obj.get("status") or {}).get("conditions") if code == 200 else []
                found = (conditions or [{}])[0]
                await asyncio.sleep(0.1)
    assert found.get("status") == status, found
    await server.parts.fresh.wait()
    return found


async def test_requests_reach_an_extension_server_in_the_users_name(
    aggregating: Running, extension: ExtensionServer
) -> None:
    await register(aggregating, extension.peer)
    found = await condition(aggregating, "v1.wardle.example.com", "True")
    assert (found["reason"], found["message"]) == ("Passed", "all checks passed")
    path = "/apis/wardle.example.com/v1/namespaces/default/flunders"
    headers = {"X-Remote-User": "root", "X-Remote-Group": "system:masters", "Impersonate-User": "bob"}
    headers |= {"Impersonate-Group": "team", "Impersonate-Extra-Scope": "a"}
    rights = {"rules": [{"apiGroups": ["wardle.example.com"], "resources": ["*"], "verbs": ["*"]}]}
    roles = "/apis/rbac.authorization.k8s.io/v1"
    await aggregating.call("POST", f"{roles}/clusterroles", {"metadata": {"name": "wardle"}, **rights})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "wardle"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "bob"}
    binding = {"metadata": {"name": "wardle"}, "roleRef": reference, "subjects": [subject]}
    await aggregating.call("POST", f"{roles}/clusterrolebindings", binding)
    await aggregating.parts.fresh.wait()
    async with aggregating.session.post(
        f"{aggregating.base}{path}?dryRun=All", headers=headers, json={"a": "b"}
    ) as answer:
        assert (answer.status, answer.headers["X-Custom"]) == (418, "yes")
        assert (await answer.json())["kind"] == "FlunderList"
    method, asked, sent, body = extension.asked[0]
    assert (method, asked, orjson.loads(body)) == ("POST", f"{path}?dryRun=All", {"a": "b"})
    remote = [(name, value) for name, value in sent if name.startswith("X-Remote")]
    assert remote == [
        ("X-Remote-User", "bob"),
        ("X-Remote-Group", "team"),
        ("X-Remote-Group", "system:authenticated"),
        ("X-Remote-Extra-scope", "a"),
    ]
    assert not any(name.startswith("Impersonate") for name, _ in sent)
    assert ("Host", "wardle.default.svc") in sent
    subjects = [dict(part[0] for part in certificate["subject"]) for certificate in extension.certificates]
    assert {found["commonName"] for found in subjects} == {"front-proxy-client"}
    code, status = await aggregating.call("GET", path, Impersonate_User="eve")
    assert (code, status["reason"]) == (403, "Forbidden")


async def test_watches_and_upgrades_pass_through(aggregating: Running, extension: ExtensionServer) -> None:
    await register(aggregating, extension.peer)
    await condition(aggregating, "v1.wardle.example.com", "True")
    path = "/apis/wardle.example.com/v1/flunders"
    async with aggregating.watch(f"{path}?watch=true") as events:
        assert [(await events.next() or {})["object"]["n"] for _ in range(2)] == [0, 1]
        assert await events.next() is None
    async with aggregating.session.ws_connect(f"{aggregating.base}{path}/x/connect") as socket:
        await socket.send_str("abc")
        message = await socket.receive(timeout=120)
        assert (message.type, message.data) == (aiohttp.WSMsgType.TEXT, "cba")
    assert ("X-Remote-User", "admin") in extension.asked[-1][2]
    async with aggregating.session.get(f"{aggregating.base}{path}?to=/api/v1/secrets") as answer:
        text = "the backend attempted to redirect this request, which is not permitted"
        assert (answer.status, await answer.text()) == (502, text)


async def test_an_answer_that_breaks_off_is_not_filled_up(aggregating: Running, extension: ExtensionServer) -> None:
    """Its client would read what is said of the failure as what is missing of the body."""
    await register(aggregating, extension.peer)
    await condition(aggregating, "v1.wardle.example.com", "True")
    async with aggregating.session.get(f"{aggregating.base}/apis/wardle.example.com/v1/flunders?dies=1") as answer:
        read = await answer.content.readexactly(5)
        with pytest.raises((aiohttp.ClientError, asyncio.IncompleteReadError)):
            await answer.content.readexactly(1)
    assert read == b"begun"


async def test_discovery_shows_what_others_serve(aggregating: Running, extension: ExtensionServer) -> None:
    await register(aggregating, extension.peer)
    await condition(aggregating, "v1.wardle.example.com", "True")
    _, groups = await aggregating.call("GET", "/apis")
    assert "wardle.example.com" in [group["name"] for group in groups["groups"]]
    _, group = await aggregating.call("GET", "/apis/wardle.example.com")
    assert group["preferredVersion"] == {"groupVersion": "wardle.example.com/v1", "version": "v1"}
    assert await aggregating.call("GET", "/apis/wardle.example.com/v1") == (200, _LIST)
    wanted = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    _, found = await aggregating.call("GET", "/apis", Accept=wanted)
    (shown,) = [item for item in found["items"] if item["metadata"]["name"] == "wardle.example.com"]
    assert shown["versions"] == [
        {
            "version": "v1",
            "freshness": "Current",
            "resources": [
                {
                    "resource": "flunders",
                    "responseKind": {"group": "wardle.example.com", "version": "v1", "kind": "Flunder"},
                    "scope": "Namespaced",
                    "singularResource": "flunder",
                    "verbs": ["create", "get", "list", "watch"],
                    "shortNames": ["fl"],
                    "subresources": [
                        {
                            "subresource": "status",
                            "responseKind": {"group": "wardle.example.com", "version": "v1", "kind": "Flunder"},
                            "verbs": ["get"],
                        }
                    ],
                }
            ],
        }
    ]
    _, index = await aggregating.call("GET", "/openapi/v3")
    entry = index["paths"]["apis/wardle.example.com/v1"]
    assert entry == {"serverRelativeURL": f"{_OPENAPI}?hash=ABC"}
    assert (await aggregating.call("GET", entry["serverRelativeURL"]))[1]["openapi"] == "3.0.0"


async def test_a_server_that_does_not_answer_is_unavailable(aggregating: Running, extension: ExtensionServer) -> None:
    extension.healthy = False
    await register(aggregating, extension.peer)
    found = await condition(aggregating, "v1.wardle.example.com", "False")
    assert found["reason"] == "FailedDiscoveryCheck"
    assert found["message"].endswith("/apis/wardle.example.com/v1: 500")
    path = f"{aggregating.base}/apis/wardle.example.com/v1/flunders"
    async with aggregating.session.get(path) as answer:
        assert (answer.status, await answer.text()) == (503, "service unavailable\n")
    slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/wardle"
    assert (await aggregating.call("DELETE", slices))[0] == 200
    async with asyncio.timeout(120):
        while found["reason"] != "EndpointsNotFound":
            found = await condition(aggregating, "v1.wardle.example.com", "False")
    assert (await aggregating.call("DELETE", "/api/v1/namespaces/default/services/wardle"))[0] == 200
    async with asyncio.timeout(120):
        while found["reason"] != "ServiceNotFound":
            found = await condition(aggregating, "v1.wardle.example.com", "False")
    assert found["message"] == 'service/wardle in "default" is not present'


@pytest.mark.parametrize("paths", ["text", {"apis/wardle.example.com/v1": "text"}, {"apis/wardle.example.com/v1": [1]}])
async def test_a_server_that_talks_nonsense_of_its_documents_stops_nobody(
    aggregating: Running, extension: ExtensionServer, paths: object
) -> None:
    extension.index = {"paths": paths}
    await register(aggregating, extension.peer)
    await condition(aggregating, "v1.wardle.example.com", "True")
    assert aggregating.parts.availability.openapi == {}
    extension.healthy = False  # and it is still asked
    slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/wardle"
    assert (await aggregating.call("DELETE", slices))[0] == 200
    await condition(aggregating, "v1.wardle.example.com", "False")


async def test_what_is_served_here_is_registered(aggregating: Running) -> None:
    found = await condition(aggregating, "v1.apps", "True")
    assert (found["reason"], found["message"]) == ("Local", "Local APIServices are always available")
    _, core = await aggregating.call("GET", f"{_SERVICES}/v1.")
    assert core["spec"] == {"version": "v1", "groupPriorityMinimum": 18000, "versionPriority": 1}
    assert core["metadata"]["labels"] == {"kube-aggregator.kubernetes.io/automanaged": "onstart"}
    schema = {"openAPIV3Schema": {"type": "object"}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    names = {"plural": "things", "kind": "Thing"}
    spec = {"group": "example.com", "scope": "Cluster", "names": names, "versions": [version]}
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    code, _ = await aggregating.call("POST", definitions, {"metadata": {"name": "things.example.com"}, "spec": spec})
    assert code == 201
    await condition(aggregating, "v1.example.com", "True")
    assert (await aggregating.call("DELETE", f"{definitions}/things.example.com"))[0] == 200
    async with asyncio.timeout(120):
        while (await aggregating.call("GET", f"{_SERVICES}/v1.example.com"))[0] != 404:
            await asyncio.sleep(0.1)
    _, trust = await aggregating.call(
        "GET", "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
    )
    assert trust["data"]["requestheader-allowed-names"] == '["front-proxy-client"]'
    assert trust["data"]["requestheader-username-headers"] == '["X-Remote-User"]'
    assert trust["data"]["client-ca-file"].startswith("-----BEGIN CERTIFICATE-----")


@pytest.mark.parametrize(
    ("changes", "name", "field", "message"),
    [
        ({}, "other", "metadata.name", 'must be `spec.version+"."+spec.group`: "v1.wardle.example.com"'),
        ({"groupPriorityMinimum": 0}, "", "spec.groupPriorityMinimum", "must be positive and less than 20000"),
        ({"service": None}, "", "spec.caBundle", "local APIServices may not have a caBundle"),
        ({"insecureSkipTLSVerify": True}, "", "spec.insecureSkipTLSVerify", "may not be true if caBundle is present"),
    ],
)
async def test_api_services_are_validated(
    server: Running, changes: Object, name: str, field: str, message: str
) -> None:
    service = {"name": "a", "namespace": "b"}
    spec = {"group": "wardle.example.com", "version": "v1", "service": service, "caBundle": "YQ=="}
    spec |= {"groupPriorityMinimum": 1000, "versionPriority": 15, **changes}
    spec = {key: value for key, value in spec.items() if value is not None}
    body = {"metadata": {"name": name or "v1.wardle.example.com"}, "spec": spec}
    code, status = await server.call("POST", _SERVICES, body)
    assert code == 422, status
    assert status["details"]["causes"][0]["field"] == field
    assert message in status["message"]


def test_the_time_of_a_condition_is_that_of_its_status() -> None:
    condition = {"type": "Available", "status": "False", "reason": "A", "message": "a", "lastTransitionTime": "then"}
    obj = {"metadata": {"name": "a"}, "spec": {}, "status": {"conditions": [condition]}}
    assert availability.judged(obj, ("False", "B", "b"))["status"]["conditions"][0]["lastTransitionTime"] == "then"
    assert availability.judged(obj, ("True", "B", "b"))["status"]["conditions"][0]["lastTransitionTime"] != "then"


def test_only_what_was_registered_for_custom_resources_goes_with_them() -> None:
    label = "kube-aggregator.kubernetes.io/automanaged"
    managed = {"metadata": {"name": "v1.a", "labels": {label: "true"}}, "spec": {}}
    own = {"metadata": {"name": "v1.b", "labels": {label: "onstart"}}, "spec": {}}
    foreign = {"metadata": {"name": "v1.c"}, "spec": {"service": {"name": "s"}}}
    assert list(registration.stale([managed, own, foreign], {})) == ["v1.a"]


async def test_what_was_given_to_another_server_meanwhile_is_left_alone() -> None:
    label = "kube-aggregator.kubernetes.io/automanaged"
    mine = {"metadata": {"name": "v1.a", "labels": {label: "true"}}, "spec": {"group": "a", "version": "v1"}}
    theirs = {**mine, "spec": {**mine["spec"], "service": {"name": "s", "namespace": "n"}}}
    assert await registration.gone(mine) is None
    assert await registration.gone(theirs) is theirs
    assert (await registration.localized(mine))["status"]["conditions"][0]["reason"] == "Local"
    assert await registration.localized(theirs) is theirs
    asked = apiservices.parse(theirs)
    assert asked is not None
    judged = {**theirs, "status": {"conditions": [{"type": "Available", "status": "True"}]}}
    assert availability.same_place(judged, asked)
    for other in ({"name": "t", "namespace": "n"}, None):
        assert not availability.same_place({**theirs, "spec": {**theirs["spec"], "service": other}}, asked)


@pytest.mark.parametrize("turns", range(4))
async def test_registration_ends_even_in_the_moment_of_a_change(parts: Parts, turns: int) -> None:
    """`asyncio.wait_for` swallowed a cancellation that met what it waited for, on Python before 3.12."""
    services = parts.resources["apiregistration.k8s.io", "apiservices"].objects
    running = asyncio.create_task(parts.registration.run())
    async with asyncio.timeout(120):
        while not services.entries:
            await asyncio.sleep(0.1)
    await asyncio.sleep(0.5)
    entry = next(iter(services.entries.values()))
    for tell in services.listeners:
        tell(Change(entry.revision, entry, entry))
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    ended, _ = await asyncio.wait({running}, timeout=120)
    assert ended == {running}
