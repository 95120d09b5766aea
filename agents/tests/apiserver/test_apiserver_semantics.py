"""What the path of a request adds to an object and says of it, where clients notice: names, owners of fields."""

from __future__ import annotations

from typing import Any

import pytest
from apiserver_harness import Running

pytestmark = pytest.mark.etcd

PODS = "/api/v1/namespaces/default/pods"


def pod(*, spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    container = {"name": "c", "image": "x"}
    body = {"containers": [container], "automountServiceAccountToken": False, **(spec or {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata or {"name": "x"}, "spec": body}


async def test_a_refused_pod_without_a_name_is_called_by_its_beginning(server: Running) -> None:
    """Controllers count events of one refusal by its text: it must not differ from try to try."""
    body = pod(spec={"serviceAccountName": "none"}, generateName="web-")
    code, said = await server.call("POST", PODS, body)
    why = 'error looking up service account default/none: serviceaccount "none" not found'
    assert (code, said["message"]) == (403, f'pods "web-" is forbidden: {why}')


async def test_elements_without_their_key_have_no_owner_and_do_no_harm(server: Running) -> None:
    await server.call("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
    code, made = await server.call("POST", PODS, pod(spec={"imagePullSecrets": [{}, {}]}))
    assert (code, made["spec"]["imagePullSecrets"]) == (201, [{}, {}])
    assert "managedFields" not in made["metadata"]


async def test_fields_that_cannot_be_selected_by_are_named_as_their_kind_names_them(server: Running) -> None:
    for path, message in {
        "/api/v1/pods": "field label not supported: spec.no",
        "/api/v1/configmaps": '"spec.no" is not a known field selector: only "metadata.name", "metadata.namespace"',
        "/apis/batch/v1/jobs": 'field label "spec.no" not supported for batchv1.Job',
    }.items():
        code, body = await server.call("GET", f"{path}?fieldSelector=spec.no=1")
        assert (code, body["reason"], body["message"]) == (400, "BadRequest", message)
