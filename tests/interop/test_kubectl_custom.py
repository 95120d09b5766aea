"""Custom resources as kubectl uses them: a definition comes, its objects live like built-in ones, both go."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

SPEC: dict[str, Any] = {
    "type": "object",
    "description": "what a gadget is to be",
    "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
        "color": {"type": "string", "enum": ["red", "blue"]},
    },
    "x-kubernetes-validations": [{"rule": "self.size < 8 || self.color == 'red'", "message": "large ones are red"}],
}
STATUS: dict[str, Any] = {"type": "object", "properties": {"size": {"type": "integer"}}}


class Gadgets:
    """A group of its own with one kind, and kubectl beside it."""

    def __init__(self, k: Any) -> None:
        self.k = k
        self.group = f"interop-{secrets.token_hex(3)}.example.com"
        self.crd = f"gadgets.{self.group}"

    def definition(self) -> dict[str, Any]:
        schema = {"type": "object", "properties": {"spec": SPEC, "status": STATUS}}
        version = {
            "name": "v1",
            "served": True,
            "storage": True,
            "schema": {"openAPIV3Schema": schema},
            "subresources": {
                "status": {},
                "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"},
            },
            "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
            "selectableFields": [{"jsonPath": ".spec.color"}],
        }
        names = {"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "shortNames": ["gad"]}
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": self.crd},
            "spec": {"group": self.group, "scope": "Namespaced", "names": names, "versions": [version]},
        }

    def object(self, name: str, **spec: Any) -> str:
        """A gadget as kubectl reads it."""
        return json.dumps(
            {"apiVersion": f"{self.group}/v1", "kind": "Gadget", "metadata": {"name": name}, "spec": spec}
        )

    def apply(self, name: str, *arguments: str, **spec: Any) -> None:
        """kubectl apply of a gadget."""
        self.k("apply", *arguments, "-f", "-", stdin=self.object(name, **spec))


@pytest.fixture(scope="module")
def gadgets(k: Any, eventually: Any) -> Iterator[Gadgets]:
    made = Gadgets(k)
    k("apply", "-f", "-", stdin=json.dumps(made.definition()))
    k("wait", "--for=condition=established", f"crd/{made.crd}", "--timeout=300s")
    eventually(lambda: k.tried("explain", made.crd)[0])  # servers hear of it one after the other
    yield made
    k("delete", "crd", made.crd, "--timeout=300s")
    eventually(lambda: made.group not in k("api-resources"))


def test_objects_are_defaulted_listed_and_explained(gadgets: Gadgets) -> None:
    k = gadgets.k
    gadgets.apply("one", color="red")
    gadgets.apply("two", color="blue")
    header, one, two = k("get", gadgets.crd).splitlines()
    assert header.split()[:2] == ["NAME", "SIZE"]
    assert (one.split()[:2], two.split()[:2]) == (["one", "3"], ["two", "3"])
    assert k("get", gadgets.crd, "--field-selector=spec.color=blue", "-o", "name").split() == [
        f"gadget.{gadgets.group}/two"
    ]
    assert "what a gadget is to be" in k("explain", f"{gadgets.crd}.spec")
    assert "size" in k("explain", gadgets.crd, "--recursive")
    assert "gad" in k("api-resources", f"--api-group={gadgets.group}").split()


def test_wrong_objects_are_refused(gadgets: Gadgets) -> None:
    def refused(**spec: Any) -> str:
        text: str = gadgets.k.refused("apply", "-f", "-", stdin=gadgets.object("bad", **spec))
        return text

    assert "should be less than or equal to 9" in refused(size=10)
    assert 'supported values: "red", "blue"' in refused(color="green")
    assert "large ones are red" in refused(size=8, color="blue")
    assert 'unknown field "spec.weight"' in refused(weight=1)


def test_status_and_scale_are_subresources(gadgets: Gadgets) -> None:
    k = gadgets.k
    gadgets.apply("scaled", color="red")
    k("patch", gadgets.crd, "scaled", "--subresource=status", "--type=merge", "-p", '{"status":{"size":2}}')
    k("scale", "--replicas=5", f"{gadgets.crd}/scaled")
    found = k.json("get", gadgets.crd, "scaled")
    assert (found["spec"]["size"], found["status"], found["metadata"]["generation"]) == (5, {"size": 2}, 2)


def test_server_side_apply_guards_fields(gadgets: Gadgets) -> None:
    gadgets.apply("shared", "--server-side", "--field-manager=one", color="red")
    second = ("--server-side", "--field-manager=two")
    assert 'conflict with "one"' in gadgets.k.refused(
        "apply", *second, "-f", "-", stdin=gadgets.object("shared", color="blue")
    )
    gadgets.apply("shared", *second, "--force-conflicts", color="blue")
    assert gadgets.k.json("get", gadgets.crd, "shared")["spec"]["color"] == "blue"


def test_what_a_custom_object_owns_goes_with_it(gadgets: Gadgets) -> None:
    k = gadgets.k
    gadgets.apply("owner", color="red")
    uid = k.json("get", gadgets.crd, "owner")["metadata"]["uid"]
    reference = {"apiVersion": f"{gadgets.group}/v1", "kind": "Gadget", "name": "owner", "uid": uid}
    owned = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owned", "ownerReferences": [reference]}}
    k("create", "-f", "-", stdin=json.dumps(owned))
    k("delete", gadgets.crd, "owner")
    k("wait", "--for=delete", "configmap/owned", "--timeout=300s")
