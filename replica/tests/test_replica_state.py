"""What is written survives interruption, and a process is not mistaken for another."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path

import pytest

from tricenter_replica import cgroups, files, image, initrd, plan, process, state, warm


@pytest.mark.parametrize(("key", "machines", "weight"), [("cpu.shares", 27, "27648"), ("cpu.weight", 200, "10000")])
def test_machines_together_count_as_so_many_processes(tmp_path: Path, key: str, machines: int, weight: str) -> None:
    (tmp_path / key).write_text("default")
    for number in range(machines):
        (tmp_path / f"machine{number}").mkdir()
    cgroups.weigh(tmp_path)
    assert (tmp_path / key).read_text() == weight


def test_a_second_run_waits_for_the_first_and_names_it(tmp_path: Path) -> None:
    folder = state.State(tmp_path)
    said: list[str] = []
    busy = pytest.raises(state.BusyError, match=r"process \d+ works on the replica")
    with folder.lock(said.append), busy, folder.lock(said.append, patience=0.3):
        pass
    assert len(said) == 1, "it waits, says so once, and gives up"
    with folder.lock(said.append):
        assert len(said) == 1


def test_text_that_is_the_same_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "file"
    assert state.write_text(path, "a", mode=0o600)
    assert not state.write_text(path, "a")
    assert path.stat().st_mode & 0o777 == 0o600


def test_half_a_record_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"pid": ')
    assert state.read_json(tmp_path / "x.json") is None
    assert process.load(tmp_path / "x.json") is None


def test_a_process_is_known_by_pid_and_start_time(tmp_path: Path) -> None:
    started = process.spawn(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        record=tmp_path / "p.json",
        log=tmp_path / "log",
        environment={},
        before=lambda: None,
    )
    assert process.load(tmp_path / "p.json") == started
    state.write_json(tmp_path / "other.json", asdict(replace(started, started=started.started - 1)))
    assert process.load(tmp_path / "other.json") is None
    process.kill([started])
    assert process.load(tmp_path / "p.json") is None


def test_packages_come_from_the_roles_own_lists(tmp_path: Path) -> None:
    for role, text in {
        "bird": "__bird_packages: [bird2]",
        "dns": "__dns_packages: [knot]\n__x_packages: '{{ a }}'\nother: 1",
        "none": "",
    }.items():
        (tmp_path / role / "vars").mkdir(parents=True)
        (tmp_path / role / "vars/main.yml").write_text(text)
    (tmp_path / "bare").mkdir()
    assert image.role_packages(tmp_path.iterdir()) == {"bird2", "knot"}


def test_an_image_is_named_by_everything_it_is_made_of() -> None:
    one = image.Recipe(packages=("a",), requirements="r", kernel="", scripts=(("s", "1"),))
    others = [
        replace(one, packages=("a", "b")),
        replace(one, requirements="q"),
        replace(one, kernel="k"),
        replace(one, scripts=(("s", "2"),)),
    ]
    assert len({recipe.key for recipe in (one, *others)}) == 5


def test_the_ram_disk_is_an_archive_that_cpio_reads(tmp_path: Path) -> None:
    root = tmp_path / "root"
    module = root / "usr/lib/modules/6.12/kernel/virtio_blk.ko"
    module.parent.mkdir(parents=True)
    module.write_bytes(b"module")
    (root / "usr/bin").mkdir()
    (root / "usr/bin/busybox").write_bytes(b"busybox")
    (tmp_path / "init.sh").write_text("#!/bin/busybox sh\n")
    initrd.build(root, tmp_path / "init.sh", tmp_path / "initrd")
    unpacked = subprocess.run(["gzip", "-dc", str(tmp_path / "initrd")], check=True, capture_output=True).stdout
    assert unpacked.startswith(b"070701")
    assert unpacked.endswith(b"TRAILER!!!\0\0\0\0")
    assert b"virtio_blk.ko\0" in unpacked
    assert len(unpacked) % 4 == 0


def test_the_identity_of_a_machine_is_a_disk_of_its_files() -> None:
    machine = plan.Machine(
        name="lb1",
        management="198.18.0.9",
        address="10.1.1.9",
        interfaces=(
            plan.Interface(name="eth0", mac="02:00:00:00:00:02"),
            plan.Interface(name="mgmt0", mac="02:00:00:00:00:01"),
        ),
    )
    assert warm.fits(machine)
    disk = warm.identity(machine, {"etc/hostname": files.File("lb1\n"), "etc/key": files.File("k", 0o600)})
    assert len(disk) == warm.IDENTITY_BYTES
    with tarfile.open(fileobj=BytesIO(disk)) as archive:
        assert archive.getmember("etc/key").mode == 0o600
        script = archive.extractfile(warm.SCRIPT)
        assert script is not None
        text = script.read().decode()
    assert "ip link set eth0 name eth0 address 02:00:00:00:00:02" in text
    assert "ip link set eth1 name mgmt0 address 02:00:00:00:00:01" in text


def test_links_delay_each_port_by_half() -> None:
    script = files.links_init({("02:00:00:00:00:01", "02:00:00:00:00:02"): 15.0})
    assert script.count("netem delay 15000us") == 2
    # A bridge takes the address of a port: all are looked up on the bus, not among all links.
    assert "/sys/bus/virtio/devices/" in script


def test_where_systemd_makes_the_groups_a_machine_starts_in_a_scope_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stays in the group of a session or unit ends with it (seen on Debian 13 with cgroup v2)."""
    monkeypatch.setattr(cgroups, "managed_by_systemd", lambda: True)
    command = cgroups.scope("east1-lb1")
    assert command[0] == "systemd-run"
    assert "--unit=tricenter-east1-lb1.scope" in command
    assert "--slice=tricenter.slice" in command
    monkeypatch.setattr(cgroups, "managed_by_systemd", lambda: False)
    assert cgroups.scope("east1-lb1") == []
