"""kubectl delete and wait: cascades, grace, finalizers, selectors."""

from __future__ import annotations

from typing import Any

import pytest
from manifests import config_map, deployment, many, pod


@pytest.mark.parametrize(("cascade", "left"), [("background", False), ("foreground", False), ("orphan", True)])
def test_cascades(k: Any, cascade: str, left: bool, eventually: Any) -> None:
    name = f"cascade-{cascade}"
    k("create", "-f", "-", stdin=many(deployment(name, 0)))
    eventually(lambda: k("get", "replicasets", "-o", "name").count(f"/{name}-"))
    said = k("delete", "deployment", name, f"--cascade={cascade}", "--timeout=300s")
    assert said == f'deployment.apps "{name}" deleted\n'
    if left:
        (found,) = [item for item in k.json("get", "rs")["items"] if item["metadata"]["name"].startswith(f"{name}-")]
        assert not found["metadata"].get("ownerReferences")
        k("delete", "replicaset", found["metadata"]["name"])
    else:
        eventually(lambda: f"/{name}-" not in k("get", "replicasets", "-o", "name"))


def test_by_selector_by_field_and_all(k: Any) -> None:
    items = [config_map(f"many-{number}", {"many": str(number)}) for number in range(4)]
    k("create", "-f", "-", stdin=many(*items))
    assert k("delete", "cm", "-l", "many in (0,1)").count("deleted") == 2
    assert k("delete", "cm", "--field-selector=metadata.name=many-2") == 'configmap "many-2" deleted\n'
    assert k("delete", "-f", "-", "--ignore-not-found", stdin=many(*items)) == 'configmap "many-3" deleted\n'
    said = k.refused("delete", "cm", "many-3")
    assert said == 'Error from server (NotFound): configmaps "many-3" not found\n'
    k("create", "configmap", "last")
    assert 'configmap "last" deleted' in k("delete", "configmaps", "--all")


def test_a_finalizer_keeps_an_object_until_it_is_gone(k: Any) -> None:
    held = config_map("held")
    held["metadata"]["finalizers"] = ["interop.example/hold"]
    k("create", "-f", "-", stdin=many(held))
    assert k("delete", "cm", "held", "--wait=false") == 'configmap "held" deleted\n'
    assert "timed out waiting for the condition" in k.refused("delete", "cm", "held", "--timeout=15s")
    assert k("get", "cm", "held", "-o", "jsonpath={.metadata.deletionTimestamp}")
    said = k.refused("patch", "cm", "held", "--type=merge", '-p={"metadata": {"finalizers": ["interop.example/more", '
                     '"interop.example/hold"]}}')  # fmt: skip
    assert "no new finalizers can be added if the object is being deleted" in said
    k("patch", "cm", "held", "--type=merge", '-p={"metadata": {"finalizers": null}}')
    k("wait", "cm/held", "--for=delete", "--timeout=300s")


def test_grace_of_a_pod(k: Any) -> None:
    waits = pod("graceful", nodeName="nowhere", terminationGracePeriodSeconds=60)
    k("create", "-f", "-", stdin=many(waits))
    k("delete", "pod", "graceful", "--wait=false", "--grace-period=30")
    found = k.json("get", "pod", "graceful", "--ignore-not-found")["metadata"]
    assert found["deletionGracePeriodSeconds"] == 30
    k("delete", "pod", "graceful", "--force", "--grace-period=0")
    assert k("get", "pod", "graceful", "--ignore-not-found") == ""


def test_dry_run_deletes_nothing(k: Any) -> None:
    k("create", "configmap", "kept")
    assert k("delete", "configmap", "kept", "--dry-run=server") == 'configmap "kept" deleted (server dry run)\n'
    k("get", "configmap", "kept")


def test_a_namespace_takes_everything_with_it(whole: Any, token: str, eventually: Any) -> None:
    name = f"interop-gone-{token}"
    whole("create", "namespace", name)
    inside = whole.within(name)
    held = config_map("held")
    held["metadata"]["finalizers"] = ["interop.example/hold"]
    inside("create", "-f", "-", stdin=many(held, config_map("plain")))
    whole("delete", "namespace", name, "--wait=false")
    assert whole("get", "namespace", name, "-o", "jsonpath={.status.phase}") == "Terminating"
    said = f"unable to create new content in namespace {name} because it is being terminated"
    eventually(lambda: said in inside.tried("create", "configmap", "late")[1])
    whole("wait", f"namespace/{name}", "--for=condition=NamespaceFinalizersRemaining", "--timeout=300s")
    inside("patch", "cm", "held", "--type=json", '-p=[{"op": "remove", "path": "/metadata/finalizers"}]')
    whole("wait", f"namespace/{name}", "--for=delete", "--timeout=300s")


# --- wait ---


def test_wait_for_a_value_a_creation_and_the_end(k: Any) -> None:
    creating = k.start("wait", "configmap/awaited", "--for=create", "--timeout=300s")
    k("create", "configmap", "awaited", "--from-literal=a=1")
    out, _ = creating.communicate(timeout=400)
    assert (creating.returncode, out) == (0, "configmap/awaited condition met\n")
    said = k("wait", "configmap/awaited", "--for=jsonpath={.data.a}=1", "--timeout=300s")
    assert said == "configmap/awaited condition met\n"
    deleting = k.start("wait", "configmap/awaited", "--for=delete", "--timeout=300s")
    k("delete", "configmap", "awaited")
    out, _ = deleting.communicate(timeout=400)
    assert deleting.returncode == 0, out


def test_wait_gives_up(k: Any) -> None:
    k("create", "configmap", "never", "--from-literal=a=1")
    said = k.refused("wait", "configmap/never", "--for=jsonpath={.data.a}=2", "--timeout=15s")
    assert said == "error: timed out waiting for the condition on configmaps/never\n"


def test_events_of_an_object(k: Any, eventually: Any) -> None:
    k("create", "-f", "-", stdin=many(deployment("told", 0)))
    k("scale", "deployment", "told", "--replicas=1")
    eventually(lambda: "ScalingReplicaSet" in k("events", "--for=deployment/told"))
    lines = k("events", "--for=deployment/told", "--types=Normal").splitlines()
    assert lines[0].split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert "ScalingReplicaSet" in k("describe", "deployment", "told")
    selected = k.json("get", "events", "--field-selector=involvedObject.kind=Deployment,reason=ScalingReplicaSet")
    assert {item["involvedObject"]["name"] for item in selected["items"]} >= {"told"}
