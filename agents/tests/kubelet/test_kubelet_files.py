"""Files that pods see, logs that users read, manifests that machines run."""

import io
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tricenter.kubelet.objects import Objects
from tricenter.kubelet.pods import cgroups
from tricenter.kubelet.pods.paths import Paths
from tricenter.kubelet.server import app, logs
from tricenter.kubelet.sources.files import ManifestError, StaticPods, static_pod
from tricenter.kubelet.volumes import atomic, manager, mounts
from tricenter.kubelet.volumes.atomic import File
from tricenter.kubelet.volumes.projected import VolumeError


def shown(root: Path) -> dict[str, bytes]:
    names = [path for path in root.iterdir() if not path.name.startswith("..")]
    files = [file for path in names for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in files}


def test_a_volume_shows_exactly_its_files(tmp_path: Path):
    assert atomic.write(tmp_path, {"a": File(b"1"), "d/b": File(b"2", 0o400)})
    assert shown(tmp_path) == {"a": b"1", "d/b": b"2"}
    assert (tmp_path / "d/b").stat().st_mode & 0o777 == 0o400
    assert not atomic.write(tmp_path, {"a": File(b"1"), "d/b": File(b"2", 0o400)})
    assert atomic.write(tmp_path, {"c": File(b"3")})
    assert shown(tmp_path) == {"c": b"3"}
    assert len([path for path in tmp_path.iterdir() if path.name.startswith("..")]) == 2


def test_a_sub_path_stays_in_its_volume(tmp_path: Path):
    (tmp_path / "out").symlink_to("/etc")
    assert manager.sub_path(tmp_path, "x/y") == tmp_path / "x/y"
    for part in ("../z", "out/passwd"):
        with pytest.raises(VolumeError):
            manager.sub_path(tmp_path, part)


def test_host_path_types(tmp_path: Path):
    assert manager.host_path({"path": str(tmp_path / "new"), "type": "DirectoryOrCreate"}).is_dir()
    with pytest.raises(VolumeError, match="is not a File"):
        manager.host_path({"path": str(tmp_path), "type": "File"})


def test_mounts_below_a_folder_come_deepest_first():
    table = "tmpfs /pods/u/a tmpfs rw 0 0\ntmpfs /pods/u/a/b tmpfs rw 0 0\ntmpfs /pods/other tmpfs rw 0 0\n"
    assert mounts.mounts_below(Path("/pods/u"), table) == [Path("/pods/u/a/b"), Path("/pods/u/a")]


LOG = (
    b"2026-01-01T00:00:00.5Z stdout F one\n"
    b"2026-01-01T00:00:01Z stderr F two\n"
    b"2026-01-01T00:00:02Z stdout P th\n"
    b"2026-01-01T00:00:02.5Z stdout F ree\n"
)


async def over() -> bool:
    return True


async def text(path: Path, **options: object) -> bytes:
    return b"".join([part async for part in logs.read(path, logs.Options(**options), over)])  # type: ignore[arg-type]


async def test_log_of_a_container(tmp_path: Path):
    path = tmp_path / "0.log"
    path.write_bytes(LOG)
    assert await text(path) == b"one\ntwo\nthree\n"
    assert await text(path, follow=True) == b"one\ntwo\nthree\n"
    assert await text(path, tail=1) == b"three\n"
    assert await text(path, tail=2) == b"two\nthree\n"
    assert await text(path, tail=0) == b""
    assert await text(path, stream="stderr") == b"two\n"
    assert await text(path, limit_bytes=5) == b"one\nt"
    assert await text(path, since=datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)) == b"two\nthree\n"
    assert (await text(path, timestamps=True)).startswith(b"2026-01-01T00:00:00.5Z one\n")


def test_the_tail_of_a_long_log_does_not_keep_the_kubelet_from_its_other_work() -> None:
    """A log grows to 10 MiB; the cost of its tail must grow with its length, not with the square of it."""
    full = b"2026-01-01T00:00:00.000000000Z stdout F " + b"x" * 40 + b"\n"
    file = io.BytesIO(full * 120_000)
    begun = time.process_time()
    logs.seek_tail(file, 119_999)
    assert file.tell() == len(full)
    assert time.process_time() - begun < 3


