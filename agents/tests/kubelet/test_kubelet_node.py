"""The Node object."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cri_api.v1 import api_pb2 as cri

from tricenter.kubelet.config import Config
from tricenter.kubelet.node import housekeeping, machine, objects
from tricenter.kubelet.probes import targets

CONFIG = Config(
    node_name="east1-node1",
    node_address="10.1.1.21",
    node_labels={"topology.kubernetes.io/zone": "east1"},
)
MACHINE = machine.Machine(
    cpus=2, memory=4 * 1024**3, disk=50 * 1024**3, machine_id="m", system_uuid="s", boot_id="b", kernel="6.12",
    os_image="Debian", architecture="amd64",
)  # fmt: skip
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def status(missing: str = "", old: object = (), now: datetime = NOW, pressure: bool = False) -> dict[str, object]:
    found = {"MemoryPressure": pressure, "DiskPressure": False, "PIDPressure": False}
    return objects.status(
        CONFIG, MACHINE, runtime=None, images=[], found=found, not_ready=missing, old=old, now=now  # type: ignore[arg-type]
    )  # fmt: skip


def test_labels_say_where_the_node_is():
    labels = objects.node(CONFIG, MACHINE)["metadata"]["labels"]
    assert labels["topology.kubernetes.io/zone"] == "east1"
    assert labels["kubernetes.io/hostname"] == "east1-node1"
    assert labels["kubernetes.io/arch"] == "amd64"


def test_pods_get_what_is_not_reserved():
    assert objects.capacity(CONFIG, MACHINE)["memory"] == "4194304Ki"
    assert objects.allocatable(CONFIG, MACHINE)["memory"] == "3932160Ki"
    assert objects.allocatable(CONFIG, MACHINE)["cpu"] == "1900m"


def by_type(found: dict[str, object]) -> dict[str, dict[str, str]]:
    return {item["type"]: item for item in found["conditions"]}  # type: ignore[attr-defined]


def test_ready_says_why_not():
    assert by_type(status())["Ready"]["status"] == "True"
    ready = by_type(status("no pod CIDR yet"))["Ready"]
    assert (ready["status"], ready["message"]) == ("False", "no pod CIDR yet")
    assert by_type(status(pressure=True))["MemoryPressure"]["reason"] == "KubeletHasInsufficientMemory"


def test_heartbeats_move_and_transitions_do_not():
    first = status()
    later = status(old=first["conditions"], now=NOW + timedelta(seconds=10))
    assert by_type(later)["Ready"]["lastTransitionTime"] == "2026-01-02T03:04:05Z"
    assert by_type(later)["Ready"]["lastHeartbeatTime"] == "2026-01-02T03:04:15Z"
    assert objects.without_heartbeat(first) == objects.without_heartbeat(later)


def test_memory():
    text = "MemTotal:  1024 kB\nMemAvailable:   512 kB\n"
    assert (machine.memory_total(text), machine.memory_available(text)) == (1024**2, 512 * 1024)


def test_targets_of_probes():
    container = {"name": "c", "ports": [{"name": "web", "containerPort": 8080}]}
    assert targets.url({"port": "web", "path": "ok"}, container, "10.0.0.1") == "http://10.0.0.1:8080/ok"
    assert targets.url({"port": 1, "scheme": "HTTPS"}, container, "fd00::1") == "https://[fd00::1]:1/"
    assert targets.headers({"httpHeaders": [{"name": "user-agent", "value": "x"}]}) == {
        "Accept": "*/*",
        "user-agent": "x",
    }


def test_logs_that_grew_too_large(tmp_path: Path):
    folder = tmp_path / "shop_web_u-1" / "c"
    folder.mkdir(parents=True)
    (folder / "0.log").write_bytes(b"x" * 10)
    (folder / "1.log").write_bytes(b"x" * 11)
    (folder / "1.log.20260101-000000").write_bytes(b"x" * 12)
    found = housekeeping.large_logs(tmp_path, 10)
    assert found == [housekeeping.LogFile(path=folder / "1.log", uid="u-1", container="c", attempt=1)]
    assert housekeeping.rotated_name(folder / "1.log", NOW).name == "1.log.20260102-030405"
    (folder / "1.log.20260102-030405").touch()
    assert housekeeping.surplus_logs(folder / "1.log", 2) == [folder / "1.log.20260101-000000"]
    assert housekeeping.surplus_logs(folder / "1.log", 3) == []


def test_images_without_a_container_go_the_longest_unused_first():
    images = [cri.Image(id=name, repo_tags=[f"{name}:1"]) for name in "abcd"] + [cri.Image(id="p", pinned=True)]
    found = housekeeping.removable(images, {"a:1"}, {"b": 500.0, "c": 100.0, "d": 990.0}, 1000.0)
    assert [image.id for image in found] == ["c", "b"]
