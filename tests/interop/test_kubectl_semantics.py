"""What every resource does alike, as kubectl sees it: first statuses, PUT, server-side apply, refusals."""

from __future__ import annotations

import json
from typing import Any

from manifests import config_map, many


def test_a_new_stateful_set_counts_from_zero(k: Any) -> None:
    """kr8s and others wait for `availableReplicas` of what has just been made."""
    labels = {"app": "counted"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    spec = {"replicas": 0, "serviceName": "s", "selector": {"matchLabels": labels}, "template": template}
    made = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "counted"}, "spec": spec}
    shown = json.loads(k("create", "-f", "-", "-o", "json", stdin=many(made)))
    assert (shown.get("items") or [shown])[0]["status"] == {"availableReplicas": 0, "replicas": 0}
    k("wait", "--for=jsonpath={.status.availableReplicas}=0", "statefulset/counted", "--timeout=300s")


def test_replace_creates_what_its_kind_lets_it(k: Any) -> None:
    """A PUT of a Service or a Role that is not there creates it; one of a ConfigMap does not."""
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "put"}, "spec": {"ports": [{"port": 80}]}}
    assert k("replace", "-f", "-", stdin=json.dumps(service)) == "service/put replaced\n"
    assert k("get", "service", "put", "-o", "jsonpath={.spec.type}") == "ClusterIP"
    said = k.refused("replace", "-f", "-", stdin=json.dumps(config_map("put")))
    assert 'Error from server (NotFound): error when replacing "STDIN": configmaps "put" not found' in said


def test_apply_on_the_server_refuses_unknown_fields_whatever_is_validated(k: Any) -> None:
    applied = json.dumps(config_map("declared") | {"datum": {"a": "b"}})
    said = k.refused("apply", "--server-side", "--validate=false", "-f", "-", stdin=applied)
    assert "failed to create typed patch object" in said
    assert ".datum: field not declared in schema" in said


def test_a_wrong_type_is_told_as_by_a_decoder(k: Any) -> None:
    said = k.refused(
        "create", "--validate=false", "-f", "-", stdin=json.dumps(config_map("typed") | {"data": {"a": 1}})
    )
    assert 'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number' in said