@pytest.mark.parametrize("count", [1, 2, 5, 1999, 2000, 3000])
def test_tail_finds_the_start_in_large_logs(count: int):
    lines = [f"2026-01-01T00:00:00Z stdout F {'x' * 100}{number}\n".encode() for number in range(2000)]
    file = io.BytesIO(b"".join(lines))
    logs.seek_tail(file, count)
    assert file.read() == b"".join(lines[-count:])


MANIFEST = b"apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: c, image: nginx}]}\n"


def test_a_manifest_becomes_a_pod_of_the_node():
    pod = static_pod(MANIFEST, Path("/etc/x.yaml"), "n1")
    assert pod["metadata"]["name"] == "web-n1"
    assert pod["spec"]["nodeName"] == "n1"
    assert pod["spec"]["containers"][0]["imagePullPolicy"] == "Always"
    assert static_pod(MANIFEST, Path("/etc/x.yaml"), "n1")["metadata"]["uid"] == pod["metadata"]["uid"]
    assert static_pod(MANIFEST + b"#\n", Path("/etc/x.yaml"), "n1")["metadata"]["uid"] != pod["metadata"]["uid"]


@pytest.mark.parametrize("content", [b"kind: Service\napiVersion: v1\n", b"[", b"- 1\n", b""])
def test_what_is_no_pod_is_refused(content: bytes):
    with pytest.raises(ManifestError, match=r"x\.yaml"):
        static_pod(content, Path("/etc/x.yaml"), "n1")


def test_a_folder_of_manifests_is_followed(tmp_path: Path):
    put: list[str] = []
    dropped: list[str] = []
    pods = StaticPods(tmp_path, "n1", lambda pod: put.append(pod["metadata"]["uid"]), dropped.append)
    pods.scan()
    (tmp_path / "a.yaml").write_bytes(MANIFEST)
    (tmp_path / ".hidden.yaml").write_bytes(MANIFEST)
    pods.scan()
    pods.scan()
    assert len(put) == 1
    (tmp_path / "a.yaml").write_bytes(MANIFEST + b"# changed\n")
    pods.scan()
    assert (len(put), dropped) == (2, put[:1])
    (tmp_path / "a.yaml").unlink()
    pods.scan()
    assert dropped == put


def test_control_groups_of_a_pod_are_removed(tmp_path: Path):
    (tmp_path / "memory/kubepods/burstable/podu/leaf").mkdir(parents=True)
    (tmp_path / "cpu/kubepods/podu").mkdir(parents=True)
    cgroups.remove("u", tmp_path)
    assert not list(tmp_path.rglob("podu"))


@pytest.mark.parametrize(
    ("subject", "wanted"),
    [
        (((("organizationName", "system:masters"),), (("commonName", "x"),)), True),
        (((("commonName", "kube-apiserver-kubelet-client"),),), True),
        (((("organizationName", "system:nodes"),), (("commonName", "system:node:n1"),)), False),
        ((), False),
    ],
)
def test_who_may_use_the_server(subject: object, wanted: bool):
    assert app.allowed(subject) is wanted


def test_a_volume_in_memory_is_in_memory_again_after_a_restart_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder is on disk: without the mount its content would be, and without a limit."""
    mounted: list[Path] = []
    monkeypatch.setattr(mounts, "mount_tmpfs", lambda target, **_: mounted.append(target))
    monkeypatch.setattr(mounts, "is_mounted", mounted.__contains__)
    known = manager.Volumes(Paths(tmp_path), Objects(None))
    for times in (1, 1):
        known._empty_dir("u", "v", {"medium": "Memory"}, None)
        assert len(mounted) == times
    mounted.clear()
    known._empty_dir("u", "v", {"medium": "Memory"}, None)
    assert len(mounted) == 1
