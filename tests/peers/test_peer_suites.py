"""What others wrote to test their clients and operators against Kubernetes, run unchanged against the site.

Each suite comes out of the source package on PyPI. Which of its tests do not pass here, and why, is in
`peer_suites.yaml`: the rest must.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import site_inventory

sys.path.append(str(site_inventory.ROOT / "roles/registry/library"))
from registry_push import Registry

SUITES = yaml.safe_load(Path(__file__).with_name("peer_suites.yaml").read_text())
REQUIREMENTS = site_inventory.ROOT / "requirements/peers.txt"
SECONDS = 900

pytestmark = pytest.mark.timeout(0)  # each suite has a limit of its own


@pytest.fixture(scope="session")
def environment() -> Path:
    """A virtual environment with what the suites need; the folder stays for the next run."""
    folder = site_inventory.ROOT / ".venv" / "peers"
    stamp = folder / "installed"
    wanted = REQUIREMENTS.read_text()
    if not stamp.is_file() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([folder / "bin/pip", "install", "--quiet", "--requirement", REQUIREMENTS], check=True)
        stamp.write_text(wanted)
    return folder / "bin"


@pytest.fixture(params=SUITES)
def suite(request: pytest.FixtureRequest, environment: Path, tmp_path: Path) -> tuple[str, Path]:
    """A suite's name and its unpacked source package, in the version that is installed."""
    name = request.param
    version = next(line.split()[0] for line in REQUIREMENTS.read_text().splitlines() if line.startswith(f"{name}=="))
    command = [environment / "pip", "download", "--quiet", "--no-deps", f"--no-binary={name}"]
    subprocess.run([*command, f"--dest={tmp_path}", version], check=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    shutil.unpack_archive(archive, tmp_path)
    return name, tmp_path / archive.name.removesuffix(".tar.gz")


@pytest.fixture
def images(site: Any, suite: tuple[str, Path]) -> None:
    """The images that the suite's pods name, in the registry of each center, under our own."""
    layout = Path(site["tricenter_state_dir"]) / "images-oci/current"
    index = json.loads((layout / "index.json").read_text())["manifests"]
    known = {entry["annotations"]["org.opencontainers.image.ref.name"]: entry for entry in index}

    def blob(digest: str) -> bytes:
        return (layout / "blobs" / digest.replace(":", "/")).read_bytes()

    pki = Path(site["tricenter_pki_dir"])
    for machine in site.group("registry"):
        parameters = {
            "address": machine["ansible_host"],
            "port": 5000,
            "server_name": machine.name,
            "certificate": pki / "local/registry-admin.crt",
            "key": pki / "local/registry-admin.key",
            "ca": pki / "ca/registry.crt",
        }
        with contextlib.closing(Registry(parameters)) as registry:
            for name, ours in SUITES[suite[0]]["images"].items():
                repository, tag = name.split(":")
                entry = known[ours]
                manifest = blob(entry["digest"])
                for part in (json.loads(manifest)["config"], *json.loads(manifest)["layers"]):
                    registry.push_blob(repository, part["digest"], blob(part["digest"]))
                registry.push_manifest(repository, tag, entry["mediaType"], manifest)


@pytest.fixture
def cluster(kubectl: Any, suite: tuple[str, Path], tmp_path: Path) -> Iterator[dict[str, str]]:
    """Environment in which the site is the current cluster, and the one that pytest-kind would have made."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(kubectl("config", "view", "--flatten", "--raw"))
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "kubectl").symlink_to(kubectl.binary)
    kind = suite[1] / ".pytest-kind/pytest-kind"
    kind.mkdir(parents=True)
    (kind / "kubeconfig").symlink_to(kubeconfig)
    (kind / "kubectl-v1.25.3").symlink_to(kubectl.binary)
    (kind / "kind-v0.17.0").write_text('#!/bin/sh\n[ "$1 $2" != "get clusters" ] || echo pytest-kind\n')
    (kind / "kind-v0.17.0").chmod(0o755)
    # kr8s looks at the pods of kube-system, where other installations run their own
    kubectl("create", "deployment", "peer-suites", "--namespace=kube-system", "--image=pause:1")
    kubectl("rollout", "status", "deployment/peer-suites", "--namespace=kube-system", "--timeout=60s")
    before = definitions(kubectl)
    yield {**os.environ, "KUBECONFIG": str(kubeconfig), "PATH": f"{programs}:{os.environ['PATH']}"}
    kubectl("delete", "deployment", "peer-suites", "--namespace=kube-system")
    left = definitions(kubectl) - before
    if left:
        kubectl("delete", "--wait=false", *left)


def definitions(kubectl: Any) -> set[str]:
    """The custom resource definitions of the cluster."""
    return set(kubectl("get", "customresourcedefinitions", "--output=name").split())


@pytest.mark.usefixtures("images")
def test_the_suite_passes(
    suite: tuple[str, Path], environment: Path, cluster: dict[str, str], record_property: Any
) -> None:
    name, folder = suite
    report = folder / "report.xml"
    command = [environment / "python", "-m", "pytest", *SUITES[name]["arguments"], f"--junitxml={report}"]
    done = subprocess.run(
        command, cwd=folder, env=cluster, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert report.is_file(), done.stdout[-4000:] + done.stderr[-4000:]
    results = outcomes(report)
    counts = collections.Counter(results.values())
    record_property(name, dict(counts))
    print(f"{name}: {dict(counts)}")
    failed = {test for test, outcome in results.items() if outcome == "failed"}
    expected = set(SUITES[name]["fails"])
    assert counts["passed"], done.stdout[-4000:]
    assert not failed - expected, f"{sorted(failed - expected)}\n{done.stdout[-20000:]}"
    passing = {test for test in expected if results.get(test) == "passed"}
    assert not passing, f"take these off the list in peer_suites.yaml: {sorted(passing)}"


def outcomes(report: Path) -> dict[str, str]:
    """Tests of a JUnit report with passed, skipped or failed."""
    found: dict[str, str] = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314  # written by the process that we started
        name = f"{case.get('classname')}::{case.get('name')}"
        children = {child.tag for child in case}
        outcome = "failed" if children & {"failure", "error"} else "skipped" if "skipped" in children else "passed"
        if found.get(name) != "failed":
            found[name] = outcome
    return found
