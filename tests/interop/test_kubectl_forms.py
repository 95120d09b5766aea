"""Forms of kubectl's verbs that are less usual: output files, apply sets, subresources, types and claims."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from manifests import config_map, deployment, many, pod


@pytest.fixture(scope="module")
def web(k: Any) -> str:
    """A Deployment without pods."""
    k("create", "-f", "-", stdin=many(deployment("web", 0)))
    return "deployment/web"


# --- get and api-resources ---


def test_outputs_that_files_describe(k: Any, web: str, tmp_path: Path) -> None:
    columns = tmp_path / "columns"
    columns.write_text("WHO            WANTS\nmetadata.name  spec.replicas\n")
    assert k("get", web, "-o", f"custom-columns-file={columns}").split() == ["WHO", "WANTS", "web", "0"]
    (tmp_path / "path").write_text("{.spec.replicas}")
    assert k("get", web, "-o", f"jsonpath-file={tmp_path / 'path'}") == "0"
    (tmp_path / "template").write_text("{{.metadata.name}}")
    assert k("get", web, "-o", f"go-template-file={tmp_path / 'template'}") == "web"
    assert json.loads(k("get", web, "-o", "jsonpath-as-json={.spec.replicas}")) == [0]


def test_tables_that_kubectl_makes_itself(k: Any, web: str) -> None:
    assert k("get", "deployments", "--server-print=false").split()[:3] == ["NAME", "AGE", "web"]
    wide = k("get", web, "-o", "wide", "--show-kind").splitlines()
    assert wide[0].split()[-3:] == ["CONTAINERS", "IMAGES", "SELECTOR"]
    assert wide[1].split()[0] == "deployment.apps/web"
    assert k.json("get", web, "--subresource=scale")["kind"] == "Scale"
    assert "could not find the requested resource" in k.refused("get", web, "--subresource=nothing")


def test_api_resources_by_what_they_can(k: Any) -> None:
    kinds = [line.split()[-1] for line in k("api-resources", "--sort-by=kind", "--no-headers").splitlines()]
    assert kinds == sorted(kinds)
    assert "deployments" in k("api-resources", "--categories=all", "-o", "name")
    assert "configmaps" not in k("api-resources", "--categories=all", "-o", "name")
    wide = {line.split()[0]: line for line in k("api-resources", "-o", "wide", "--api-group=apps").splitlines()}
    assert "create,delete,deletecollection,get,list,patch,update,watch" in wide["deployments"]
    assert wide["deployments"].split()[-1] == "all"


def test_component_statuses(whole: Any) -> None:
    lines = {line.split()[0]: line.split()[1:] for line in whole("get", "componentstatuses").splitlines()}
    assert lines["NAME"] == ["STATUS", "MESSAGE", "ERROR"]
    assert lines["etcd-0"] == ["Healthy", "ok"]
    assert lines["controller-manager"] == ["Healthy", "ok"]


# --- apply ---


def test_an_apply_set_prunes_what_left_it(k: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECTL_APPLYSET", "true")
    items = [config_map("set-a", a="1"), config_map("set-b", a="1")]
    apply = ("apply", "--prune", "--applyset=members", "-f", "-")
    assert k(*apply, stdin=many(*items)).count("created") == 2
    assert "configmap/set-b pruned" in k(*apply, stdin=many(*items[:1]))
    found = k.json("get", "secret", "members")["metadata"]
    assert found["annotations"]["applyset.kubernetes.io/contains-group-kinds"] == "ConfigMap"


def test_the_last_applied_configuration_is_edited(k: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    k("apply", "-f", "-", stdin=many(config_map("annotated", a="1")))
    monkeypatch.setenv("KUBE_EDITOR", "sed -i s/a:\\ .*/a:\\ noted/")
    assert k("apply", "edit-last-applied", "cm/annotated") == "configmap/annotated edited\n"
    assert "a: noted" in k("apply", "view-last-applied", "cm/annotated")
    assert k("get", "cm", "annotated", "-o", "jsonpath={.data.a}") == "1"


# --- changes ---


def test_a_status_is_edited_as_such(k: Any, web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    k("wait", web, "--for=jsonpath={.status.observedGeneration}=1", "--timeout=300s")
    monkeypatch.setenv("KUBE_EDITOR", "sed -i s/observedGeneration:\\ .*/observedGeneration:\\ 77/")
    assert k("edit", web, "--subresource=status") == "deployment.apps/web edited\n"
    monkeypatch.setenv("KUBE_EDITOR", "sed -i s/name:\\ web$/name:\\ other/")
    assert "At least one of apiVersion, kind and name was changed" in k.refused("edit", web)


def test_a_change_of_an_old_version_is_refused(k: Any, web: str) -> None:
    said = k.refused("label", web, "a=b", "--resource-version=1")
    assert 'Operation cannot be fulfilled on deployments.apps "web": the object has been modified' in said
    assert "Expected resource version to be 7" in k.refused("scale", web, "--replicas=1", "--resource-version=7")


@pytest.mark.parametrize(
    ("kind", "words", "patch", "said"),
    [
        ("deployment", "--image=x --replicas=0", {"spec": {"selector": {"matchLabels": {"a": "b"}}}}, "is immutable"),
        ("job", "--image=x", {"spec": {"template": {"spec": {"restartPolicy": "OnFailure"}}}}, "is immutable"),
        ("rolebinding", "--clusterrole=view --user=u", {"roleRef": {"name": "edit"}}, "cannot change roleRef"),
        ("service clusterip", "--tcp=80", {"spec": {"clusterIP": "10.96.200.200"}}, "may not change once set"),
        ("secret generic", "", {"type": "other"}, "field is immutable"),
    ],
)
def test_what_may_not_change(k: Any, kind: str, words: str, patch: dict[str, Any], said: str) -> None:
    name = f"fixed-{kind.split(maxsplit=1)[0]}"
    k("create", *kind.split(), name, *words.split())
    assert said in k.refused("patch", kind.split(maxsplit=1)[0], name, "--type=merge", f"-p={json.dumps(patch)}")


def test_a_service_changes_its_type(k: Any) -> None:
    k("create", "service", "loadbalancer", "moves", "--tcp=80")
    for kind in ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName", "ClusterIP"):
        name = '"a.example"' if kind == "ExternalName" else "null"
        k("patch", "service", "moves", "-p", f'{{"spec": {{"type": "{kind}", "externalName": {name}}}}}')
        assert k("get", "service", "moves", "-o", "jsonpath={.spec.type}") == kind
    k("delete", "service", "moves")


# --- what controllers do with it ---


def test_claims_of_a_stateful_set(k: Any) -> None:
    template = {"metadata": {"labels": {"app": "db"}}, "spec": pod("db", nodeSelector={"no": "where"})["spec"]}
    template["spec"]["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    spec = {"serviceName": "db", "replicas": 1, "selector": {"matchLabels": {"app": "db"}}, "template": template}
    spec["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": claim}]
    k("create", "-f", "-", stdin=many(
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": spec}
    ))  # fmt: skip
    k("wait", "persistentvolumeclaim/data-db-0", "--for=create", "--timeout=300s")
    k("wait", "pod/db-0", "--for=create", "--timeout=300s")
    volumes = k.json("get", "pod", "db-0")["spec"]["volumes"]
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}} in volumes
    k("delete", "statefulset", "db", "--wait=false")


def test_a_refusal_that_is_repeated_is_one_event(k: Any, eventually: Any) -> None:
    k("create", "-f", "-", stdin=many(deployment("refused", 0)))
    k("set", "serviceaccount", "deployment", "refused", "nobody")
    k("scale", "deployment", "refused", "--replicas=1")
    selected = "--field-selector=reason=FailedCreate,involvedObject.kind=ReplicaSet"
    events = eventually(lambda: k.json("get", "events", selected)["items"])
    assert {event["message"] for event in events} == {
        f'Error creating: pods "{event["involvedObject"]["name"]}-" is forbidden: error looking up service account '
        f'{event["metadata"]["namespace"]}/nobody: serviceaccount "nobody" not found'
        for event in events
    }
    k("delete", "deployment", "refused")
