"""The subresource `proxy`: where a request goes, and what arrives on either side."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tricenter.apiserver import connections, errors
from tricenter.apiserver.rest import answers, forwarding, locations, proxying, rewriting
from tricenter.apiserver.rest.forwarding import Hop
from tricenter.apiserver.rest.locations import Location, Name

PREFIX = "/api/v1/namespaces/d/pods/p/proxy"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("p", Name("", "p", "")), ("p:80", Name("", "p", "80")), ("https:p:web", Name("https", "p", "web"))],
)
def test_names_have_a_scheme_and_a_port(text: str, expected: Name) -> None:
    assert locations.split(text, "pod") == expected


@pytest.mark.parametrize("text", ["ftp:p:1", "a:b:c:d", "", ":80"])
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises(errors.BadRequest, match="invalid pod request"):
        locations.split(text, "pod")


def pod(address: str, *ports: int) -> dict[str, Any]:
    containers = [{"name": "c", "ports": [{"containerPort": port} for port in ports]}]
    return {"metadata": {"name": "p"}, "spec": {"containers": containers}, "status": {"podIPs": [{"ip": address}]}}


def test_a_pods_first_port_is_the_default() -> None:
    assert locations.of_pod(pod("10.1.2.3", 8080, 9090), Name("", "p", "")) == Location("10.1.2.3", 8080)
    assert locations.of_pod(pod("10.1.2.3"), Name("", "p", "")) == Location("10.1.2.3", 80)
    assert locations.of_pod(pod("10.1.2.3", 8080), Name("https", "p", "1")) == Location("10.1.2.3", 1, secure=True)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "169.254.169.254", "::1", "fe80::1", "0.0.0.0", "224.0.0.1", "::ffff:127.0.0.1", "x", ""],  # noqa: S104
)
def test_nothing_is_proxied_to_our_own_machine(address: str) -> None:
    with pytest.raises(errors.BadRequest, match="address not allowed"):
        locations.of_pod(pod(address, 80), Name("", "p", ""))
    with pytest.raises(errors.BadRequest, match="address not allowed"):
        locations.of_node(address, Name("", "n", "22"))


def service_location(wanted: Name, endpoint: dict[str, Any], owner: dict[str, Any] | None) -> Location:
    service = {"spec": {"ports": [{"name": "web", "port": 80}]}}
    slice_ = {
        "metadata": {"namespace": "d"},
        "ports": [{"name": "web", "port": 8080}],
        "endpoints": [{"addresses": ["10.1.2.3"], "targetRef": {"kind": "Pod", "name": "p"}, **endpoint}],
    }
    return locations.of_service(service, [slice_], lambda _namespace, _name: owner, wanted)


def test_a_service_leads_to_an_endpoint_by_name_or_number_of_its_port() -> None:
    for port in ("web", "80"):
        found = service_location(Name("", "s", port), {}, pod("10.1.2.3"))
        assert found == Location("10.1.2.3", 8080)


@pytest.mark.parametrize(
    ("port", "endpoint", "owner", "message"),
    [
        ("81", {}, pod("10.1.2.3"), "no service port 81 found"),
        ("other", {}, pod("10.1.2.3"), "no endpoints available"),
        ("web", {"conditions": {"ready": False}}, pod("10.1.2.3"), "no endpoints available"),
        ("web", {"targetRef": None}, pod("10.1.2.3"), "no endpoints available"),
        ("web", {}, pod("10.9.9.9"), "no endpoints available"),
        ("web", {}, None, "no endpoints available"),
        ("web", {"addresses": ["127.0.0.1"]}, pod("127.0.0.1"), "no endpoints available"),
    ],
)
def test_a_service_leads_nowhere_else(
    port: str, endpoint: dict[str, Any], owner: dict[str, Any] | None, message: str
) -> None:
    with pytest.raises(errors.Unavailable, match=message):
        service_location(Name("", "s", port), endpoint, owner)


def test_the_path_is_cut_as_it_was_written() -> None:
    assert proxying.cut(f"{PREFIX}/a%2Fb//c/", "p") == (PREFIX, "/a%2Fb//c/")
    assert proxying.cut(f"{PREFIX}/proxy", "p") == (PREFIX, "/proxy")
    assert proxying.cut(PREFIX, "p") == (PREFIX, "")
    assert proxying.cut("/api/v1/nodes/https%3An%3A1/proxy/x", "https:n:1")[1] == "/x"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/login?a=1#x", f"{PREFIX}/login?a=1#x"),
        ("http://10.1.2.3:80/x/", f"{PREFIX}/x/"),
        ("http://elsewhere/x", "http://elsewhere/x"),
        ("relative/x", "relative/x"),
        (f"{PREFIX}/x", f"{PREFIX}/x"),
        ("http://[", "http://["),
    ],
)
def test_urls_of_the_backend_lead_through_the_proxy(target: str, expected: str) -> None:
    assert rewriting.url(target, PREFIX, ("10.1.2.3:80",)) == expected


def test_links_of_a_page_are_rewritten_and_nothing_else() -> None:
    page = (
        "<!-- <a href=\"/c\"> --><A class=x HREF='/a?b&amp;c'>/a</A><img src=/i>"
        '<script>"<a href=\'/s\'>"</script><p id="/">'
    )
    expected = (
        '<!-- <a href="/c"> --><A class=x HREF="P/a?b&amp;c">/a</A><img src="P/i">'
        '<script>"<a href=\'/s\'>"</script><p id="/">'
    )
    assert rewriting.page(page, lambda url: f"P{url}") == expected


@pytest.mark.parametrize(
    "piece", ["<a" + " b=x///" * 30, "<script>", "<script ", "<!--", "<a ", "<a b='\"", "</script "]
)
def test_no_page_takes_long(piece: str) -> None:
    """Whoever runs a pod writes what is read here; once there were pages that took for ever."""
    began = time.process_time()
    page = "<script>" * piece.startswith("</") + piece * (400_000 // len(piece))
    assert rewriting.page(page, lambda url: url) == page
    assert time.process_time() - began < 5


# --- over HTTP ---


async def backend(http: web.BaseRequest) -> web.StreamResponse:
    if http.path == "/ws":
        socket = web.WebSocketResponse(protocols=("echo",))
        await socket.prepare(http)
        async for message in socket:
            await socket.send_str(f"{http.headers.get('Authorization')} {message.data}")
        return socket
    if http.path == "/moved":
        return web.Response(status=302, headers={"Location": "/there"})
    if http.path == "/page":
        return web.Response(text='<a href="/x">', content_type="text/html")
    said = {"method": http.method, "path": http.raw_path, "body": (await http.read()).decode()}
    headers = {name.lower(): value for name, value in http.headers.items()}
    return web.json_response({**said, "headers": headers}, headers={"X-Answer": "yes"})


@pytest.fixture
async def proxied() -> AsyncIterator[str]:
    """The address of a proxy to a backend, both on loopback."""
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(web.Server(backend, access_log=None), "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]

    async def proxy(http: web.BaseRequest) -> web.StreamResponse:
        prefix, path = proxying.cut(http.raw_path.partition("?")[0], "p")
        try:
            return await forwarding.forward(
                http, Hop(location=Location("127.0.0.1", port), tls=False, prefix=prefix, path=path)
            )
        except errors.StatusError as error:
            return answers.status(error)

    server = connections.Server(proxy)
    front = await loop.create_server(server, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{front.sockets[0].getsockname()[1]}{PREFIX}"
    for item in (front, listening):
        item.close()
    await server.shutdown(1)


async def test_a_request_arrives_whole_but_without_credentials(proxied: str) -> None:
    sent = {
        "Authorization": "Bearer secret",
        "Impersonate-User": "x",
        "X-Own": "kept",
        "Connection": "X-Hop",
        "X-Hop": "1",
    }
    async with (
        aiohttp.ClientSession() as session,
        session.put(f"{proxied}/a%2Fb?q=%20", data=b"body", headers=sent) as got,
    ):
        said = await got.json()
        assert got.headers["X-Answer"] == "yes"
    assert (said["method"], said["path"], said["body"]) == ("PUT", "/a%2Fb?q=%20", "body")
    assert said["headers"]["x-own"] == "kept"
    assert said["headers"]["x-forwarded-uri"] == f"{PREFIX}/a%2Fb"
    assert said["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert not {"authorization", "impersonate-user", "x-hop"} & said["headers"].keys()


async def test_a_packed_body_arrives_as_what_it_is(proxied: str) -> None:
    headers = {"Content-Encoding": "gzip"}
    async with (
        aiohttp.ClientSession() as session,
        session.put(f"{proxied}/a", data=gzip.compress(b"body"), headers=headers) as got,
    ):
        assert (await got.json())["body"] == "body"


async def test_redirects_and_links_stay_below_the_proxy(proxied: str) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{proxied}/moved", allow_redirects=False) as got:
            assert (got.status, got.headers["Location"]) == (302, f"{PREFIX}/there")
        async with session.get(f"{proxied}?x=1", allow_redirects=False) as got:
            assert (got.status, got.headers["Location"]) == (301, f"{PREFIX}/?x=1")
        async with session.get(f"{proxied}/page") as got:
            assert await got.text() == f'<a href="{PREFIX}/x">'
        async with session.head(f"{proxied}/page") as got:
            assert (got.status, await got.read()) == (200, b"")


async def test_a_websocket_goes_through(proxied: str) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{proxied}/ws", protocols=("echo",), headers={"Authorization": "x"}) as socket,
    ):
        assert socket.protocol == "echo"
        await socket.send_str("hello")
        assert await socket.receive_str(timeout=120) == "None hello"


async def test_a_backend_that_is_not_there(unused_tcp_port_factory: Callable[[], int]) -> None:
    location = Location("127.0.0.1", unused_tcp_port_factory())

    async def proxy(http: web.BaseRequest) -> web.StreamResponse:
        try:
            return await forwarding.forward(http, Hop(location=location, tls=False, prefix=PREFIX, path="/"))
        except errors.StatusError as error:
            return answers.status(error)

    listening = await asyncio.get_running_loop().create_server(web.Server(proxy, access_log=None), "127.0.0.1", 0)
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/") as got,
    ):
        status = await got.json()
    listening.close()
    assert (status["code"], status["reason"]) == (503, "ServiceUnavailable")
    assert status["message"].startswith("error trying to reach service: ")
