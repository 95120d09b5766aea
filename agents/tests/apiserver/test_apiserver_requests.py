"""What holds for requests of every kind: PUT of what is not there, media types of bodies, HEAD, wrong types."""

from __future__ import annotations

from typing import Any

import pytest
from apiserver_harness import Running, client_session

pytestmark = pytest.mark.etcd

LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles"
MAPS = "/api/v1/namespaces/default/configmaps"
APPLY = "application/apply-patch+yaml"


def named(api_version: str, kind: str, name: str = "x", **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **metadata}}


# --- PUT ---


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (LEASES, {"spec": {"holderIdentity": "me"}}),
        (ROLES, {"rules": []}),
        ("/api/v1/namespaces/default/limitranges", {"spec": {"limits": [{"type": "Pod", "max": {"cpu": "1"}}]}}),
        ("/api/v1/namespaces/default/services", {"spec": {"ports": [{"port": 80}]}}),
    ],
)
async def test_a_put_creates_where_its_kind_lets_it(server: Running, path: str, body: dict[str, Any]) -> None:
    """AllowCreateOnUpdate of the kind's strategy; a resource version is no condition, a uid is one."""
    wrong = {**body, "metadata": {"name": "x", "uid": "u"}}
    code, said = await server.call("PUT", f"{path}/x", wrong)
    why = "Precondition failed: UID in precondition: u, UID in object meta: "
    assert (code, said["reason"], said["message"].endswith(why)) == (409, "Conflict", True)
    assert (await server.call("PUT", f"{path}/x?dryRun=All", {**body, "metadata": {"name": "x"}}))[0] == 201
    assert (await server.call("GET", f"{path}/x"))[0] == 404
    code, made = await server.call("PUT", f"{path}/x", {**body, "metadata": {"name": "x", "resourceVersion": "7"}})
    assert (code, made["metadata"]["managedFields"][0]["operation"]) == (201, "Update")
    code, again = await server.call("PUT", f"{path}/x", made)
    assert (code, again["metadata"]["uid"]) == (200, made["metadata"]["uid"])


async def test_a_put_of_other_kinds_finds_nothing(server: Running) -> None:
    code, said = await server.call("PUT", f"{MAPS}/x", named("v1", "ConfigMap"))
    assert (code, said["message"]) == (404, 'configmaps "x" not found')
    assert (await server.call("PUT", f"{MAPS}/x", named("v1", "ConfigMap", uid="u")))[0] == 409
    code, said = await server.call("PUT", f"{MAPS}/x", {"data": {}})
    why = "the name of the object (x based on URL) was undeterminable: name must be provided"
    assert (code, said["message"]) == (400, why)
    assert (await server.call("PUT", "/api/v1/namespaces/default/services/x/status", named("v1", "Service")))[0] == 404


async def test_who_creates_by_put_or_apply_must_be_allowed_to(server: Running) -> None:
    """withAuthorization in apiserver pkg/endpoints/handlers/update.go: update alone is not enough."""
    role = {**named("rbac.authorization.k8s.io/v1", "Role", "writer")}
    role["rules"] = [{"apiGroups": ["*"], "resources": ["leases", "configmaps"], "verbs": ["update", "patch", "get"]}]
    binding = named("rbac.authorization.k8s.io/v1", "RoleBinding", "writer") | {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "writer"},
        "subjects": [{"kind": "User", "name": "alice"}],
    }
    for path, obj in ((ROLES, role), (ROLES.replace("roles", "rolebindings"), binding)):
        assert (await server.call("POST", path, obj))[0] == 201
    await server.parts.fresh.wait()
    lease, config = named("coordination.k8s.io/v1", "Lease"), named("v1", "ConfigMap")
    async with client_session(server.parts.config.cert.parent, "alice") as session:
        alice = Running(server.parts, session)
        code, said = await alice.call("PUT", f"{LEASES}/x", lease)
        assert (code, 'User "alice" cannot create resource "leases"' in said["message"]) == (403, True)
        code, said = await alice.call("PATCH", f"{MAPS}/x?fieldManager=m", config, Content_Type=APPLY)
        assert (code, 'User "alice" cannot create resource "configmaps"' in said["message"]) == (403, True)
        made = (await server.call("POST", LEASES, lease))[1]
        assert (await alice.call("PUT", f"{LEASES}/x", made))[0] == 200


async def test_some_kinds_want_to_know_what_an_update_is_based_on(server: Running) -> None:
    """AllowUnconditionalUpdate is false."""
    await server.call("POST", LEASES, named("coordination.k8s.io/v1", "Lease"))
    code, said = await server.call("PUT", f"{LEASES}/x", named("coordination.k8s.io/v1", "Lease"))
    assert (code, said["details"]["causes"][0]["field"]) == (422, "metadata.resourceVersion")


