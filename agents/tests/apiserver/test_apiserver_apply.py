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
