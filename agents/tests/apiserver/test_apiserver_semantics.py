"""What the path of a request adds to an object and says of it, where clients notice: names, owners of fields."""

from __future__ import annotations

from typing import Any

import pytest
from apiserver_harness import Running

from tricenter.apimachinery import times

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


MAPS = "/api/v1/namespaces/default/configmaps"
MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}}
MERGE = "application/merge-patch+json"


@pytest.mark.parametrize(
    ("method", "query", "kind", "problem"),
    [
        ("POST", "dryRun=Some", "Create", 'dryRun: Unsupported value: ["Some"]: supported values: "All"'),
        ("POST", "fieldValidation=Loose", "Create", 'fieldValidation: Unsupported value: "Loose": supported values: '),
        ("PUT", f"fieldManager={'x' * 129}", "Update", "fieldManager: Too long: may not be more than 128 bytes"),
        (
            "PATCH",
            "fieldManager=a%07",
            "Patch",
            'fieldManager: Invalid value: "a\\u0007": should only contain printable',
        ),
        ("PATCH", "force=true", "Patch", "force: Forbidden: may not be specified for non-apply patch"),
        ("DELETE", "propagationPolicy=Up", "Delete", 'propagationPolicy: Unsupported value: "Up": supported values: '),
        ("DELETE", "orphanDependents=true&propagationPolicy=Orphan", "Delete", "propagationPolicy: Invalid value: "),
    ],
)
async def test_parameters_of_writes_that_mean_nothing(
    server: Running, method: str, query: str, kind: str, problem: str
) -> None:
    """apimachinery pkg/apis/meta/v1/validation: 422, in the name of the options."""
    path = MAPS if method == "POST" else f"{MAPS}/m"
    headers = {"Content-Type": MERGE} if method == "PATCH" else {}
    await server.call("POST", MAPS, MAP)
    code, body = await server.call(method, f"{path}?{query}", None if method == "DELETE" else MAP, **headers)
    assert (code, body["reason"]) == (422, "Invalid")
    assert body["message"].startswith(f'{kind}Options.meta.k8s.io "" is invalid: {problem}')
    assert (await server.call("GET", f"{MAPS}/m"))[0] == 200


async def test_an_apply_says_who_applies(server: Running) -> None:
    apply = {"Content-Type": "application/apply-patch+yaml"}
    code, body = await server.call("PATCH", f"{MAPS}/m", MAP, **apply)
    why = "fieldManager: Required value: is required for apply patch"
    assert (code, body["message"]) == (422, f'PatchOptions.meta.k8s.io "" is invalid: {why}')


async def test_a_body_of_another_kind_deletes_nothing(server: Running) -> None:
    await server.call("POST", MAPS, MAP)
    code, body = await server.call("DELETE", f"{MAPS}/m", MAP)
    assert (code, body["reason"]) == (400, "BadRequest")
    assert 'no kind "ConfigMap" is registered' in body["message"]
    assert (await server.call("GET", f"{MAPS}/m"))[0] == 200


@pytest.mark.parametrize(
    ("query", "agent", "lines"),
    [("", "kubectl/v1.32", 1), ("pretty=true", "kubectl/v1.32", 8), ("", "curl/8.0", 8), ("pretty=0", "curl/8.0", 1)],
)
async def test_people_get_lines(server: Running, query: str, agent: str, lines: int) -> None:
    await server.call("POST", MAPS, MAP)
    for path in (MAPS, f"{MAPS}/m", "/api", f"{MAPS}/none"):
        async with server.session.get(f"{server.base}{path}?{query}", headers={"User-Agent": agent}) as answer:
            assert len((await answer.text()).splitlines()) >= lines, path
            assert (b"\n  " in await answer.read()) == (lines > 1), path


SERVICES = "/api/v1/namespaces/default/services"


