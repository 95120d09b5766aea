"""kubectl taint, cordon, drain: on a node that exists only in the API, so that no pod of the site is disturbed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from manifests import many, pod


@pytest.fixture(scope="module")
def node(whole: Any, token: str) -> Iterator[str]:
    """A node without a machine."""
    name = f"interop-{token}"
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
    made = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
    whole("create", "-f", "-", stdin=json.dumps(made))
    yield name
    whole("delete", "node", name)


def test_taints_come_change_and_go(whole: Any, node: str) -> None:
    assert whole("taint", "node", node, "interop=yes:PreferNoSchedule") == f"node/{node} tainted\n"
    said = whole.refused("taint", "node", node, "interop=no:PreferNoSchedule")
    assert "already has interop taint(s) with same effect(s) and --overwrite is false" in said
    assert whole("taint", "node", node, "interop=no:PreferNoSchedule", "--overwrite") == f"node/{node} modified\n"
    found = {item["key"]: item for item in whole.json("get", "node", node)["spec"]["taints"]}
    assert found["interop"] == {"key": "interop", "value": "no", "effect": "PreferNoSchedule"}
    assert whole("taint", "node", node, "interop-") == f"node/{node} untainted\n"
    assert "invalid taint effect" in whole.refused("taint", "node", node, "a=b:Never")


def test_cordon_and_uncordon(whole: Any, node: str) -> None:
    assert whole("cordon", node) == f"node/{node} cordoned\n"
    assert "SchedulingDisabled" in whole("get", "node", node)
    assert whole("cordon", node) == f"node/{node} already cordoned\n"
    assert whole("uncordon", node) == f"node/{node} uncordoned\n"
    assert "SchedulingDisabled" not in whole("get", "node", node)


def placed(name: str, node: str, **labels: str) -> dict[str, Any]:
    """A pod that is on the node, without a kubelet that would run it."""
    always = [{"operator": "Exists"}]
    return pod(name, labels, nodeName=node, tolerations=always)


def test_drain_evicts_and_leaves_the_node_cordoned(k: Any, whole: Any, node: str) -> None:
    k("create", "-f", "-", stdin=many(placed("alone", node, drained="yes"), placed("other", node)))
    said = whole.refused("drain", node, "--pod-selector=drained=yes", "--grace-period=0", "--timeout=60s")
    assert "cannot delete Pods that declare no controller (use --force to override)" in said
    whole("drain", node, "--pod-selector=drained=yes", "--force", "--grace-period=0", "--timeout=300s")
    assert k("get", "pods", "-o", "name") == "pod/other\n"
    assert "SchedulingDisabled" in whole("get", "node", node)
    whole("uncordon", node)
    k("delete", "pod", "other", "--force", "--grace-period=0")


def test_a_disruption_budget_stops_a_drain(k: Any, whole: Any, node: str, eventually: Any) -> None:
    k("create", "poddisruptionbudget", "guard", "--selector=guarded=yes", "--min-available=1")
    k("create", "-f", "-", stdin=many(placed("guarded", node, guarded="yes")))
    ready = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}

    def guard(field: str) -> Any:
        """What the budget says of a pod that runs: the node has no heart, so its pods are marked as lost at times."""
        k("patch", "pod", "guarded", "--subresource=status", "--type=merge", f"-p={json.dumps(ready)}")
        return k.json("get", "pdb", "guard").get("status", {}).get(field)

    eventually(lambda: guard("currentHealthy") == 1)
    drain = ("drain", node, "--pod-selector=guarded=yes", "--force", "--grace-period=0")
    said = whole.refused(*drain, "--timeout=20s")
    assert "Cannot evict pod as it would violate the pod's disruption budget." in said
    k("get", "pod", "guarded")
    k("patch", "pdb", "guard", "--type=merge", '-p={"spec": {"minAvailable": 0}}')
    eventually(lambda: guard("disruptionsAllowed") == 1)
    whole(*drain, "--timeout=300s")
    assert k("get", "pods", "--ignore-not-found") == ""
    whole("uncordon", node)
