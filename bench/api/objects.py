"""The objects of the load: pods as large as those of a real cluster, small objects that are watched."""

from __future__ import annotations

import json
from typing import Any

NAMESPACE = "bench"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
SHARES = 100
"""Pods are spread over so many applications and nodes: a selector for one selects 1 %."""

_VARIABLES = 1


def pod(number: int) -> bytes:
    """Pod `number`: a server and a proxy beside it; about 5.2 kB as the server answers it."""
    share = number % SHARES
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"pod-{number:05}",
            "labels": {"app": f"app-{share}", "pod-template-hash": f"{share:010}", "tier": "backend"},
            "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"},
        },
        "spec": {
            "nodeName": f"node-{share}",
            "containers": [_container("app", share), _container("proxy", share)],
            "volumes": [{"name": "settings", "configMap": {"name": f"settings-{share}"}}],
        },
    }
    return json.dumps(body, separators=(",", ":")).encode()


def _container(name: str, share: int) -> dict[str, Any]:
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 5, "failureThreshold": 3}
    return {
        "name": name,
        "image": f"registry.example/team/{name}:v1.{share}.0",
        "args": ["--listen=:8080", "--log-format=json", f"--shard={share}"],
        "env": [{"name": f"SETTING_{index}", "value": f"value-{share}-{index}"} for index in range(_VARIABLES)],
        "ports": [{"name": f"{name}-http", "containerPort": 8080, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}},
        "livenessProbe": probe,
        "volumeMounts": [{"name": "settings", "mountPath": "/etc/settings", "readOnly": True}],
    }


STAMP = b'"stamp":"'


def stamped(moment: float) -> bytes:
    """A merge patch that leaves the time in a ConfigMap."""
    return b'{"data":{%b%.6f"}}' % (STAMP, moment)


def settings(number: int) -> bytes:
    """A ConfigMap that writers change and watchers see; about 1 kB."""
    body = {"metadata": {"name": f"map-{number}"}, "data": {f"key-{index}": "v" * 40 for index in range(10)}}
    return json.dumps(body, separators=(",", ":")).encode()
