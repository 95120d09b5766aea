"""What an Ingress promises: which host and path lead to which pods."""

import base64
from typing import Any

import pytest

from tricenter.ingress import annotations, decide, render
from tricenter.ingress.model import Backend, Location, Options, Server, Site

PEM = {"tls.crt": base64.b64encode(b"CERT\n").decode(), "tls.key": base64.b64encode(b"KEY\n").decode()}


class Objects:
    """A Service `shop` with pods in two centers, and one TLS Secret."""

    def __init__(self) -> None:
        self.services = {"default/shop": service("shop"), "default/empty": service("empty")}
        self.endpoints = {"default/shop": [endpoint("10.101.0.5", "east1"), endpoint("10.103.0.6", "west1")]}
        self.secrets = {"default/cert": {"data": PEM}}

    def service(self, key: str) -> Any:
        return self.services.get(key)

    def slices(self, key: str) -> Any:
        entries = self.endpoints.get(key, [])
        return [{"ports": [{"name": "http", "port": 8080}], "endpoints": entries}] if entries else []

    def secret(self, key: str) -> Any:
        return self.secrets.get(key)


def service(name: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {"type": "ClusterIP", "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
    }


def endpoint(address: str, zone: str, **conditions: bool) -> dict[str, Any]:
    return {"addresses": [address], "zone": zone, "conditions": conditions}


def backend(service: str = "shop", **port: Any) -> dict[str, Any]:
    return {"service": {"name": service, "port": port or {"number": 80}}}


def path(text: str, kind: str = "Prefix", to: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"path": text, "pathType": kind, "backend": to or backend()}


def ingress(name: str = "shop", created: str = "2026-01-01", **spec: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"namespace": "default", "name": name, "creationTimestamp": created}
    metadata["annotations"] = spec.pop("annotations", {})
    return {"metadata": metadata, "spec": spec}


def rule(*paths: dict[str, Any], host: str = "shop.example") -> dict[str, Any]:
    return {"host": host, "http": {"paths": list(paths)}}


def site(*ingresses: dict[str, Any], objects: Objects | None = None) -> Site:
    return decide.site(ingresses, objects or Objects(), "east1")


def server(found: Site, host: str = "shop.example") -> Server:
    return next(item for item in found.servers if item.host == host)


def test_pods_of_the_own_center_come_first() -> None:
    (upstream,) = site(ingress(rules=[rule(path("/"))])).upstreams
    assert upstream.name == "default.shop.http"
    assert upstream.backends == (Backend(address="10.101.0.5:8080"), Backend(address="10.103.0.6:8080", backup=True))


def test_without_pods_here_all_others_serve() -> None:
    objects = Objects()
    objects.endpoints["default/shop"] = [endpoint("10.103.0.6", "west1"), endpoint("10.102.0.6", "east2")]
    (upstream,) = site(ingress(rules=[rule(path("/"))]), objects=objects).upstreams
    assert not any(item.backup for item in upstream.backends)


def test_pods_that_are_not_ready_get_nothing_but_draining_ones_do_when_alone() -> None:
    objects = Objects()
    draining = endpoint("10.101.0.7", "east1", ready=False, serving=True, terminating=True)
    objects.endpoints["default/shop"] = [endpoint("10.101.0.5", "east1", ready=False), draining]
    (upstream,) = site(ingress(rules=[rule(path("/"))]), objects=objects).upstreams
    assert [item.address for item in upstream.backends] == ["10.101.0.7:8080"]


@pytest.mark.parametrize(
    ("to", "message"),
    [
        (backend("missing"), "Service missing does not exist"),
        (backend("shop", number=81), "Service shop has no port 81"),
        (backend("shop", name="https"), "Service shop has no port https"),
        ({"resource": {"kind": "Bucket"}}, "only backends of kind Service are served"),
    ],
)
def test_a_backend_that_cannot_be_served_is_told_and_answers_503(to: dict[str, Any], message: str) -> None:
    found = site(ingress(rules=[rule(path("/bad", to=to), path("/good"))]))
    assert [problem.message for problem in found.problems] == [message]
    assert [(item.path, item.upstream) for item in server(found).locations] == [
        ("/bad", ""),
        ("/good", "default.shop.http"),
    ]


def test_a_service_without_pods_is_no_fault_of_the_ingress() -> None:
    found = site(ingress(rules=[rule(path("/", to=backend("empty")))]))
    assert found.problems == ()
    assert server(found).locations[0].upstream == ""


@pytest.mark.parametrize("bad", ["/a b", "/a;", '/a"', "/a{", "/$a", "/a\n", "a", "/\\"])
def test_a_path_that_could_leave_its_place_in_the_configuration_is_refused(bad: str) -> None:
    found = site(ingress(rules=[rule(path(bad, "Exact"), path("/good"))]))
    assert [problem.reason for problem in found.problems] == ["InvalidPath"]
    assert [item.path for item in server(found).locations] == ["/good"]


@pytest.mark.parametrize("bad", ["a;b", "a b", "A.example", "*.*.example", "-a", "a..b"])
def test_a_host_that_is_none_is_refused(bad: str) -> None:
    found = site(ingress(rules=[rule(path("/"), host=bad)]))
    assert [problem.reason for problem in found.problems] == ["InvalidHost"]


def test_the_older_ingress_keeps_a_path_that_two_want() -> None:
    old = ingress("old", "2026-01-01", rules=[rule(path("/", to=backend("empty")))])
    new = ingress("new", "2026-02-01", rules=[rule(path("/"), path("/new"))])
    found = site(new, old)
    assert [(item.path, item.upstream) for item in server(found).locations] == [
        ("/", ""),
        ("/new", "default.shop.http"),
    ]
    assert [(problem.ingress, problem.reason) for problem in found.problems] == [("default/new", "PathTaken")]


def test_default_backend_answers_what_no_rule_does() -> None:
    found = site(ingress(rules=[rule(path("/x", to=backend("empty")))], defaultBackend=backend()))
    assert server(found).locations[0] == Location(path="/", exact=False, upstream="default.shop.http")
    everywhere = site(ingress(defaultBackend=backend()))
    assert server(everywhere, "").locations[0].upstream == "default.shop.http"


def test_tls_shows_the_certificate_of_the_host_and_redirects() -> None:
    tls = [{"hosts": ["shop.example"], "secretName": "cert"}]
    found = site(ingress(rules=[rule(path("/")), rule(path("/"), host="other.example")], tls=tls))
    name = server(found).certificate
    assert found.certificates[name] == b"CERT\nKEY\n"
    assert server(found).locations[0].redirect
    assert server(found, "other.example").certificate == ""
    assert not server(found, "other.example").locations[0].redirect


def test_redirection_can_be_turned_off() -> None:
    tls = [{"hosts": ["shop.example"], "secretName": "cert"}]
    off = {f"{annotations.PREFIX}ssl-redirect": "false"}
    assert not server(site(ingress(rules=[rule(path("/"))], tls=tls, annotations=off))).locations[0].redirect


def test_a_wildcard_certificate_is_good_for_one_label() -> None:
    tls = [{"hosts": ["*.example"], "secretName": "cert"}]
    found = site(ingress(rules=[rule(path("/")), rule(path("/"), host="a.shop.example")], tls=tls))
    assert server(found).certificate
    assert not server(found, "a.shop.example").certificate


def test_a_missing_certificate_is_told_and_the_host_still_served() -> None:
    found = site(ingress(rules=[rule(path("/"))], tls=[{"hosts": ["shop.example"], "secretName": "nope"}]))
    assert [problem.reason for problem in found.problems] == ["CertificateUnavailable"]
    assert server(found).locations[0].upstream


@pytest.mark.parametrize(
    ("spec", "notes", "expected"),
    [
        ({"ingressClassName": "tricenter"}, {}, True),
        ({"ingressClassName": "other"}, {}, False),
        ({}, {decide.CLASS_ANNOTATION: "tricenter"}, True),
        ({}, {decide.CLASS_ANNOTATION: "other"}, False),
        ({}, {}, True),
    ],
)
def test_which_ingresses_are_ours(spec: dict[str, Any], notes: dict[str, str], expected: bool) -> None:
    ours = {
        "metadata": {"name": "tricenter", "annotations": {decide.DEFAULT_ANNOTATION: "true"}},
        "spec": {"controller": "tricenter.io/ingress"},
    }
    other = {"metadata": {"name": "other"}, "spec": {"controller": "example.com/x"}}
    found = decide.served_here(ingress(annotations=notes, **spec), [ours, other], "tricenter.io/ingress")
    assert found is expected


def test_annotations_are_checked_each_by_itself() -> None:
    notes = {f"{annotations.PREFIX}proxy-body-size": "8m", f"{annotations.PREFIX}proxy-read-timeout": "1; }"}
    options, complaints = annotations.options(ingress(annotations=notes))
    assert options == Options(body_size="8m")
    assert len(complaints) == 1
    # digits to Unicode, but none to nginx
    assert len(annotations.options(ingress(annotations={f"{annotations.PREFIX}proxy-body-size": "\u0663m"}))[1]) == 1


def test_prefix_means_whole_path_elements() -> None:
    foo = Location(path="/foo", exact=False, upstream="u")
    assert [(item.path, item.exact) for item in render.expand([foo])] == [("/foo", True), ("/foo/", False)]
    own = Location(path="/foo", exact=True, upstream="v")
    assert [(item.path, item.upstream) for item in render.expand([own, foo])] == [("/foo", "v"), ("/foo/", "u")]


def test_a_wildcard_host_is_exactly_one_label() -> None:
    assert render.server_name("*.shop.example") == '"~^[^.]+\\.shop\\.example$"'
    assert render.server_name("") == "_"


@pytest.mark.parametrize("port", [-1, 0, 65536])
def test_pods_at_a_port_that_is_none_are_no_pods(port: int) -> None:
    """The API takes any number in an EndpointSlice; nginx would refuse the Ingress."""
    objects = Objects()
    objects.slices = lambda _key: [  # type: ignore[method-assign]
        {"ports": [{"name": "http", "port": port}], "endpoints": [endpoint("10.101.0.5", "east1")]}
    ]
    found = site(ingress(rules=[rule(path("/"))]), objects=objects)
    assert not found.upstreams
    assert server(found).locations[0].upstream == ""


def test_an_ingress_that_cannot_be_understood_does_not_stop_the_others() -> None:
    bad = ingress(
        "bad", rules=[rule({"path": "/", "pathType": "Prefix", "backend": {"service": {"port": {}}}}, host="b.example")]
    )
    found = site(bad, ingress(rules=[rule(path("/"))]))
    assert server(found).locations[0].upstream
    assert [(problem.ingress, problem.reason) for problem in found.problems] == [("default/bad", "NotUnderstood")]


@pytest.mark.parametrize("value", [None, "ä", "*"])
def test_a_secret_that_is_not_base64_has_no_key_pair(value: object) -> None:
    assert decide.key_pair({"data": {**PEM, "tls.key": value}}) is None
