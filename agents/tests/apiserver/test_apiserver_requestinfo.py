"""A path and a method say what is asked for, as upstream reads them."""

import pytest

from tricenter.apiserver import requestinfo


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", "/api/v1/pods", {}, ("list", "", "v1", "", "pods", "", "")),
        ("GET", "/api/v1/pods", {"watch": "true"}, ("watch", "", "v1", "", "pods", "", "")),
        ("GET", "/api/v1/pods", {"watch": "0"}, ("list", "", "v1", "", "pods", "", "")),
        ("GET", "/api/v1/watch/namespaces/a/pods", {}, ("watch", "", "v1", "a", "pods", "", "")),
        ("GET", "/api/v1/namespaces/a", {}, ("get", "", "v1", "a", "namespaces", "", "a")),
        ("PUT", "/api/v1/namespaces/a/finalize", {}, ("update", "", "v1", "a", "namespaces", "finalize", "a")),
        ("POST", "/api/v1/namespaces/a/pods/p/binding", {}, ("create", "", "v1", "a", "pods", "binding", "p")),
        (
            "DELETE",
            "/apis/apps/v1/namespaces/a/deployments",
            {},
            ("deletecollection", "apps", "v1", "a", "deployments", "", ""),
        ),
        (
            "PATCH",
            "/apis/apps/v1/namespaces/a/deployments/d/scale",
            {},
            ("patch", "apps", "v1", "a", "deployments", "scale", "d"),
        ),
        ("GET", "/api/v1/namespaces", {}, ("list", "", "v1", "", "namespaces", "", "")),
        (
            "GET",
            "/api/v1/namespaces/a/pods",
            {"fieldSelector": "metadata.name=p,status.phase!=Failed", "watch": "1"},
            ("watch", "", "v1", "a", "pods", "", "p"),
        ),
        (
            "GET",
            "/api/v1/pods",
            {"fieldSelector": "metadata.name!=p"},
            ("list", "", "v1", "", "pods", "", ""),
        ),
        (
            "GET",
            "/api/v1/pods",
            {"fieldSelector": "metadata.name=a/b"},
            ("list", "", "v1", "", "pods", "", ""),
        ),
    ],
)
def test_resource_paths(method: str, path: str, query: dict[str, str], expected: tuple[str, ...]) -> None:
    info = requestinfo.parse(method, path, query)
    found = (info.verb, info.group, info.version, info.namespace, info.resource, info.subresource, info.name)
    assert found == expected


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/v1", "/apis/apps", "/apis/apps/v1", "/healthz", "/openapi/v3/api/v1"]
)
def test_other_paths_have_no_resource(path: str) -> None:
    assert not requestinfo.parse("GET", path, {}).is_resource
