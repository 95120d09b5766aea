"""Admission that depends on other objects: limit ranges, quotas, pod security, default classes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from apiserver_harness import EtcdProcess, Running, loops, make_config

from tricenter.apiserver import assembly, main

pytestmark = pytest.mark.etcd

CORE = "/api/v1/namespaces/default"
PODS, QUOTAS = f"{CORE}/pods", f"{CORE}/resourcequotas"
MERGE = "application/merge-patch+json"
DEFAULT = {"globalDefault": True, "preemptionPolicy": "PreemptLowerPriority"}


@pytest.fixture
async def account(server: Running) -> None:
    """The account that pods run as."""
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    await server.call("POST", f"{CORE}/serviceaccounts", body)


def pod(name: str, *, resources: Any = None, **spec: Any) -> dict[str, Any]:
    containers = [{"name": "c", "image": "i", "resources": resources or {}}]
    body = {"containers": containers, "automountServiceAccountToken": False, **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": body}


async def quota(server: Running, hard: dict[str, str]) -> None:
    """A quota that the controller has seen."""
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": hard}}
    code, made = await server.call("POST", QUOTAS, body)
    assert code == 201, made
    status = {"status": {"hard": hard, "used": dict.fromkeys(hard, "0")}}
    code, made = await server.call("PATCH", f"{QUOTAS}/q/status", status, Content_Type=MERGE)
    assert (code, made["status"]["hard"]) == (200, hard)
    await server.call("GET", QUOTAS)  # a consistent read: from here on the cache knows it


async def used(server: Running) -> dict[str, str]:
    _, found = await server.call("GET", f"{QUOTAS}/q")
    return dict(found["status"]["used"])


async def test_servers_together_admit_no_more_than_a_quota_allows(
    server: Running, second: Running, account: None
) -> None:
    await quota(server, {"pods": "3", "requests.cpu": "1"})
    small = {"requests": {"cpu": "100m"}}
    await second.call("GET", QUOTAS)
    calls = (
        (server, second)[number % 2].call("POST", PODS, pod(f"p{number}", resources=small)) for number in range(12)
    )
    answers = await asyncio.gather(*calls)
    codes = [code for code, _ in answers]
    assert (codes.count(201), codes.count(403)) == (3, 9), answers
    refusals = {body["message"].partition(" is forbidden: ")[2] for code, body in answers if code == 403}
    assert refusals == {"exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3"}
    assert await used(server) == {"pods": "3", "requests.cpu": "300m"}


async def test_a_pod_must_say_what_a_quota_counts_and_a_dry_run_costs_nothing(server: Running, account: None) -> None:
    await quota(server, {"limits.memory": "1Gi"})
    code, refused = await server.call("POST", PODS, pod("p"))
    assert (code, refused["message"]) == (
        403,
        'pods "p" is forbidden: failed quota: q: must specify limits.memory for: c',
    )
    body = pod("p", resources={"limits": {"memory": "512Mi"}})
    code, _ = await server.call("POST", f"{PODS}?dryRun=All", body)
    assert (code, await used(server)) == (201, {"limits.memory": "0"})
    code, refused = await server.call("POST", f"{PODS}?dryRun=All", pod("p", resources={"limits": {"memory": "2Gi"}}))
    assert code == 403
    assert refused["message"].endswith(
        "exceeded quota: q, requested: limits.memory=2Gi, used: limits.memory=0, limited: limits.memory=1Gi"
    )


async def test_objects_of_any_resource_and_ports_of_nodes_are_counted(server: Running) -> None:
    await quota(server, {"count/configmaps": "1", "services.nodeports": "1"})
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    code, _ = await server.call("POST", f"{CORE}/configmaps", config_map)
    assert code == 201
    code, refused = await server.call("POST", f"{CORE}/configmaps", config_map | {"metadata": {"name": "b"}})
    assert (code, refused["reason"]) == (403, "Forbidden")
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s"},
        "spec": {"type": "NodePort", "ports": [{"name": "a", "port": 80}]},
    }
    code, made = await server.call("POST", f"{CORE}/services", service)
    assert code == 201
    made["spec"]["ports"].append({"name": "b", "port": 81})
    code, refused = await server.call("PUT", f"{CORE}/services/s", made)
    assert (code, "services.nodeports=1" in refused["message"]) == (403, True)
    assert await used(server) == {"count/configmaps": "1", "services.nodeports": "1"}


async def test_limit_ranges_fill_in_and_refuse(server: Running, account: None) -> None:
    limits = [
        {"type": "Container", "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "250m"}, "max": {"cpu": "1"}},
        {"type": "PersistentVolumeClaim", "max": {"storage": "5Gi"}},
    ]
    body = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l"}, "spec": {"limits": limits}}
    code, made = await server.call("POST", f"{CORE}/limitranges", body)
    assert code == 201, made
    await server.call("GET", f"{CORE}/limitranges")
    code, made = await server.call("POST", PODS, pod("p"))
    assert code == 201, made
    assert made["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "500m"}, "requests": {"cpu": "250m"}}
    assert made["status"]["qosClass"] == "Burstable"
    code, refused = await server.call("POST", PODS, pod("big", resources={"limits": {"cpu": "2"}}))
    assert code == 403
    assert refused["message"] == ('pods "big" is forbidden: maximum cpu usage per Container is 1, but limit is 2')
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "6Gi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"}, "spec": spec}
    code, refused = await server.call("POST", f"{CORE}/persistentvolumeclaims", claim)
    assert (code, refused["message"]) == (
        403,
        (
            'persistentvolumeclaims "c" is forbidden: maximum storage usage per PersistentVolumeClaim is 5Gi, '
            "but request is 6Gi"
        ),
    )


async def label(server: Running, **labels: str) -> tuple[int, Any, list[str]]:
    named = {f"pod-security.kubernetes.io/{key}": value for key, value in labels.items()}
    url = f"{server.base}{CORE}"
    body = {"metadata": {"labels": named}}
    async with server.session.patch(url, json=body, headers={"Content-Type": MERGE}) as answer:
        found = answer.status, await answer.json(), answer.headers.getall("Warning", [])
    await server.call("GET", "/api/v1/namespaces")
    return found


async def test_a_namespace_enforces_its_level(server: Running, account: None) -> None:
    code, _ = await server.call("POST", PODS, pod("loose", hostNetwork=True))
    assert code == 201
    code, _, warnings = await label(server, enforce="baseline")
    assert (code, warnings) == (
        200,
        [
            (
                '299 - "existing pods in namespace \\"default\\" violate the new PodSecurity enforce level '
                '\\"baseline:latest\\""'
            ),
            '299 - "loose: host namespaces"',
        ],
    )
    code, refused = await server.call("POST", PODS, pod("p", hostPID=True))
    assert (code, refused["message"]) == (
        403,
        'pods "p" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostPID=true)',
    )
    code, _ = await server.call("POST", PODS, pod("p"))
    assert code == 201
    code, _ = await server.call("PATCH", f"{PODS}/loose", {"metadata": {"labels": {"a": "b"}}}, Content_Type=MERGE)
    assert code == 200, "what does not change containers may change"


async def test_levels_of_old_look_at_annotations_again_when_they_change(server: Running, account: None) -> None:
    await label(server, **{"enforce": "baseline", "enforce-version": "v1.18"})
    assert (await server.call("POST", PODS, pod("p")))[0] == 201
    for key in ("container.seccomp.security.alpha.kubernetes.io/c", "seccomp.security.alpha.kubernetes.io/pod"):
        change = {"metadata": {"annotations": {key: "unconfined"}}}
        code, refused = await server.call("PATCH", f"{PODS}/p", change, Content_Type=MERGE)
        assert code == 403, refused
        assert f'seccompProfile (forbidden annotation {key}="unconfined")' in refused["message"]


async def test_workloads_are_warned_about_and_wrong_labels_refused(server: Running) -> None:
    await label(server, enforce="restricted")
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod("x")["spec"]}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}
    url = f"{server.base}/apis/apps/v1/namespaces/default/deployments"
    async with server.session.post(url, json=body) as answer:
        warnings = answer.headers.getall("Warning", [])
        assert answer.status == 201
    assert warnings[0].startswith('299 - "would violate PodSecurity \\"restricted:latest\\": allowPrivilegeEscalation')
    code, refused, _ = await label(server, enforce="strict")
    assert (code, refused["details"]["causes"][0]["field"]) == (
        422,
        "metadata.labels[pod-security.kubernetes.io/enforce]",
    )


async def test_a_claim_gets_the_default_class(server: Running) -> None:
    for name, marked in (("plain", "false"), ("fast", "true")):
        annotations = {"storageclass.kubernetes.io/is-default-class": marked}
        body = {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": name, "annotations": annotations},
            "provisioner": "example.com/p",
        }
        await server.call("POST", "/apis/storage.k8s.io/v1/storageclasses", body)
    await server.call("GET", "/apis/storage.k8s.io/v1/storageclasses")
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"}, "spec": spec}
    _, made = await server.call("POST", f"{CORE}/persistentvolumeclaims", claim)
    assert made["spec"]["storageClassName"] == "fast"
    claim = claim | {"metadata": {"name": "none"}, "spec": spec | {"storageClassName": ""}}
    _, made = await server.call("POST", f"{CORE}/persistentvolumeclaims", claim)
    assert made["spec"]["storageClassName"] == ""


async def test_only_one_priority_class_is_the_default(server: Running, account: None) -> None:
    path = "/apis/scheduling.k8s.io/v1/priorityclasses"
    body = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": 7, "globalDefault": True}
    code, _ = await server.call("POST", path, body | {"metadata": {"name": "one"}})
    assert code == 201
    await server.call("GET", path)
    code, refused = await server.call("POST", path, body | {"metadata": {"name": "two"}})
    assert (code, refused["message"]) == (
        403,
        (
            'priorityclasses.scheduling.k8s.io "two" is forbidden: PriorityClass one is already marked as default. '
            "Only one default can exist"
        ),
    )
    _, made = await server.call("POST", PODS, pod("p"))
    assert (made["spec"]["priority"], made["spec"]["priorityClassName"]) == (7, "one")
    code, refused = await server.call("POST", PODS, pod("q", preemptionPolicy="Never"))
    assert "the string value of PreemptionPolicy (Never) must not be provided in pod spec" in refused["message"]


async def test_of_two_default_priority_classes_either_may_go(server: Running) -> None:
    """Two servers that are asked at once each know of one."""
    path = "/apis/scheduling.k8s.io/v1/priorityclasses"
    for name, value in (("high", 7), ("low", 3), ("lower", 1)):
        obj = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name, "uid": name}}
        await server.parts.store.create(f"/registry/priorityclasses/{name}", {**obj, "value": value, **DEFAULT})
    _, found = await server.call("GET", path)
    assert sum("globalDefault" in item for item in found["items"]) == 3
    change = {"description": "which of them, then"}
    code, refused = await server.call("PATCH", f"{path}/low", change, Content_Type=MERGE)
    assert (code, "PriorityClass lower is already marked as default" in refused["message"]) == (403, True)
    assert (await server.call("PATCH", f"{path}/lower", change, Content_Type=MERGE))[0] == 200
    assert (await server.call("DELETE", f"{path}/high"))[0] == 200
    assert (await server.call("DELETE", f"{path}/lower"))[0] == 200


NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"


async def tolerated(server: Running, name: str, *own: dict[str, Any]) -> dict[str, int | None]:
    """How long a new pod stays where something is wrong with its node."""
    code, made = await server.call("POST", PODS, pod(name, tolerations=list(own)))
    assert code == 201, made
    return {found["key"]: found.get("tolerationSeconds") for found in made["spec"]["tolerations"]}


async def test_pods_leave_a_lost_node_when_the_site_says(
    server: Running, account: None, etcd: EtcdProcess, pki: Path
) -> None:
    """Upstream's flags --default-{not-ready,unreachable}-toleration-seconds, five minutes unless they are given."""
    assert await tolerated(server, "usual") == {NOT_READY: 300, UNREACHABLE: 300}
    quick = {"default_not_ready_toleration_seconds": 60, "default_unreachable_toleration_seconds": 10}
    made = assembly.assemble(make_config(etcd, pki, **quick))
    async with loops(made):
        made.health.bootstrapped.set()
        async with main.listening(made):
            site = Running(made, server.session)
            assert await tolerated(site, "quick") == {NOT_READY: 60, UNREACHABLE: 10}
            patient = {"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute"}
            assert await tolerated(site, "patient", patient) == {UNREACHABLE: None, NOT_READY: 60}


async def test_a_pod_written_anew_keeps_what_admission_gave_it(server: Running, account: None) -> None:
    """The plugins handle updates too, without that `kubectl replace` of a pod's manifest would be refused."""
    _, made = await server.call("POST", PODS, pod("again"))
    given = {field: made["spec"].pop(field) for field in ("tolerations", "priority", "preemptionPolicy")}
    made["metadata"]["labels"] = {"written": "anew"}
    code, said = await server.call("PUT", f"{PODS}/again", made)
    assert (code, said["metadata"]["labels"]) == (200, {"written": "anew"}), said
    assert {field: said["spec"][field] for field in given} == given
