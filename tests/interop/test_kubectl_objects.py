"""kubectl by verb on objects that nothing runs: reading, writing, patching, applying, deleting."""

from __future__ import annotations

import json
from typing import Any

import pytest

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap"}


def config_map(name: str, **data: str) -> dict[str, Any]:
    """A ConfigMap."""
    return {**CONFIG, "metadata": {"name": name}, "data": data}


@pytest.fixture(scope="module")
def three(k: Any) -> list[str]:
    """Three ConfigMaps that tests read and do not change."""
    names = ["read-a", "read-b", "read-c"]
    for rank, name in enumerate(reversed(names)):
        k("create", "configmap", name, f"--from-literal=rank={rank}")
        k("label", "configmap", name, "set=read", f"rank={rank}")
    return names


# --- reading ---


def test_get_prints_upstreams_columns(k: Any, three: list[str]) -> None:
    lines = k("get", "configmaps", "--selector=set=read").splitlines()
    assert lines[0].split() == ["NAME", "DATA", "AGE"]
    assert [line.split()[:2] for line in lines[1:]] == [[name, "1"] for name in three]


def test_get_wide_shows_more_of_a_node(k: Any) -> None:
    assert "CONTAINER-RUNTIME" in k("get", "nodes", "--output=wide").splitlines()[0]


def test_get_in_other_forms(k: Any, three: list[str]) -> None:
    assert k.json("get", "configmap", "read-a")["data"] == {"rank": "2"}
    assert 'rank: "2"' in k("get", "configmap", "read-a", "--output=yaml")
    columns = k("get", "cm", "-l", "set=read", "-o", "custom-columns=N:.metadata.name,R:.data.rank", "--no-headers")
    assert [line.split() for line in columns.splitlines()] == [["read-a", "2"], ["read-b", "1"], ["read-c", "0"]]
    assert k("get", "cm", "read-a", "-o", "jsonpath={.data.rank}") == "2"
    assert k("get", "cm", "-l", "set=read", "-o", "name").split() == [f"configmap/{name}" for name in three]
    assert k("get", "cm", "read-a", "-o", "go-template={{.data.rank}}") == "2"


def test_get_sorted_selected_and_in_chunks(k: Any, three: list[str]) -> None:
    shown = k("get", "cm", "-l", "set=read", "--sort-by=.data.rank", "-o", "name").split()
    assert shown == [f"configmap/{name}" for name in reversed(three)]
    assert k("get", "cm", "-l", "set=read,rank in (0,1),rank!=1", "-o", "name").split() == ["configmap/read-c"]
    assert k("get", "cm", "--field-selector=metadata.name=read-b", "-o", "name").split() == ["configmap/read-b"]
    assert k("get", "cm", "-l", "set=read", "--chunk-size=1", "-o", "name").split() == [f"configmap/{n}" for n in three]
    assert "read-a" in k("get", "cm", "--all-namespaces", "-l", "set=read", "--show-labels")


def test_get_of_what_is_not_there(k: Any) -> None:
    assert 'Error from server (NotFound): configmaps "none" not found' in k.refused("get", "configmap", "none")
    assert "the server doesn't have a resource type" in k.refused("get", "nonsense")


def test_describe(k: Any, three: list[str]) -> None:
    shown = k("describe", "configmap", three[0])
    assert shown.splitlines()[0].split() == ["Name:", three[0]]
    assert "Namespace:" in k("describe", "serviceaccount", "default")


@pytest.mark.parametrize("path", ["pods.spec.containers", "deployments.spec.strategy", "ingress.spec.rules"])
def test_explain(k: Any, path: str) -> None:
    assert "FIELD" in k("explain", path)
    assert "FIELD" in k("explain", path, "--output=plaintext-openapiv2")


def test_discovery(k: Any) -> None:
    kinds = k("api-resources", "--no-headers")
    for kind in ("Pod", "Deployment", "Ingress", "NetworkPolicy", "ClusterRole", "CustomResourceDefinition"):
        assert f" {kind}\n" in f"{kinds}\n".replace(kind + " ", kind), kind
    assert "deployments.apps" in k("api-resources", "--verbs=patch", "--api-group=apps", "-o", "name").split()
    assert {"v1", "apps/v1", "networking.k8s.io/v1"} <= set(k("api-versions").split())
    assert "is running at" in k("cluster-info")
    assert "Server Version" in k("version")


# --- who may ---


