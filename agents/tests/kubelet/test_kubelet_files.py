"""Files that pods see, logs that users read, manifests that machines run."""

import io
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tricenter.client import errors
from tricenter.kubelet.objects import Objects
from tricenter.kubelet.pods import cgroups
from tricenter.kubelet.pods.paths import Paths
from tricenter.kubelet.pods.starter import Starter
from tricenter.kubelet.server import app, logs
from tricenter.kubelet.sources.files import ManifestError, Mirrors, StaticPods, static_pod
from tricenter.kubelet.volumes import atomic, manager, mounts, subpaths
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


def opened(volume: Path, part: str) -> Path:
    """What a part of a volume leads to."""
    descriptor = subpaths.open_part(volume, part)
    try:
        return Path(f"/proc/self/fd/{descriptor}").readlink()
    finally:
        os.close(descriptor)


def test_a_sub_path_stays_in_its_volume(tmp_path: Path):
    volume = tmp_path.resolve() / "v"
    volume.mkdir()
    volume.chmod(0o777)
    (volume / "out").symlink_to("/etc")
    (volume / "in").symlink_to("x")
    (volume / "loop").symlink_to("loop")
    assert opened(volume, "x/y") == volume / "x/y"
    assert (volume / "x/y").stat().st_mode & 0o777 == 0o777
    (volume / "x/file").touch()
    assert opened(volume, "in/file") == volume / "x/file"
    for part in ("../z", "out/passwd", "/etc", "loop", "in/../x"):
        with pytest.raises(VolumeError):
            opened(volume, part)


@pytest.mark.parametrize("part", ["a", "a/b", "a/b/c"])
def test_a_link_that_a_container_slips_in_between_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """It shares the volume, and may change it at any time (CVE-2021-25741)."""
    volume, outside = tmp_path / "v", tmp_path / "outside"
    (volume / "a/b/c").mkdir(parents=True)
    (outside / "b/c").mkdir(parents=True)
    look = os.path.realpath

    def look_and_swap(path: Path) -> str:
        found = look(path)
        if path != volume:
            (volume / "a").rename(volume / "was")
            (volume / "a").symlink_to(outside)
        return found

    monkeypatch.setattr(subpaths.os.path, "realpath", look_and_swap)
    with pytest.raises(VolumeError, match="replaced by a link"):
        opened(volume, part)


def test_a_part_of_a_volume_is_mounted_where_no_container_can_reach_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound: dict[Path, Path] = {}
    unmounted: list[Path] = []

    def bind(descriptor: int, target: Path) -> None:
        bound[target] = Path(f"/proc/self/fd/{descriptor}").readlink()

    monkeypatch.setattr(mounts, "bind", bind)
    monkeypatch.setattr(mounts, "unmount", unmounted.append)
    monkeypatch.setattr(mounts, "is_mounted", bound.__contains__)
    volume = tmp_path.resolve() / "v"
    (volume / "folder").mkdir(parents=True)
    (volume / "file").touch()
    target = Paths(tmp_path).sub_path("u", "v", "c", 0)
    assert subpaths.bind(volume, "folder", target) == target
    assert target.is_dir()
    subpaths.bind(volume, "file", target)
    assert target.is_file()
    assert bound == {target: volume / "file"}
    assert unmounted == [target]


def test_files_of_a_pod_are_not_removed_while_something_is_mounted_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of a hostPath volume is the machine's own."""
    place = Paths(tmp_path).sub_path("u", "v", "c", 0)
    place.mkdir(parents=True)
    (place / "precious").touch()
    monkeypatch.setattr(mounts, "mounts_below", lambda _folder: [place])
    monkeypatch.setattr(mounts, "unmount", lambda _point: None)
    with pytest.raises(OSError, match="busy"):
        manager.Volumes(Paths(tmp_path), Objects(None)).remove("u")
    assert (place / "precious").exists()


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


_HEAD = b"kind: Pod\napiVersion: v1\n"
_BODY = b"spec: {containers: [{name: a, image: b}]}\n"


@pytest.mark.parametrize(
    "content",
    [
        b"kind: Service\napiVersion: v1\n",
        b"[",
        b"- 1\n",
        b"",
        b"[" * 3000,
        b"\xff",
        _HEAD,
        _HEAD + b"spec:\n",
        _HEAD + b"spec: {containers: [1]}\n",
        _HEAD + b"spec: {containers: [{name: a}]}\n",
        _HEAD + b"spec: {containers: [{name: a, image: 1}]}\n",
        _HEAD + b"spec: {containers: [{name: ../a, image: b}]}\n",
        _HEAD + b"spec: {tolerations: x, containers: [{name: a, image: b}]}\n",
        _HEAD + b"metadata:\n" + _BODY,
        _HEAD + b"metadata: {annotations: [1]}\n" + _BODY,
        _HEAD + b"metadata: {name: ../../x}\n" + _BODY,
        _HEAD + b"metadata: {namespace: 1}\n" + _BODY,
    ],
)
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


def test_a_container_that_is_gone_leaves_no_files(tmp_path: Path) -> None:
    """Each restart has files of its own: without this a pod that crashes for weeks fills the disk."""
    parts: dict[str, Any] = dict.fromkeys(("runtime", "images", "volumes", "objects", "hooks", "node", "record"))
    paths = Paths(tmp_path / "root")
    logs_of = tmp_path / "log"
    words = paths.termination_log("u", "c", 1)
    for folder in (logs_of, words.parent):
        folder.mkdir(parents=True)
    gone = [logs_of / "1.log", logs_of / "1.log.20260102-030405", words]
    kept = [logs_of / "11.log", logs_of / "2.log", words.with_name("termination-2")]
    for path in (*gone, *kept):
        path.touch()
    record: Any = SimpleNamespace(name="c", attempt=1, log_path=str(logs_of / "1.log"))
    Starter(paths=paths, **parts).discard({"metadata": {"uid": "u"}}, record)
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in kept)


def test_a_file_that_vanishes_while_its_folder_is_read_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to(tmp_path / "gone")
    (tmp_path / "b.yaml").write_bytes(MANIFEST)
    put: list[dict[str, Any]] = []
    StaticPods(tmp_path, "n1", put.append, lambda _uid: None).scan()
    assert [pod["metadata"]["name"] for pod in put] == ["web-n1"]


async def test_a_mirror_that_the_api_refuses_keeps_no_other_from_its_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Api:
        def __init__(self) -> None:
            self.made: list[str] = []

        async def create(self, _resource: object, pod: dict[str, Any]) -> None:
            if pod["metadata"]["namespace"] == "gone":
                raise errors.from_status({"message": "namespace gone not found"}, 404)
            self.made.append(pod["metadata"]["namespace"])

    for name in ("default", "gone", "last"):
        text = b"kind: Pod\napiVersion: v1\nmetadata: {namespace: %s}\n" % name.encode() + _BODY
        (tmp_path / f"{'0' if name == 'gone' else '1'}{name}.yaml").write_bytes(text)
    pods = StaticPods(tmp_path, "n1", lambda _pod: None, lambda _uid: None)
    pods.scan()
    api: Any = Api()
    mirrors = Mirrors(api, pods, list)
    for _ in range(2):
        await mirrors._sync()
    assert api.made == 2 * ["default", "last"]
    assert len(caplog.records) == 1
