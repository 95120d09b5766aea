"""OpenAPI documents are complete, consistent and say what kubectl looks for."""

import re
from typing import Any

import orjson
import pytest

from tricenter.apimachinery import kinds, openapi
from tricenter.apimachinery.records import Kind

GROUP_VERSIONS = sorted({(kind.group, kind.version) for kind in kinds.BUILTIN})
METHODS = {"get", "put", "post", "patch", "delete"}


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, m, item[m]) for path, item in document["paths"].items() for m in METHODS & item.keys()]


def names(operation: dict[str, Any]) -> set[str]:
    return {parameter["name"] for parameter in operation["parameters"]}


@pytest.mark.parametrize(("group", "version"), GROUP_VERSIONS)
def test_every_reference_leads_somewhere(group: str, version: str) -> None:
    text = openapi.v3_bytes(group, version).decode()
    schemas = orjson.loads(text)["components"]["schemas"]
    references = set(re.findall(r'"\$ref":"([^"]+)"', text))
    assert {ref.removeprefix("#/components/schemas/") for ref in references} <= schemas.keys()
    assert '"null"' not in text
    assert "$defs" not in text


@pytest.mark.parametrize(("group", "version"), GROUP_VERSIONS)
def test_operations_have_unique_ids_and_all_path_parameters(group: str, version: str) -> None:
    document = orjson.loads(openapi.v3_bytes(group, version))
    found = operations(document)
    ids = [operation["operationId"] for _, _, operation in found]
    assert len(ids) == len(set(ids))
    for path, _, _ in found:
        declared = {p["name"] for p in document["paths"][path]["parameters"] if p["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path))


def test_kubectl_finds_field_validation() -> None:
    document = orjson.loads(openapi.v3_bytes("apps", "v1"))
    gvk = {"group": "apps", "version": "v1", "kind": "Deployment"}
    path = "/apis/apps/v1/namespaces/{namespace}/deployments"
    patch = document["paths"][f"{path}/{{name}}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == gvk
    assert patch["x-kubernetes-action"] == "patch"
    assert {"fieldValidation", "force", "dryRun", "fieldManager"} <= names(patch)
    assert "fieldValidation" in names(document["paths"][path]["post"])
    assert "labelSelector" in names(document["paths"]["/apis/apps/v1/deployments"]["get"])
    assert "/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale" in document["paths"]
    schema = document["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"]
    assert schema["x-kubernetes-group-version-kind"] == [gvk]
    strategy = document["components"]["schemas"]["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]["strategy"]
    assert strategy["allOf"] == [{"$ref": "#/components/schemas/io.k8s.api.apps.v1.DeploymentStrategy"}]
    assert strategy["x-kubernetes-patch-strategy"] == "retainKeys"


def test_pods_have_their_subresources() -> None:
    found = openapi.v3("", "v1")["paths"]
    root = "/api/v1/namespaces/{namespace}/pods/{name}"
    assert found[f"{root}/exec"]["post"]["x-kubernetes-action"] == "connect"
    assert "tailLines" in names(found[f"{root}/log"]["get"])
    assert "post" in found[f"{root}/eviction"]
    assert f"{root}/proxy/{{path}}" in found


def test_index_and_version_2() -> None:
    index = openapi.v3_index()["paths"]
    assert index["apis/apps/v1"]["serverRelativeURL"].startswith("/openapi/v3/apis/apps/v1?hash=")
    assert "api/v1" in index
    text = openapi.v2_bytes().decode()
    document = orjson.loads(text)
    references = set(re.findall(r'"\$ref":"#/definitions/([^"]+)"', text))
    assert references <= document["definitions"].keys()
    assert document["swagger"] == "2.0"


def test_what_is_not_served_has_no_document() -> None:
    with pytest.raises(KeyError):
        openapi.v3("apps", "v1beta1")


def test_custom_resources() -> None:
    kind = Kind(
        group="shop.example.com", version="v1", kind="Shop", plural="shops", singular="shop", namespaced=True,
        verbs=("create", "get", "list", "patch"),
        structural={"type": "object", "properties": {"spec": {"type": "object"}}},
    )  # fmt: skip
    document = openapi.v3_document([kind])
    schema = document["components"]["schemas"]["com.example.shop.v1.Shop"]
    assert schema["x-kubernetes-group-version-kind"] == [{"group": "shop.example.com", "version": "v1", "kind": "Shop"}]
    assert set(schema["properties"]) == {"apiVersion", "kind", "metadata", "spec"}
    assert "/apis/shop.example.com/v1/namespaces/{namespace}/shops/{name}" in document["paths"]
    assert "com.example.shop.v1.ShopList" in openapi.v2_custom([kind])["definitions"]
