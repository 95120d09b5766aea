"""kubectl apply on the client's and on the server's side, diff, prune, kustomize."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from manifests import config_map, deployment, many


def applied(k: Any, *objects: dict[str, Any]) -> list[str]:
    """What apply says about each object."""
    return [line.split()[-1] for line in k("apply", "-f", "-", stdin=many(*objects)).splitlines()]


def test_apply_creates_changes_and_leaves_alone(k: Any) -> None:
    one, two = config_map("one", a="1"), config_map("two", a="1", b="1")
    assert applied(k, one, two) == ["created", "created"]
    assert applied(k, one, config_map("two", a="1")) == ["unchanged", "configured"]
    assert k.json("get", "cm", "two")["data"] == {"a": "1"}


def test_apply_keeps_what_others_wrote(k: Any) -> None:
    applied(k, deployment("kept", 0))
    k("scale", "deployment", "kept", "--replicas=2")
    k("annotate", "deployment", "kept", "other=yes")
    wanted = deployment("kept")
    del wanted["spec"]["replicas"]
    wanted["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "1"}]
    assert applied(k, wanted) == ["configured"]
    found = k.json("get", "deployment", "kept")
    assert found["metadata"]["annotations"]["other"] == "yes"
    # it was applied once and is named no longer, so it falls back to its default
    assert found["spec"]["replicas"] == 1
    assert found["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "A", "value": "1"}]


def test_last_applied(k: Any) -> None:
    applied(k, config_map("last", a="1"))
    assert json.loads(k("apply", "view-last-applied", "cm/last", "-o", "json"))["data"] == {"a": "1"}
    k("apply", "set-last-applied", "-f", "-", stdin=json.dumps(config_map("last", a="2")))
    assert json.loads(k("apply", "view-last-applied", "cm/last", "-o", "json"))["data"] == {"a": "2"}


def test_prune_removes_what_is_no_longer_named(k: Any) -> None:
    def prune(*names: str) -> str:
        text = many(*(config_map(name, {"pruned": "yes"}) for name in names))
        allow = "--prune-allowlist=core/v1/ConfigMap"
        return str(k("apply", "-f", "-", "--prune", "-l", "pruned=yes", allow, stdin=text))

    prune("prune-1", "prune-2")
    assert "configmap/prune-2 pruned" in prune("prune-1")
    assert k("get", "cm", "-l", "pruned=yes", "-o", "name") == "configmap/prune-1\n"


def test_server_side_apply_knows_who_owns_a_field(k: Any) -> None:
    def text(value: str) -> str:
        return json.dumps(config_map("ssa", a=value))

    first = ("apply", "--server-side", "--field-manager=one", "-f", "-")
    assert k(*first, stdin=text("1")) == "configmap/ssa serverside-applied\n"
    second = ("apply", "--server-side", "--field-manager=two", "-f", "-")
    said = k.refused(*second, stdin=text("2"))
    assert 'Apply failed with 1 conflict: conflict with "one": .data.a' in said
    k(*second, "--force-conflicts", stdin=text("2"))
    owners = {m["manager"]: m for m in k.json("get", "cm", "ssa", "--show-managed-fields")["metadata"]["managedFields"]}
    assert owners["two"]["fieldsV1"] == {"f:data": {"f:a": {}}}
    assert "one" not in owners


def test_server_side_apply_removes_what_only_it_owned(k: Any) -> None:
    def apply(manager: str, **data: str) -> None:
        text = json.dumps(config_map("shared", **data))
        k("apply", "--server-side", f"--field-manager={manager}", "-f", "-", stdin=text)

    apply("one", a="1", b="1")
    apply("two", a="1")
    apply("one", b="1")
    assert k.json("get", "cm", "shared")["data"] == {"a": "1", "b": "1"}
    apply("two")
    assert k.json("get", "cm", "shared")["data"] == {"b": "1"}


def test_client_side_apply_is_taken_over_by_the_server(k: Any) -> None:
    applied(k, config_map("moved", a="1", b="1"))
    k("apply", "--server-side", "-f", "-", stdin=json.dumps(config_map("moved", a="2")))
    # the annotation follows, so that one can go back to client-side apply
    assert json.loads(k("apply", "view-last-applied", "cm/moved", "-o", "json"))["data"] == {"a": "2"}
    assert k.json("get", "cm", "moved")["data"] == {"a": "2"}


def test_apply_dry_run(k: Any) -> None:
    text = json.dumps(config_map("dry", a="1"))
    assert k("apply", "-f", "-", "--dry-run=server", stdin=text) == "configmap/dry created (server dry run)\n"
    said = k("apply", "-f", "-", "--server-side", "--dry-run=server", stdin=text)
    assert said == "configmap/dry serverside-applied (server dry run)\n"
    assert k("get", "cm", "dry", "--ignore-not-found") == ""


def test_diff_shows_what_apply_would_do(k: Any) -> None:
    k("create", "configmap", "diff", "--from-literal=a=1")
    for how in ((), ("--server-side", "--force-conflicts")):
        done = k.start("diff", *how, "-f", "-")
        out, _ = done.communicate(json.dumps(config_map("diff", a="2")), timeout=400)
        assert done.returncode == 1, out
        assert '-  a: "1"' in out
        assert '+  a: "2"' in out
    same = k.start("diff", "--server-side", "-f", "-")
    out, _ = same.communicate(json.dumps(config_map("diff", a="1")), timeout=400)
    assert same.returncode in {0, 1}, out
    assert "data" not in out


def test_kustomize(k: Any, tmp_path: Path) -> None:
    (tmp_path / "deployment.yaml").write_text(json.dumps(deployment("base", 0)))
    (tmp_path / "kustomization.yaml").write_text(
        "namePrefix: kustomized-\n"
        "resources: [deployment.yaml]\n"
        "labels: [{pairs: {kustomized: 'yes'}}]\n"
        "configMapGenerator: [{name: settings, literals: [a=b]}]\n"
    )
    said = k("apply", "-k", str(tmp_path))
    assert "deployment.apps/kustomized-base created" in said
    names = k("get", "cm,deployment", "-l", "kustomized=yes", "-o", "name").split()
    assert any(name.startswith("configmap/kustomized-settings-") for name in names)
    assert k("delete", "-k", str(tmp_path)).count("deleted") == 2


def test_apply_of_a_kind_and_an_object_of_it(k: Any, whole: Any, token: str, eventually: Any) -> None:
    group = f"t{token}.interop.example"
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "gadgets", "singular": "gadget", "kind": "Gadget"}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"gadgets.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }
    gadget = {"apiVersion": f"{group}/v1", "kind": "Gadget", "metadata": {"name": "one"}, "spec": {"size": 1}}
    whole("apply", "-f", "-", stdin=json.dumps(definition))
    try:
        whole("wait", f"crd/gadgets.{group}", "--for=condition=Established", "--timeout=300s")
        eventually(lambda: k.tried("explain", f"gadgets.{group}")[0])  # its schema is known, too
        assert applied(k, gadget) == ["created"]
        assert applied(k, {**gadget, "spec": {"size": 2}}) == ["configured"]
        assert k("get", f"gadgets.{group}", "one", "-o", "jsonpath={.spec.size}") == "2"
        said = k.refused("apply", "-f", "-", stdin=json.dumps({**gadget, "spec": {"size": "big"}}))
        assert 'spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"' in said
    finally:
        whole("delete", f"crd/gadgets.{group}")
