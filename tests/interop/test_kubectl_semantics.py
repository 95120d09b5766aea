"""What every resource does alike, as kubectl sees it: first statuses, PUT, server-side apply, refusals."""

from __future__ import annotations

import json
from typing import Any

from manifests import many


def test_a_new_stateful_set_counts_from_zero(k: Any) -> None:
    """kr8s and others wait for `availableReplicas` of what has just been made."""
    labels = {"app": "counted"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    spec = {"replicas": 0, "serviceName": "s", "selector": {"matchLabels": labels}, "template": template}
    made = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "counted"}, "spec": spec}
    shown = json.loads(k("create", "-f", "-", "-o", "json", stdin=many(made)))
    assert (shown.get("items") or [shown])[0]["status"] == {"availableReplicas": 0, "replicas": 0}
    k("wait", "--for=jsonpath={.status.availableReplicas}=0", "statefulset/counted", "--timeout=10s")