@pytest.mark.parametrize("kind", ["LoadBalancer", "NodePort", "ClusterIP"])
@pytest.mark.parametrize("other", ["LoadBalancer", "NodePort", "ClusterIP", "ExternalName"])
async def test_a_service_becomes_one_of_another_type(server: Running, kind: str, other: str) -> None:
    """kubectl patch svc -p '{"spec": {"type": ...}}': what only the old type has goes (dropTypeDependentFields)."""
    spec = {"type": kind, "ports": [{"port": 80}], "selector": {"a": "b"}}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": spec}
    code, made = await server.call("POST", SERVICES, service)
    assert code == 201, made
    patch = {"spec": {"type": other, **({"externalName": "a.example"} if other == "ExternalName" else {})}}
    code, changed = await server.call("PATCH", f"{SERVICES}/s", patch, Content_Type=MERGE)
    assert code == 200, changed
    before, after = made["spec"], changed["spec"]
    assert after.get("clusterIP") == (None if other == "ExternalName" else before["clusterIP"])
    assert ("nodePort" in after["ports"][0]) == (other in {"NodePort", "LoadBalancer"})
    assert ("allocateLoadBalancerNodePorts" in after) == (other == "LoadBalancer")
    assert ("externalTrafficPolicy" in after) == (other in {"NodePort", "LoadBalancer"})
    assert ("ipFamilies" in after) == (other != "ExternalName")
    back = {"spec": {"type": kind, "externalName": None}}
    code, again = await server.call("PATCH", f"{SERVICES}/s", back, Content_Type=MERGE)
    assert (code, again["spec"].keys()) == (200, before.keys()), again


async def test_a_job_with_a_generated_name_is_named_by_its_labels(server: Running) -> None:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"generateName": "j-"}, "spec": {"template": template}}
    code, made = await server.call("POST", "/apis/batch/v1/namespaces/default/jobs", job)
    assert code == 201, made
    name, uid = made["metadata"]["name"], made["metadata"]["uid"]
    assert name.startswith("j-")
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert (labels["batch.kubernetes.io/job-name"], labels["job-name"]) == (name, name)
    assert made["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert made["metadata"]["labels"] == labels


async def test_keys_of_extra_that_no_header_can_have_are_escaped(server: Running) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    headers = {"Impersonate-User": "jane", "Impersonate-Extra-Acme.com%2FProject": "p"}
    _, body = await server.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review, **headers)
    assert body["status"]["userInfo"]["extra"] == {"acme.com/project": ["p"]}


async def test_components_are_there_when_their_lease_is_held(server: Running) -> None:
    _, before = await server.call("GET", "/api/v1/componentstatuses")
    health = {item["metadata"]["name"]: item["conditions"][0]["status"] for item in before["items"]}
    assert health == {"controller-manager": "False", "etcd-0": "True", "scheduler": "False"}
    spec = {"holderIdentity": "a", "renewTime": times.now_micro(), "leaseDurationSeconds": 60}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "kube-scheduler"}}
    path = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
    assert (await server.call("POST", path, {**lease, "spec": spec}))[0] == 201
    await server.parts.fresh.wait()
    code, found = await server.call("GET", "/api/v1/componentstatuses/scheduler")
    assert (code, found["conditions"][0]["message"]) == (200, "ok")
    assert (await server.call("GET", "/api/v1/componentstatuses/none"))[0] == 404


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/v1/componentstatuses", "v1 ComponentStatus is deprecated in v1.19+"),
        ("/api/v1/endpoints", "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"),
        ("/api/v1/endpoints?watch=1", "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"),
    ],
)
async def test_deprecated_resources_say_so(server: Running, path: str, said: str) -> None:
    async with server.session.get(server.base + path) as answer:
        assert (answer.status, answer.headers.getall("Warning")) == (200, [f'299 - "{said}"'])


async def test_pods_that_are_hardly_meant_so_come_with_warnings(server: Running) -> None:
    made = pod(spec={"nodeSelector": {"beta.kubernetes.io/os": "linux"}})["spec"]
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": made}}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}
    path = "/apis/apps/v1/namespaces/default/deployments"
    async with server.session.post(server.base + path, json=deployment) as answer:
        assert answer.status == 201
        (said,) = answer.headers.getall("Warning")
        assert said.startswith('299 - "spec.template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14')
    scaled = {"metadata": {"labels": {"x": "y"}}}
    headers = {"Content-Type": MERGE}
    async with server.session.patch(f"{server.base}{path}/d", json=scaled, headers=headers) as answer:
        assert (answer.status, "Warning" in answer.headers) == (200, False)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"ipFamilies": ["IPv6"]}, 'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'),
        ({"ipFamilyPolicy": "RequireDualStack"}, (
            'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack '
            "services")),
        ({"ipFamilyPolicy": "PreferDualStack"}, ""),
    ],
)  # fmt: skip
async def test_families_of_addresses_that_the_site_does_not_have(
    server: Running, fields: dict[str, Any], problem: str
) -> None:
    spec = {"ports": [{"port": 80}], **fields}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": spec}
    code, body = await server.call("POST", SERVICES, service)
    assert (code, body.get("message")) == ((422, f'Service "s" is invalid: {problem}') if problem else (201, None))
