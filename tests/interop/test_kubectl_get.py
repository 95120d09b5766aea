"""kubectl get, describe, explain, api-resources, api-versions, cluster-info, version: reading."""

from __future__ import annotations

import json
from typing import Any

import pytest
from manifests import config_map, deployment, many, pod

NAMES = ["read-a", "read-b", "read-c"]


@pytest.fixture(scope="module")
def three(k: Any) -> list[str]:
    """Three ConfigMaps that tests read and do not change."""
    items = [config_map(name, {"set": "read", "rank": str(2 - at)}, rank=str(2 - at)) for at, name in enumerate(NAMES)]
    k("create", "-f", "-", stdin=many(*items))
    return NAMES


@pytest.fixture(scope="module")
def one_of_each(k: Any, token: str) -> list[str]:
    """References to one object of each kind that users write."""
    k("create", "-f", "-", stdin=many(deployment("all", 0), pod("all", {"app": "all"}, nodeSelector={"no": "where"})))
    for words in (
        "configmap all --from-literal=a=b",
        "secret generic all --from-literal=a=b",
        "service clusterip all --tcp=80",
        "serviceaccount all",
        "role all --verb=get --resource=pods",
        "rolebinding all --role=all --user=u",
        f"clusterrole all-{token} --verb=get --resource=pods",
        f"clusterrolebinding all-{token} --clusterrole=all-{token} --user=u",
        f"priorityclass all-{token} --value=5",
        "quota all --hard=pods=50",
        "poddisruptionbudget all --selector=app=all --min-available=0",
        "ingress all --rule=all.example/*=all:80",
        "job all --image=busybox:1",
        "cronjob all --image=busybox:1 --schedule=@yearly",
    ):
        k("create", *words.split())
    k("autoscale", "deployment", "all", "--max=3")
    policy = {"podSelector": {}, "policyTypes": ["Ingress"]}
    meta = {"name": "all"}
    limits = {"limits": [{"type": "Container", "default": {"cpu": "1"}}]}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}
    template = {"metadata": {"labels": {"app": "sts"}}, "spec": pod("x")["spec"]}
    sts = {"replicas": 0, "serviceName": "all", "selector": {"matchLabels": {"app": "sts"}}, "template": template}
    ds_template = {**template, "spec": {**template["spec"], "nodeSelector": {"no": "where"}}}
    ds = {"selector": {"matchLabels": {"app": "sts"}}, "template": ds_template}
    k("create", "-f", "-", stdin=many(
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": policy},
        {"apiVersion": "v1", "kind": "LimitRange", "metadata": meta, "spec": limits},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": claim},
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta, "spec": sts},
        {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": meta, "spec": ds},
        {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": f"all-{token}"},
         "provisioner": "none.example"},
        {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": f"all-{token}"},
         "spec": {"controller": "none.example/x"}},
    ))  # fmt: skip
    inside = (
        "configmap secret service serviceaccount role rolebinding quota pdb ingress job cronjob hpa deployment pod "
        "networkpolicy limitrange pvc statefulset daemonset"
    )
    outside = "clusterrole clusterrolebinding priorityclass storageclass ingressclass"
    return [*(f"{kind}/all" for kind in inside.split()), *(f"{kind}/all-{token}" for kind in outside.split())]


def test_columns_are_upstreams(k: Any, three: list[str]) -> None:
    lines = k("get", "configmaps", "--selector=set=read").splitlines()
    assert lines[0].split() == ["NAME", "DATA", "AGE"]
    assert [line.split()[:2] for line in lines[1:]] == [[name, "1"] for name in three]


