"""Helm 3: its starter chart with a definition of its own, through the life of a release."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: tastes.interop.example}
spec:
  group: interop.example
  scope: Namespaced
  names: {kind: Taste, plural: tastes}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {type: object, properties: {sweet: {type: boolean}}}
"""
TASTE = """
apiVersion: interop.example/v1
kind: Taste
metadata: {name: {{ include "starter.fullname" . }}}
spec: {sweet: true}
"""

Helm = Callable[..., str]


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory, helm: Helm) -> Path:
    """The chart that `helm create` writes, with a custom resource and images that the site has."""
    folder = tmp_path_factory.mktemp("charts") / "starter"
    helm("create", str(folder))
    (folder / "crds").mkdir()
    (folder / "crds/taste.yaml").write_text(DEFINITION)
    (folder / "templates/taste.yaml").write_text(TASTE)
    return folder


@pytest.fixture(scope="module")
def helm(k: Any, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Runs Helm in the module's namespace; it must succeed unless `fails` is set. Returns what it printed."""
    home = tmp_path_factory.mktemp("helm")
    program = Path(sys.executable).with_name("helm")
    environment = {
        **os.environ,
        "KUBECONFIG": str(k.kubeconfig),
        "HELM_NAMESPACE": k.namespace,
        **{f"HELM_{name}_HOME": str(home / name.lower()) for name in ("CACHE", "CONFIG", "DATA")},
    }

    def run(*arguments: str, fails: bool = False) -> str:
        done = subprocess.run(
            [program, *arguments], env=environment, capture_output=True, text=True, timeout=400, check=False
        )
        assert bool(done.returncode) is fails, f"helm {' '.join(arguments)}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    return run


@pytest.fixture(scope="module")
def release(nodes: list[str], chart: Path, helm: Helm, k: Any) -> Iterator[str]:
    """An installed release whose pods are ready."""
    helm("install", "shop", str(chart), "--set=image.tag=1,replicaCount=1", "--wait", "--timeout=300s")
    yield "shop"
    k("delete", "customresourcedefinition", "tastes.interop.example")


def test_install_made_everything_of_the_chart(release: str, helm: Helm, k: Any) -> None:
    (shown,) = json.loads(helm("list", "--output=json"))
    assert (shown["name"], shown["status"], shown["revision"]) == (release, "deployed", "1")
    assert k("get", "tastes", "--output=jsonpath={.items[0].spec.sweet}") == "true"
    assert k("get", "deployment", "shop-starter", "--output=jsonpath={.status.readyReplicas}") == "1"


def test_the_charts_own_test_reaches_its_service(release: str, helm: Helm) -> None:
    assert "Phase:          Succeeded" in helm("test", release, "--timeout=300s")


def test_upgrade_and_rollback(release: str, chart: Path, helm: Helm, k: Any) -> None:
    replicas = ("get", "deployment", "shop-starter", "--output=jsonpath={.spec.replicas}")
    helm("upgrade", release, str(chart), "--reuse-values", "--set=replicaCount=2", "--wait", "--timeout=300s")
    assert k(*replicas) == "2"
    helm("rollback", release, "1", "--wait", "--timeout=300s")
    assert k(*replicas) == "1"
    described = [entry["description"] for entry in json.loads(helm("history", release, "--output=json"))]
    assert described == ["Install complete", "Upgrade complete", "Rollback to 1"]


def test_a_release_that_cannot_be_is_refused_and_taken_back(release: str, chart: Path, helm: Helm, k: Any) -> None:
    said = helm("upgrade", release, str(chart), "--reuse-values", "--set=service.port=0", "--atomic", fails=True)
    assert "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive" in said
    assert json.loads(helm("status", release, "--output=json"))["info"]["status"] == "deployed"
    assert k("get", "service", "shop-starter", "--output=jsonpath={.spec.ports[0].port}") == "80"


def test_uninstall_takes_away_what_install_made(release: str, helm: Helm, k: Any) -> None:
    helm("uninstall", release, "--wait", "--timeout=300s")
    left = k("get", "deployments,services,serviceaccounts,tastes,secrets", "--output=name").split()
    assert left == ["serviceaccount/default"]
