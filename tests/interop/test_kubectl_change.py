"""kubectl edit, replace, patch, label, annotate, set, scale: changing what is there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from manifests import config_map, deployment, many


@pytest.fixture(scope="module")
def web(k: Any) -> str:
    """A Deployment without pods."""
    k("create", "-f", "-", stdin=many(deployment("web", 0)))
    return "deployment/web"


def template(k: Any) -> dict[str, Any]:
    """The pod of that Deployment."""
    spec: dict[str, Any] = k.json("get", "deployment/web")["spec"]["template"]["spec"]
    return spec


# --- edit and replace ---


def test_edit(k: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    k("create", "configmap", "edited", "--from-literal=a=1")
    monkeypatch.setenv("KUBE_EDITOR", "sed -i s/a:\\ .*/a:\\ changed/")
    assert k("edit", "configmap", "edited") == "configmap/edited edited\n"
    assert k.json("get", "cm", "edited")["data"] == {"a": "changed"}
    monkeypatch.setenv("KUBE_EDITOR", "true")
    out, _ = k.start("edit", "configmap", "edited").communicate(timeout=400)
    assert out == "Edit cancelled, no changes made.\n"


def test_an_edit_that_is_refused_is_shown_again(k: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    k("create", "service", "clusterip", "edited", "--tcp=80")
    monkeypatch.setenv("KUBE_EDITOR", "sed -i s/protocol:\\ TCP/protocol:\\ XYZ/")
    said = k.refused("edit", "service", "edited")
    assert 'error: services "edited" is invalid' in said
    assert k("get", "service", "edited", "-o", "jsonpath={.spec.ports[0].protocol}") == "TCP"


def test_replace(k: Any) -> None:
    k("create", "configmap", "replaced", "--from-literal=a=1")
    made = k.json("get", "cm", "replaced")
    assert k("replace", "-f", "-", stdin=json.dumps(config_map("replaced", a="3"))) == "configmap/replaced replaced\n"
    made["data"]["a"] = "4"
    said = k.refused("replace", "-f", "-", stdin=json.dumps(made))
    assert 'Operation cannot be fulfilled on configmaps "replaced": the object has been modified' in said
    said = k.refused("replace", "-f", "-", stdin=json.dumps(config_map("nobody", a="3")))
    assert "Error from server (NotFound)" in said


def test_replace_by_force_makes_a_new_object(k: Any) -> None:
    k("create", "configmap", "forced", "--from-literal=a=1")
    uid = k("get", "cm", "forced", "-o", "jsonpath={.metadata.uid}")
    said = k("replace", "--force", "-f", "-", stdin=json.dumps(config_map("forced", a="2")))
    assert "configmap/forced replaced" in said
    assert k("get", "cm", "forced", "-o", "jsonpath={.metadata.uid}") != uid


# --- patch ---


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        (
            "json",
            '[{"op": "test", "path": "/data/a", "value": "1"}, {"op": "replace", "path": "/data/a", "value": "2"}]',
        ),
        ("merge", '{"data": {"a": "2"}}'),
        ("strategic", '{"data": {"a": "2"}}'),
    ],
)
def test_patch(k: Any, kind: str, patch: str) -> None:
    name = f"patch-{kind}"
    k("create", "configmap", name, "--from-literal=a=1", "--from-literal=b=1")
    said = k("patch", "configmap", name, f"--type={kind}", f"--patch={patch}")
    assert said == f"configmap/{name} patched\n"
    assert k.json("get", "configmap", name)["data"] == {"a": "2", "b": "1"}


def test_a_strategic_patch_merges_lists_by_key_and_a_merge_patch_replaces_them(k: Any) -> None:
    k("create", "-f", "-", stdin=many(deployment("lists", 0)))
    beside = {"spec": {"template": {"spec": {"containers": [{"name": "beside", "image": "busybox:1"}]}}}}
    names = "jsonpath={.spec.template.spec.containers[*].name}"
    assert k("patch", "deployment", "lists", "-p", json.dumps(beside), "-o", names) == "beside main"
    assert k("patch", "deployment", "lists", "--type=merge", "-p", json.dumps(beside), "-o", names) == "beside"


def test_patch_of_a_subresource(k: Any, web: str) -> None:
    k("patch", web, "--subresource=scale", "--type=merge", '--patch={"spec": {"replicas": 0}}')
    k("create", "quota", "patched", "--hard=pods=1")
    k("patch", "quota", "patched", "--subresource=status", "--type=merge", '-p={"status": {"hard": {"pods": "7"}}}')
    k("patch", "quota", "patched", "--type=merge", '-p={"status": {"used": {"pods": "9"}}}')
    assert "9" not in json.dumps(k.json("get", "quota", "patched")["status"])


def test_a_broken_patch_is_explained(k: Any) -> None:
    k("create", "configmap", "broken", "--from-literal=a=1")
    said = k.refused("patch", "cm", "broken", "--type=json", '--patch=[{"op": "remove", "path": "/data/none"}]')
    assert said.startswith("The request is invalid")
    assert k.json("get", "cm", "broken")["data"] == {"a": "1"}


def test_the_address_of_a_service_stays(k: Any) -> None:
    k("create", "service", "clusterip", "fixed", "--tcp=80")
    said = k.refused("patch", "service", "fixed", "--type=merge", '--patch={"spec": {"clusterIP": "10.96.9.9"}}')
    assert "spec.clusterIPs[0]: Invalid value" in said
    assert "may not change once set" in said


# --- label and annotate ---


def test_label_and_annotate(k: Any) -> None:
    k("create", "configmap", "marked", "--from-literal=a=1")
    assert k("label", "cm", "marked", "x=1") == "configmap/marked labeled\n"
    assert k("label", "cm", "marked", "x=1") == "configmap/marked not labeled\n"
    assert "error: 'x' already has a value (1), and --overwrite is false" in k.refused("label", "cm", "marked", "x=2")
    k("label", "cm", "marked", "x=2", "--overwrite")
    assert k("annotate", "cm", "marked", "note=hello") == "configmap/marked annotated\n"
    made = k.json("get", "cm", "marked")["metadata"]
    assert (made["labels"], made["annotations"]) == ({"x": "2"}, {"note": "hello"})
    assert k("label", "cm", "marked", "--list") == "x=2\n"
    assert k("label", "cm", "marked", "x-") == "configmap/marked unlabeled\n"
    assert "invalid label value" in k.refused("label", "cm", "marked", "x=not valid")
    assert k("label", "cm", "--all", "y=1", "--dry-run=server").endswith("(server dry run)\n")


# --- set ---


def test_set_image_env_resources_and_account(k: Any, web: str) -> None:
    assert k("set", "image", web, "main=nginx:1") == "deployment.apps/web image updated\n"
    assert k("set", "env", web, "A=1", "B=2") == "deployment.apps/web env updated\n"
    k("set", "env", web, "B-")
    assert "A=1" in k("set", "env", web, "--list")
    said = k("set", "resources", web, "--limits=cpu=200m,memory=64Mi", "--requests=cpu=100m")
    assert said == "deployment.apps/web resource requirements updated\n"
    assert k("set", "serviceaccount", web, "default") == "deployment.apps/web serviceaccount updated\n"
    (container,) = template(k)["containers"]
    assert (container["image"], container["env"]) == ("nginx:1", [{"name": "A", "value": "1"}])
    assert container["resources"] == {"limits": {"cpu": "200m", "memory": "64Mi"}, "requests": {"cpu": "100m"}}
    assert "unable to find container named" in k.refused("set", "image", web, "none=nginx:1")


def test_set_env_from_a_config_map(k: Any, web: str) -> None:
    k("create", "configmap", "source", "--from-literal=key=v")
    k("set", "env", web, "--from=configmap/source", "--prefix=P_")
    found = next(item for item in template(k)["containers"][0]["env"] if item["name"] == "P_KEY")
    assert found["valueFrom"]["configMapKeyRef"] == {"name": "source", "key": "key"}


def test_set_selector_and_subject(k: Any) -> None:
    k("create", "service", "clusterip", "chosen", "--tcp=80")
    assert k("set", "selector", "service", "chosen", "a=b") == "service/chosen selector updated\n"
    assert k.json("get", "service", "chosen")["spec"]["selector"] == {"a": "b"}
    k("create", "rolebinding", "bound", "--clusterrole=view", "--user=one")
    k("set", "subject", "rolebinding", "bound", "--user=two")
    assert {item["name"] for item in k.json("get", "rolebinding", "bound")["subjects"]} == {"one", "two"}


# --- scale ---


def test_scale(k: Any, web: str) -> None:
    assert k("scale", web, "--replicas=0") == "deployment.apps/web scaled\n"
    said = k.refused("scale", web, "--replicas=1", "--current-replicas=5")
    assert said == "error: Expected replicas to be 5, was 0\n"
    generation = k.json("get", web)["metadata"]["generation"]
    k("scale", web, "--replicas=0")
    assert k.json("get", web)["metadata"]["generation"] == generation


# --- roll-out, as far as it needs no pods ---


def test_rollout_history_and_undo(k: Any, eventually: Any) -> None:
    k("create", "-f", "-", stdin=many(deployment("rolled", 0)))
    rolled = "deployment/rolled"
    eventually(lambda: "\n1 " in k.tried("rollout", "history", rolled)[1])  # what is undone has to have been
    for step in ("one", "two"):
        k("set", "env", rolled, f"STEP={step}")
        k("annotate", rolled, f"kubernetes.io/change-cause={step}", "--overwrite")
        eventually(lambda step=step: step in k("rollout", "history", rolled))
    assert "STEP:\tone" in k("rollout", "history", rolled, "--revision=2")
    assert k("rollout", "undo", rolled) == "deployment.apps/rolled rolled back\n"
    assert "STEP=one" in k("set", "env", rolled, "--list")
    eventually(lambda: "STEP=one" in k("set", "env", rolled, "--list"))
    assert "unable to find specified revision 99" in k.refused("rollout", "undo", rolled, "--to-revision=99")


def test_rollout_pause_resume_restart(k: Any) -> None:
    k("create", "-f", "-", stdin=many(deployment("paused", 0)))
    paused = "deployment/paused"
    assert k("rollout", "pause", paused) == "deployment.apps/paused paused\n"
    assert "is already paused" in k.refused("rollout", "pause", paused)
    assert "can't restart paused deployment" in k.refused("rollout", "restart", paused)
    assert k("rollout", "resume", paused) == "deployment.apps/paused resumed\n"
    assert k("rollout", "restart", paused) == "deployment.apps/paused restarted\n"
    annotations = k.json("get", paused)["spec"]["template"]["metadata"]["annotations"]
    assert "kubectl.kubernetes.io/restartedAt" in annotations
    assert "successfully rolled out" in k("rollout", "status", paused, "--timeout=300s")
