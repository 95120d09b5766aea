"""Definitions and objects that the tests of custom resources use."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from apiserver_harness import Running

Object = dict[str, Any]

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GROUP = "stable.example.com"
_PATIENCE = 120.0
CRONTABS = f"/apis/{GROUP}/v1/namespaces/default/crontabs"

SPEC: Object = {
    "type": "object",
    "properties": {
        "cronSpec": {"type": "string", "maxLength": 20},
        "image": {"type": "string", "default": "busybox"},
        "replicas": {"type": "integer", "minimum": 1, "maximum": 10},
        "mode": {"type": "string", "enum": ["fast", "slow"]},
        "ports": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "number": {"type": "integer"}},
            },
        },
    },
}
STATUS: Object = {
    "type": "object",
    "properties": {"replicas": {"type": "integer"}, "labelSelector": {"type": "string"}, "phase": {"type": "string"}},
}


def version(name: str = "v1", *, storage: bool = True, **more: Any) -> Object:
    """A version of CronTab."""
    schema = {"type": "object", "properties": {"spec": SPEC, "status": STATUS}}
    return {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": schema}, **more}


def crontab_crd(*versions: Object, **names: Any) -> Object:
    """The definition of CronTab, with what it can have."""
    full = version(
        subresources={
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.labelSelector",
            },
        },
        additionalPrinterColumns=[
            {"name": "Spec", "type": "string", "jsonPath": ".spec.cronSpec"},
            {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ],
        selectableFields=[{"jsonPath": ".spec.mode"}],
    )
    named = {"plural": "crontabs", "singular": "crontab", "kind": "CronTab", "shortNames": ["ct"], **names}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{named['plural']}.{GROUP}"},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": named, "versions": list(versions or (full,))},
    }


def crontab(name: str, *, version: str = "v1", **spec: Any) -> Object:
    """A CronTab."""
    metadata = {"name": name}
    return {"apiVersion": f"{GROUP}/{version}", "kind": "CronTab", "metadata": metadata, "spec": spec}


async def defined(server: Running, crd: Object | None = None) -> Object:
    """Create a definition and wait until it is established."""
    crd = crd or crontab_crd()
    code, made = await server.call("POST", CRDS, crd)
    assert code == 201, made
    return await until(server, crd["metadata"]["name"], "Established")


async def until(server: Running, name: str, condition: str, status: str = "True") -> Object:
    """Wait for a condition of a definition."""
    began = time.monotonic()
    while time.monotonic() - began < _PATIENCE:
        _, crd = await server.call("GET", f"{CRDS}/{name}")
        found = {item["type"]: item["status"] for item in crd.get("status", {}).get("conditions") or ()}
        if found.get(condition) == status:
            return dict(crd)
        await asyncio.sleep(0.02)
    raise AssertionError(f"{condition} of {name} does not become {status}: {crd}")


async def gone(server: Running, path: str) -> None:
    """Wait until a path is not found."""
    began = time.monotonic()
    while time.monotonic() - began < _PATIENCE:
        code, body = await server.call("GET", path)
        if code == 404:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{path} is still there: {body}")