async def test_the_version_0_is_none(server: Running) -> None:
    """doUnconditionalUpdate of registry/generic/registry/store.go; kubectl's own tests replace that way."""
    await server.call("POST", MAPS, named("v1", "ConfigMap"))
    newer = {**named("v1", "ConfigMap", resourceVersion="0"), "data": {"a": "b"}}
    code, said = await server.call("PUT", f"{MAPS}/x", newer)
    assert (code, said["data"]) == (200, {"a": "b"})
    assert (await server.call("PUT", f"{MAPS}/x", named("v1", "ConfigMap", resourceVersion="1")))[0] == 409
    await server.call("POST", LEASES, named("coordination.k8s.io/v1", "Lease"))
    anyhow = named("coordination.k8s.io/v1", "Lease", resourceVersion="0")
    assert (await server.call("PUT", f"{LEASES}/x", anyhow))[0] == 422


# --- media types ---

PLAIN = ["application/json", "application/yaml"]
BINARY = "application/vnd.kubernetes.protobuf"
PATCHES = [f"application/{name}-patch+json" for name in ("json", "merge", "strategic-merge")]


@pytest.mark.parametrize(
    ("method", "media", "accepted"),
    [
        ("POST", "text/plain", [*PLAIN, BINARY]),
        ("POST", "application/x-www-form-urlencoded", [*PLAIN, BINARY]),
        ("PUT", "application/merge-patch+json", [*PLAIN, BINARY]),
        ("PATCH", "application/json", [*PATCHES, APPLY]),
        ("PATCH", "", [*PATCHES, APPLY]),
        ("DELETE", "text/yaml", [*PLAIN, BINARY]),
    ],
)
async def test_a_body_of_an_unknown_media_type(server: Running, method: str, media: str, accepted: list[str]) -> None:
    await server.call("POST", MAPS, named("v1", "ConfigMap"))
    path = MAPS if method == "POST" else f"{MAPS}/x"
    code, said = await server.call(method, path, b"{}", Content_Type=media)
    text = "the body of the request was in an unknown format - accepted media types include: "
    assert (code, said["reason"]) == (415, "UnsupportedMediaType")
    assert said["message"] == text + ", ".join(accepted)
    assert (await server.call("GET", f"{MAPS}/x"))[0] == 200


async def test_a_body_without_a_media_type_is_json(server: Running) -> None:
    async with server.session.post(
        server.base + MAPS, data=b'{"metadata": {"name": "x"}}', skip_auto_headers=["Content-Type"]
    ) as answer:
        assert answer.status == 201
    assert (await server.call("POST", MAPS, b"metadata: {name: why}", Content_Type="application/yaml"))[0] == 201


# --- what cannot be read ---


@pytest.mark.parametrize(
    ("body", "why", "head"),
    [
        (b"", "unexpected end of JSON input", "<empty>"),
        (b"apiVersion: v1", "invalid character 'a' looking for beginning of value", "61706956657273696f6e3a207631"),
        (b'{"a":1', "unexpected end of JSON input", '{"a":1'),
        (b'{"a" 1}', "invalid character '1' after object key", '{"a" 1}'),
        (b'{"a":[1 2]}', "invalid character '2' after array element", '{"a":[1 2]}'),
        (b'{"a":1 "b"}', "invalid character '\"' after object key:value pair", '{"a":1 "b"}'),
        (b'{"a":nul}', "invalid character '}' in literal null (expecting 'l')", '{"a":nul}'),
        (b'{"a":1, }', "invalid character '}' looking for beginning of object key string", '{"a":1, }'),
        (b"{} " + b"x" * 40, "invalid character 'x' after top-level value", "{} " + "x" * 27 + " ..."),
        (b'{"a":"\n"}', "invalid character '\\n' in string literal", '{"a":"\n"}'),
        (b'{"a":"\\y"}', "invalid character 'y' in string escape code", '{"a":"\\y"}'),
    ],
)
async def test_text_that_is_no_json(server: Running, body: bytes, why: str, head: str) -> None:
    """Go's words, with the kind that was wanted and how the text begins; a patch has no kind of its own."""
    code, said = await server.call("POST", MAPS, body, Content_Type="application/json")
    text = f"(must be of type ConfigMap): couldn't get version/kind; json parse error: {why} ({head})"
    assert (code, said["message"]) == (400, f"the object provided is unrecognized {text}")
    await server.call("POST", MAPS, named("v1", "ConfigMap"))
    for media, begin in zip(PATCHES, ("error decoding patch: ", "error decoding patch: ", ""), strict=True):
        code, said = await server.call("PATCH", f"{MAPS}/x", body, Content_Type=media)
        assert (code, said["message"]) == (400, begin + why)


# --- HEAD ---