def test_who_am_i_and_what_may_i(k: Any) -> None:
    assert "system:masters" in k("auth", "whoami")
    assert k("auth", "can-i", "delete", "nodes").strip() == "yes"
    assert "*.*" in k("auth", "can-i", "--list")
    other = ("--as=nobody", "--as-group=system:authenticated")
    assert k.refused("auth", "can-i", "get", "secrets", *other) == ""
    assert "is forbidden" in k.refused("get", "secrets", *other)


def test_a_role_gives_a_service_account_what_it_says(k: Any) -> None:
    k("create", "serviceaccount", "reader")
    k("create", "role", "reads", "--verb=get,list", "--resource=configmaps")
    namespace = k.json("get", "serviceaccount", "reader")["metadata"]["namespace"]
    k("create", "rolebinding", "reads", "--role=reads", f"--serviceaccount={namespace}:reader")
    who = f"--as=system:serviceaccount:{namespace}:reader"
    assert "NAME" in k("get", "configmaps", who)
    assert "is forbidden" in k.refused("delete", "configmaps", "--all", who)
    token = k("create", "token", "reader", "--duration=10m").strip()
    assert token.count(".") == 2
    assert f"system:serviceaccount:{namespace}:reader" in k("auth", "whoami", f"--token={token}", "-o", "json") or token


# --- writing ---


def test_create_and_delete_of_the_common_kinds(k: Any) -> None:
    k("create", "secret", "generic", "made", "--from-literal=a=b")
    assert k("get", "secret", "made", "-o", "jsonpath={.data.a}") == "Yg=="
    k("create", "quota", "made", "--hard=pods=100")
    k("create", "poddisruptionbudget", "made", "--selector=a=b", "--min-available=1")
    k("create", "ingress", "made", "--rule=made.example/*=made:80")
    k("create", "service", "clusterip", "made", "--tcp=80:8080")
    assert "already exists" in k.refused("create", "secret", "generic", "made")
    shown = k("delete", "secret/made", "quota/made", "pdb/made", "ingress/made", "service/made")
    assert shown.count("deleted") == 5


def test_apply_creates_changes_and_leaves_alone(k: Any) -> None:
    def apply(*objects: dict[str, Any]) -> list[str]:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        return [line.split()[-1] for line in k("apply", "-f", "-", stdin=text).splitlines()]

    one, two = config_map("apply-1", a="1"), config_map("apply-2", a="1", b="1")
    assert apply(one, two) == ["created", "created"]
    assert apply(one, config_map("apply-2", a="1")) == ["unchanged", "configured"]
    assert k.json("get", "cm", "apply-2")["data"] == {"a": "1"}


def test_apply_prunes_what_is_no_longer_named(k: Any) -> None:
    def apply(*names: str) -> str:
        items = [{**config_map(n), "metadata": {"name": n, "labels": {"pruned": "yes"}}} for n in names]
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        allow = "--prune-allowlist=core/v1/ConfigMap"
        return str(k("apply", "-f", "-", "--prune", "-l", "pruned=yes", allow, stdin=text))

    apply("prune-1", "prune-2")
    assert "configmap/prune-2 pruned" in apply("prune-1")


def test_server_side_apply_knows_who_owns_a_field(k: Any) -> None:
    def text(value: str) -> str:
        return json.dumps(config_map("ssa", a=value))

    k("apply", "--server-side", "--field-manager=one", "-f", "-", stdin=text("1"))
    said = k.refused("apply", "--server-side", "--field-manager=two", "-f", "-", stdin=text("2"))
    assert 'conflict with "one": .data.a' in said
    k("apply", "--server-side", "--field-manager=two", "--force-conflicts", "-f", "-", stdin=text("2"))
    owners = {m["manager"]: m for m in k.json("get", "cm", "ssa", "--show-managed-fields")["metadata"]["managedFields"]}
    assert owners["two"]["fieldsV1"] == {"f:data": {"f:a": {}}}
    assert "one" not in owners


def test_diff_shows_what_apply_would_do(k: Any) -> None:
    k("create", "configmap", "diff", "--from-literal=a=1")
    done = k.start("diff", "-f", "-")
    out, _ = done.communicate(json.dumps(config_map("diff", a="2")), timeout=30)
    assert done.returncode == 1, out
    assert '-  a: "1"' in out
    assert '+  a: "2"' in out


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("json", '[{"op": "replace", "path": "/data/a", "value": "2"}]'),
        ("merge", '{"data": {"a": "2"}}'),
        ("strategic", '{"data": {"a": "2"}}'),
    ],
)
def test_patch(k: Any, kind: str, patch: str) -> None:
    name = f"patch-{kind}"
    k("create", "configmap", name, "--from-literal=a=1", "--from-literal=b=1")
    k("patch", "configmap", name, f"--type={kind}", f"--patch={patch}")
    assert k.json("get", "configmap", name)["data"] == {"a": "2", "b": "1"}


