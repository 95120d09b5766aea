"""Server-side apply, where a client notices what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from apiserver_harness import Running

pytestmark = pytest.mark.etcd

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
REFUSED = 'Operation cannot be fulfilled on deployments.apps "web"'
APPLY = {"Content-Type": "application/apply-patch+yaml"}


def deployment(container: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    labels = {"app": "web"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "c", "image": "x"} | (container or {})]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
    }


@pytest.mark.parametrize("level", ["Ignore", "Warn", "Strict"])
@pytest.mark.parametrize(
    ("applied", "why"),
    [
        (deployment(foo=1), ".spec.foo: field not declared in schema"),
        (deployment({"imge": "y"}), '.spec.template.spec.containers[name="c"].imge: field not declared in schema'),
        (deployment(replicas="3"), ".spec.replicas: expected numeric (int or float), got string"),
        (
            deployment(foo=1, paused="x"),
            "errors:\n  .spec.foo: field not declared in schema\n  .spec.paused: expected boolean, got &{x}",
        ),
    ],
)
async def test_what_a_kind_does_not_have_cannot_be_applied(
    server: Running, level: str, applied: dict[str, Any], why: str
) -> None:
    """structured-merge-diff refuses it before field validation has a say; its error has no reason upstream."""
    path = f"{DEPLOYMENTS}/web?fieldManager=m&fieldValidation={level}"
    code, said = await server.call("PATCH", path, applied, **APPLY)
    head = "failed to create typed patch object (default/web; apps/v1, Kind=Deployment): "
    assert (code, said["message"], "reason" in said) == (500, head + why, False)
    assert (await server.call("GET", f"{DEPLOYMENTS}/web"))[0] == 404


@pytest.mark.parametrize(
    ("metadata", "code", "message"),
    [
        (
            {"uid": "u"},
            409,
            f"{REFUSED}: uid mismatch: the provided object specified uid u, and no existing object was found",
        ),
        ({"managedFields": []}, 400, "metadata.managedFields must be nil"),
        ({"name": "other"}, 400, "the name of the object (other) does not match the name on the URL (web)"),
    ],
)
async def test_metadata_that_cannot_be_applied(
    server: Running, metadata: dict[str, Any], code: int, message: str
) -> None:
    applied = deployment()
    applied["metadata"] |= metadata
    found, said = await server.call("PATCH", f"{DEPLOYMENTS}/web?fieldManager=m", applied, **APPLY)
    assert (found, said["message"]) == (code, message)


async def test_an_apply_is_of_the_version_of_its_path(server: Running) -> None:
    applied = {**deployment(), "apiVersion": "apps/v1beta1"}
    code, said = await server.call("PATCH", f"{DEPLOYMENTS}/web?fieldManager=m", applied, **APPLY)
    why = "Incorrect version specified in apply patch. Specified patch version: apps/v1beta1, expected: apps/v1"
    assert (code, said["message"]) == (400, why)


async def test_an_apply_to_a_subresource_creates_nothing(server: Running) -> None:
    status = {**deployment(), "spec": {}, "status": {"replicas": 1}}
    code, said = await server.call("PATCH", f"{DEPLOYMENTS}/web/status?fieldManager=m", status, **APPLY)
    assert (code, said["message"]) == (404, 'deployments.apps "web" not found')


def scale(replicas: int) -> dict[str, Any]:
    return {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": replicas},
    }


async def owners(server: Running, path: str) -> dict[tuple[str, str, str], dict[str, Any]]:
    _, obj = await server.call("GET", path)
    return {(e["manager"], e["operation"], e.get("subresource", "")): e for e in obj["metadata"]["managedFields"]}


async def test_a_scale_is_applied_and_owned_like_the_replicas_behind_it(server: Running) -> None:
    """client-go's ApplyScale; who owns the replicas is told in terms of the Scale (managedfields/scalehandler.go)."""
    web = f"{DEPLOYMENTS}/web"
    assert (await server.call("PATCH", f"{web}/scale?fieldManager=hpa", scale(2), **APPLY))[0] == 404
    await server.call("POST", f"{DEPLOYMENTS}?fieldManager=kubectl", deployment(replicas=1))
    code, said = await server.call("PATCH", f"{web}/scale?fieldManager=hpa", scale(2), **APPLY)
    why = 'Apply failed with 1 conflict: conflict with "kubectl" using autoscaling/v1: .spec.replicas'
    assert (code, said["message"], said["details"]["causes"][0]["field"]) == (409, why, ".spec.replicas")
    code, said = await server.call("PATCH", f"{web}/scale?fieldManager=hpa&force=true", scale(2), **APPLY)
    assert (code, said["kind"], said["spec"], "managedFields" in said["metadata"]) == (
        200,
        "Scale",
        {"replicas": 2},
        False,
    )

    found = await owners(server, web)
    mine = found["hpa", "Apply", "scale"]
    assert (mine["apiVersion"], mine["fieldsV1"]) == ("apps/v1", {"f:spec": {"f:replicas": {}}})
    kept = found["kubectl", "Update", ""]["fieldsV1"]["f:spec"]
    assert "f:replicas" not in kept
    assert {"f:selector", "f:template"} <= kept.keys()
    _, again = await server.call("PATCH", f"{web}/scale?fieldManager=hpa", scale(2), **APPLY)
    assert again["metadata"]["resourceVersion"] == said["metadata"]["resourceVersion"]

    code, said = await server.call("PATCH", f"{web}?fieldManager=git", deployment(replicas=9), **APPLY)
    assert (code, 'conflict with "hpa" with subresource "scale": .spec.replicas' in said["message"]) == (409, True)
    code, _ = await server.call("PATCH", f"{web}?fieldManager=git&force=true", deployment(replicas=9), **APPLY)
    assert (code, ("hpa", "Apply", "scale") in await owners(server, web)) == (200, False)


@pytest.mark.parametrize(
    ("applied", "code", "why"),
    [
        ({"apiVersion": "apps/v1"}, 400, "Specified patch version: apps/v1, expected: autoscaling/v1"),
        ({"spec": {"foo": 1}}, 500, ".spec.foo: field not declared in schema"),
        ({"spec": {"replicas": -1}}, 422, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
    ],
)
async def test_a_scale_that_cannot_be_applied(server: Running, applied: dict[str, Any], code: int, why: str) -> None:
    await server.call("POST", f"{DEPLOYMENTS}?fieldManager=hpa", deployment())
    path = f"{DEPLOYMENTS}/web/scale?fieldManager=hpa&force=true"
    found, said = await server.call("PATCH", path, scale(1) | applied, **APPLY)
    assert (found, why in said["message"]) == (code, True), said