async def test_head_is_for_paths_that_upstream_registers_without_a_method(server: Running) -> None:
    for path, wanted in {
        "/healthz": 200, "/readyz": 200, "/metrics": 200, "/openapi/v2": 200,
        "/version": 405, "/api": 405, "/apis": 405, "/apis/apps/v1": 405, "/.well-known/openid-configuration": 405,
        MAPS: 405, f"{MAPS}/x": 405, "/api/v1/nodes/x": 405,
    }.items():  # fmt: skip
        async with server.session.head(server.base + path) as answer:
            assert (path, answer.status) == (path, wanted)
            assert await answer.read() == b""


# --- wrong types ---

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
WRONG = "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"


async def test_a_value_of_another_type_is_what_cannot_be_decoded(server: Running) -> None:
    """400 from the decoder, with the first such value, where rules would be 422 with every broken one."""
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    obj = {"metadata": {"name": "x"}, "spec": {"selector": {"matchLabels": labels}, "template": template}}
    wrong = {**obj, "spec": {**obj["spec"], "replicas": "3"}}
    text = f'Deployment in version "v1" cannot be handled as a Deployment: {WRONG}'
    code, said = await server.call("POST", DEPLOYMENTS, wrong)
    assert (code, said["reason"], said["message"]) == (400, "BadRequest", text)
    assert (await server.call("POST", DEPLOYMENTS, obj))[0] == 201
    code, said = await server.call("PUT", f"{DEPLOYMENTS}/x", wrong)
    assert (code, said["message"]) == (400, text)
    patch = {"spec": {"replicas": "3"}}
    code, said = await server.call("PATCH", f"{DEPLOYMENTS}/x", patch, Content_Type=PATCHES[1])
    cause = said["details"]["causes"][0]
    assert (code, cause["field"], cause["message"].endswith(WRONG)) == (422, "patch", True)
    scale = {"metadata": {"name": "x"}, "spec": {"replicas": "3"}}
    code, said = await server.call("PUT", f"{DEPLOYMENTS}/x/scale", scale)
    text = f'Scale in version "v1" cannot be handled as a Scale: {WRONG.replace("Deployment", "Scale")}'
    assert (code, said["message"]) == (400, text)


@pytest.mark.parametrize(
    ("patch", "shown", "why"),
    [
        ({"metadata": {"labels": "x"}}, "map[metadata:map[labels:x]]", "cannot restore map from string"),
        ({"spec": {"template": [None]}}, "map[spec:map[template:[<nil>]]]", "cannot restore struct from: slice"),
        ({"metadata": {"finalizers": {"b": 1, "a": True}}}, "map[metadata:map[finalizers:map[a:true b:1]]]",
         "cannot restore slice from map"),
        ({"spec": {"replicas": "3"}}, "map[spec:map[replicas:3]]", "unrecognized type: int32"),
        ({"spec": {"replicas": 1.5}}, "map[spec:map[replicas:1.5]]", "cannot convert float64 to int32"),
        ({"metadata": {"labels": {"a": 1}}}, "map[metadata:map[labels:map[a:1]]]", "cannot convert int64 to string"),
        ({"spec": {"paused": "x"}}, "map[spec:map[paused:x]]", "unrecognized type: bool"),
    ],
)  # fmt: skip
async def test_a_strategic_merge_is_converted(server: Running, patch: dict[str, Any], shown: str, why: str) -> None:
    """Not decoded from JSON; upstream shows the patch (applyPatchToObject in endpoints/handlers/patch.go)."""
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    obj = {"metadata": {"name": "x"}, "spec": {"selector": {"matchLabels": labels}, "template": template}}
    await server.call("POST", DEPLOYMENTS, obj)
    code, said = await server.call("PATCH", f"{DEPLOYMENTS}/x", patch, Content_Type=PATCHES[2])
    assert (code, said["details"]["causes"][0]["message"]) == (422, f'Invalid value: "{shown}": {why}')


@pytest.mark.parametrize("media", [PATCHES[1], PATCHES[2]])
async def test_a_patch_to_what_a_kind_does_not_have_is_told_as_its_own(server: Running, media: str) -> None:
    """endpoints/handlers/patch.go: strict decoding of a patched object is 422 of the field `patch`."""
    await server.call("POST", MAPS, named("v1", "ConfigMap"))
    code, said = await server.call("PATCH", f"{MAPS}/x?fieldValidation=Strict", {"colour": "red"}, Content_Type=media)
    assert (code, said["details"]["causes"][0]["field"]) == (422, "patch")
    assert said["message"].startswith(' "" is invalid: patch: Invalid value: "')
    assert said["message"].endswith('strict decoding error: unknown field "colour"')
    assert (await server.call("PATCH", f"{MAPS}/x", {"colour": "red"}, Content_Type=media))[0] == 200