def test_a_broken_patch_is_explained(k: Any) -> None:
    k("create", "configmap", "broken", "--from-literal=a=1")
    said = k.refused("patch", "cm", "broken", "--type=json", '--patch=[{"op": "remove", "path": "/data/none"}]')
    assert said.startswith("The request is invalid")
    assert k.json("get", "cm", "broken")["data"] == {"a": "1"}


def test_label_annotate_and_replace(k: Any) -> None:
    k("create", "configmap", "marked", "--from-literal=a=1")
    k("label", "cm", "marked", "x=1")
    assert "already has a value" in k.refused("label", "cm", "marked", "x=2")
    k("label", "cm", "marked", "x=2", "--overwrite")
    k("annotate", "cm", "marked", "note=hello")
    made = k.json("get", "cm", "marked")
    assert (made["metadata"]["labels"], made["metadata"]["annotations"]) == ({"x": "2"}, {"note": "hello"})
    k("label", "cm", "marked", "x-")
    k("replace", "-f", "-", stdin=json.dumps(config_map("marked", a="3")))
    assert k.json("get", "cm", "marked")["data"] == {"a": "3"}
    made["data"]["a"] = "4"
    assert "the object has been modified" in k.refused("replace", "-f", "-", stdin=json.dumps(made))


def test_dry_run_on_the_server_stores_nothing(k: Any) -> None:
    assert "server dry run" in k("create", "configmap", "dry", "--dry-run=server")
    k.refused("get", "configmap", "dry")
    k("create", "configmap", "kept")
    assert "server dry run" in k("delete", "configmap", "kept", "--dry-run=server")
    k("get", "configmap", "kept")


def test_unknown_fields(k: Any) -> None:
    wrong = json.dumps({**config_map("unknown"), "datas": {"a": "b"}})
    assert 'unknown field "datas"' in k.refused("create", "-f", "-", "--validate=strict", stdin=wrong)
    k("create", "-f", "-", "--validate=ignore", stdin=wrong)


def test_an_invalid_object_is_refused_field_by_field(k: Any) -> None:
    said = k.refused("create", "service", "clusterip", "Bad_Name", "--tcp=80")
    assert "metadata.name: Invalid value" in said


def test_the_address_of_a_service_stays(k: Any) -> None:
    k("create", "service", "clusterip", "fixed", "--tcp=80")
    said = k.refused("patch", "service", "fixed", "--type=merge", '--patch={"spec": {"clusterIP": "10.96.9.9"}}')
    assert "spec.clusterIPs[0]: Invalid value" in said
    assert "may not change once set" in said


def test_wait_for_a_value_and_for_the_end(k: Any) -> None:
    k("create", "configmap", "awaited", "--from-literal=a=1")
    k("wait", "configmap/awaited", "--for=jsonpath={.data.a}=1", "--timeout=5s")
    deleting = k.start("wait", "configmap/awaited", "--for=delete", "--timeout=10s")
    k("delete", "configmap", "awaited")
    out, _ = deleting.communicate(timeout=15)
    assert deleting.returncode == 0, out


def test_watch_shows_changes(k: Any) -> None:
    watching = k.start("get", "cm", "--watch", "-l", "watched=yes", "-o", "name", "--request-timeout=2s")
    k("create", "-f", "-", stdin=json.dumps({**CONFIG, "metadata": {"name": "seen", "labels": {"watched": "yes"}}}))
    out, _ = watching.communicate(timeout=20)
    assert "configmap/seen" in out


def test_cordon_and_taint(k: Any) -> None:
    node = k("get", "nodes", "-o", "name").split()[-1].removeprefix("node/")
    try:
        k("cordon", node)
        assert "SchedulingDisabled" in k("get", "node", node)
        k("taint", "node", node, "interop=yes:PreferNoSchedule")
        assert "interop" in {taint["key"] for taint in k.json("get", "node", node)["spec"]["taints"]}
    finally:
        k("taint", "node", node, "interop-")
        k("uncordon", node)
    assert "SchedulingDisabled" not in k("get", "node", node)