COLUMNS = {
    "pod": "NAME READY STATUS RESTARTS AGE",
    "deployment": "NAME READY UP-TO-DATE AVAILABLE AGE",
    "statefulset": "NAME READY AGE",
    "daemonset": "NAME DESIRED CURRENT READY UP-TO-DATE AVAILABLE NODE SELECTOR AGE",
    "job": "NAME STATUS COMPLETIONS DURATION AGE",
    "cronjob": "NAME SCHEDULE TIMEZONE SUSPEND ACTIVE LAST SCHEDULE AGE",
    "service": "NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE",
    "ingress": "NAME CLASS HOSTS ADDRESS PORTS AGE",
    "secret": "NAME TYPE DATA AGE",
    "serviceaccount": "NAME SECRETS AGE",
    "pdb": "NAME MIN AVAILABLE MAX UNAVAILABLE ALLOWED DISRUPTIONS AGE",
    "hpa": "NAME REFERENCE TARGETS MINPODS MAXPODS REPLICAS AGE",
    "networkpolicy": "NAME POD-SELECTOR AGE",
    "pvc": "NAME STATUS VOLUME CAPACITY ACCESS MODES STORAGECLASS VOLUMEATTRIBUTESCLASS AGE",
    "role": "NAME CREATED AT",
    "rolebinding": "NAME ROLE AGE",
    "limitrange": "NAME CREATED AT",
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_columns_of_each_kind(k: Any, one_of_each: list[str], kind: str) -> None:
    assert k("get", kind, "all").splitlines()[0].split() == COLUMNS[kind].split()


def test_get_in_other_forms(k: Any, three: list[str]) -> None:
    assert k.json("get", "configmap", "read-a")["data"] == {"rank": "2"}
    assert 'rank: "2"' in k("get", "configmap", "read-a", "--output=yaml")
    columns = k("get", "cm", "-l", "set=read", "-o", "custom-columns=N:.metadata.name,R:.data.rank", "--no-headers")
    assert [line.split() for line in columns.splitlines()] == [["read-a", "2"], ["read-b", "1"], ["read-c", "0"]]
    assert k("get", "cm", "read-a", "-o", "jsonpath={.data.rank}") == "2"
    assert k("get", "cm", "-l", "set=read", "-o", "jsonpath={.items[*].data.rank}") == "2 1 0"
    assert k("get", "cm", "-l", "set=read", "-o", "name").split() == [f"configmap/{name}" for name in three]
    assert k("get", "cm", "read-a", "-o", "go-template={{.data.rank}}") == "2"
    assert k("get", "cm", "-l", "set=read", "-L", "rank", "--no-headers").split()[-1] == "0"


def test_get_sorted_selected_and_in_chunks(k: Any, three: list[str]) -> None:
    shown = k("get", "cm", "-l", "set=read", "--sort-by=.data.rank", "-o", "name").split()
    assert shown == [f"configmap/{name}" for name in reversed(three)]
    assert k("get", "cm", "-l", "set=read,rank in (0,1),rank!=1", "-o", "name").split() == ["configmap/read-c"]
    assert k("get", "cm", "-l", "set,rank notin (0,1)", "-o", "name").split() == ["configmap/read-a"]
    assert k("get", "cm", "--field-selector=metadata.name=read-b", "-o", "name").split() == ["configmap/read-b"]
    assert k("get", "cm", "-l", "set=read", "--chunk-size=1", "-o", "name").split() == [f"configmap/{n}" for n in three]
    everywhere = k("get", "cm", "--all-namespaces", "-l", "set=read", "--show-labels")
    assert everywhere.splitlines()[0].split() == ["NAMESPACE", "NAME", "DATA", "AGE", "LABELS"]
    assert "rank=2,set=read" in everywhere


def test_get_of_several_kinds_and_of_all(k: Any, three: list[str], one_of_each: list[str]) -> None:
    shown = k("get", "configmap/read-a", "secret/all", "-o", "name").split()
    assert shown == ["configmap/read-a", "secret/all"]
    everything = k("get", "all", "-o", "name").split()
    assert {"pod/all", "service/all", "deployment.apps/all", "job.batch/all"} <= set(everything)
    assert "configmap/read-a" not in everything


def test_get_of_what_is_not_there(k: Any, three: list[str]) -> None:
    assert k.refused("get", "configmap", "none") == 'Error from server (NotFound): configmaps "none" not found\n'
    assert k("get", "configmap", "none", "--ignore-not-found") == ""
    assert 'the server doesn\'t have a resource type "nonsense"' in k.refused("get", "nonsense")
    assert '"data.rank" is not a known field selector' in k.refused("get", "cm", "--field-selector=data.rank=1")
    assert k.refused("get", "pods", "--field-selector=spec.no=1") == (
        'Error from server (BadRequest): Unable to find "/v1, Resource=pods" that match label selector "", field '
        'selector "spec.no=1": field label not supported: spec.no\n'
    )
    assert "unable to parse requirement" in k.refused("get", "cm", "-l", "a in b")


def test_raw(k: Any) -> None:
    assert json.loads(k("get", "--raw", "/version"))["major"] == "1"
    assert k("get", "--raw", "/readyz") == "ok"
    assert "could not find the requested resource" in k.refused("get", "--raw", "/apis/none.example/v1")


def test_watch_shows_changes_until_it_is_ended(k: Any) -> None:
    k("create", "-f", "-", stdin=many(config_map("seen", {"watched": "yes"})))
    watching = k.start("get", "cm", "--watch", "-l", "watched=yes", "-o", "name", "--request-timeout=600s")
    assert watching.stdout.readline() == "configmap/seen\n"
    k("label", "cm", "seen", "more=1")
    assert watching.stdout.readline() == "configmap/seen\n"
    watching.terminate()
    watching.communicate(timeout=400)


def test_watch_events_are_named(k: Any) -> None:
    k("create", "-f", "-", stdin=many(config_map("events", {"watched": "events"})))
    selected = ("-l", "watched=events", "--no-headers", "--request-timeout=600s")
    watching = k.start("get", "cm", "--watch", "--output-watch-events", *selected)
    assert watching.stdout.readline().split()[:2] == ["ADDED", "events"]
    k("label", "cm", "events", "n=1")
    k("delete", "cm", "events")
    assert [watching.stdout.readline().split()[:2] for _ in range(2)] == [["MODIFIED", "events"], ["DELETED", "events"]]
    watching.terminate()
    watching.communicate(timeout=400)


def test_describe_every_kind(k: Any, one_of_each: list[str]) -> None:
    for reference in one_of_each:
        kind, name = reference.split("/")
        shown = k("describe", kind, name)
        assert f"{name}" in shown.splitlines()[0], reference
    assert "Selector:" in k("describe", "service", "all")
    assert "Pod Template:" in k("describe", "deployment", "all")
    assert k.refused("describe", "pod", "none") == 'Error from server (NotFound): pods "none" not found\n'


@pytest.mark.parametrize("kind", ["pods", "deployments", "services", "ingresses", "networkpolicies", "nodes", "events"])
def test_explain(k: Any, kind: str) -> None:
    shown = k("explain", kind)
    assert {"KIND:", "VERSION:", "DESCRIPTION:", "FIELDS:"} <= set(shown.split())
    assert "metadata\t<ObjectMeta>" in k("explain", kind, "--recursive")
    assert "FIELD" in k("explain", kind, "--output=plaintext-openapiv2")


def test_explain_of_a_field(k: Any) -> None:
    shown = k("explain", "pods.spec.containers.resources.limits")
    assert "FIELD: limits <map[string]Quantity>" in shown
    assert 'field "nonsense" does not exist' in k.refused("explain", "pods.nonsense")
    assert "VERSION:    v1" in k("explain", "hpa", "--api-version=autoscaling/v1")


def test_explain_knows_every_resource(k: Any) -> None:
    for line in k("api-resources", "--verbs=list", "--no-headers").splitlines():
        words = line.split()
        version, kind = words[-3], words[-1]
        if version.startswith(("v1", "apps", "batch", "rbac", "storage", "policy", "metrics", "networking")):
            assert f"KIND:       {kind}\n" in k("explain", words[0], f"--api-version={version}"), line


def test_discovery(k: Any) -> None:
    kinds = {line.split()[-1] for line in k("api-resources", "--no-headers").splitlines()}
    assert {"Pod", "Deployment", "Ingress", "NetworkPolicy", "ClusterRole", "CustomResourceDefinition"} <= kinds
    assert "deployments.apps" in k("api-resources", "--verbs=patch", "--api-group=apps", "-o", "name").split()
    assert "po" in k("api-resources", "--namespaced=true", "--api-group=").split()
    assert "nodes" not in k("api-resources", "--namespaced=true", "--api-group=", "-o", "name").split()
    assert {"v1", "apps/v1", "networking.k8s.io/v1"} <= set(k("api-versions").split())
    assert json.loads(k("version", "-o", "json"))["serverVersion"]["minor"].rstrip("+") == "33"


def test_cluster_info(k: Any) -> None:
    assert "Kubernetes control plane is running at https://" in k("cluster-info").replace("\x1b[0;32m", "").replace(
        "\x1b[0m", ""
    ).replace("\x1b[0;33m", "")


def test_cluster_info_dump(k: Any, three: list[str], tmp_path: Any) -> None:
    k("cluster-info", "dump", f"--output-directory={tmp_path}", "--namespaces=kube-public")
    assert json.loads((tmp_path / "nodes.json").read_text())["kind"] == "NodeList"
    assert json.loads((tmp_path / "kube-public/services.json").read_text())["kind"] == "ServiceList"
