"""What nodes and pods use: from control groups of both versions to what metrics servers read."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tricenter.kubelet.server import stats, usage
from tricenter.kubelet.server.usage import Reference, Sample, Usage

POD = "0a1b-2c"
REFERENCE = Reference(namespace="d", pod="p", uid=POD)
CONTAINER = Reference(namespace="d", pod="p", uid=POD, container="c")


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_control_groups_version_1(tmp_path: Path) -> None:
    for place in ("", f"kubepods/burstable/pod{POD}"):
        write(tmp_path / "cpuacct" / place, cpuacct__usage="1500\n")
        files = {"memory__usage_in_bytes": "1000\n", "memory__stat": "cache 1\ntotal_inactive_file 300\n"}
        write(tmp_path / "memory" / place, **files)
    for found in (usage.node_usage(tmp_path), usage.pod_usage(POD, tmp_path)):
        assert found is not None
        assert (found.cpu, found.memory, found.working_set) == (1500, 1000, 700)


@pytest.mark.parametrize(
    "place", [f"kubepods/pod{POD}", "kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod0a1b_2c.slice"]
)
def test_control_groups_version_2(tmp_path: Path, place: str) -> None:
    write(tmp_path, cgroup__controllers="cpu memory")
    files = {
        "cpu__stat": "usage_usec 7\nuser_usec 5\n",
        "memory__current": "1000\n",
        "memory__stat": "inactive_file 1\n",
    }
    write(tmp_path / place, **files)
    found = usage.pod_usage(POD, tmp_path)
    assert found is not None
    assert (found.cpu, found.memory, found.working_set) == (7000, 1000, 999)
    assert usage.pod_usage("other", tmp_path) is None


def test_a_machines_root_group_of_version_2_has_no_memory_figure(tmp_path: Path) -> None:
    write(tmp_path, cgroup__controllers="cpu memory", cpu__stat="usage_usec 7\n", memory__stat="inactive_file 1024\n")
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  10 kB\nMemFree:  4 kB\n")
    found = usage.node_usage(tmp_path, meminfo)
    assert found is not None
    assert (found.cpu, found.memory, found.working_set) == (7000, 6 * 1024, 5 * 1024)


def a_usage(at: float, cpu: int) -> Usage:
    return Usage(at=at, cpu=cpu, memory=3000, working_set=2048)


def test_a_rate_needs_two_samples_of_the_same_life() -> None:
    assert usage.rate(None, a_usage(10, 5)) is None
    assert usage.rate(a_usage(10, 0), a_usage(12, 1_000_000)) == 500_000
    assert usage.rate(a_usage(10, 7), a_usage(12, 5)) is None
    assert usage.rate(a_usage(10, 7), a_usage(10, 7)) is None


def test_the_summary_names_every_part() -> None:
    before = Sample(node=a_usage(10, 0), parts={REFERENCE: a_usage(10, 0)})
    now = Sample(node=a_usage(20, 10_000), parts={REFERENCE: a_usage(20, 5_000), CONTAINER: a_usage(20, 4_000)})
    found = stats.summary("n1", before, now)
    assert found["node"]["cpu"]["usageNanoCores"] == 1000
    (pod,) = found["pods"]
    assert pod["podRef"] == {"name": "p", "namespace": "d", "uid": POD}
    assert (pod["cpu"]["usageNanoCores"], pod["memory"]["workingSetBytes"]) == (500, 2048)
    assert pod["containers"][0]["name"] == "c"
    assert "usageNanoCores" not in pod["containers"][0]["cpu"]


def test_resource_metrics_are_prometheus_text() -> None:
    now = Sample(node=a_usage(20, 1_500_000_000), parts={REFERENCE: a_usage(20, 0), CONTAINER: a_usage(20, 0)})
    text = stats.resource_metrics(now)
    found = {sample.name: sample for family in text_string_to_metric_families(text) for sample in family.samples}
    assert found["node_cpu_usage_seconds_total"].value == 1.5
    assert found["pod_memory_working_set_bytes"].labels == {"namespace": "d", "pod": "p"}
    assert found["container_memory_working_set_bytes"].labels == {"container": "c", "namespace": "d", "pod": "p"}
    assert found["resource_scrape_error"].value == 0
