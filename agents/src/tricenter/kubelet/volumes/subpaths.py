"""Parts of volumes (`subPath`), held fast: what a container changes in the volume meanwhile leads nowhere else.

The runtime is given a path and follows it later. A container that shares the volume could put a link to the machine
in its way between our look and the runtime's (CVE-2017-1002101, CVE-2021-25741). So the part is opened step by step
without following links, and what was opened is mounted where no container can reach (upstream's doBindSubPath).
"""

import contextlib
import os
import stat
from pathlib import Path

from tricenter.kubelet.volumes import mounts
from tricenter.kubelet.volumes.projected import VolumeError

_FLAGS = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def bind(volume: Path, part: str, target: Path) -> Path:
    """Mount a part of a volume, made if it is missing, on `target`. Raises VolumeError or OSError."""
    descriptor = open_part(volume, part)
    try:
        if mounts.is_mounted(target):  # by the container before this one
            mounts.unmount(target)
        _make_place(target, folder=stat.S_ISDIR(os.fstat(descriptor).st_mode))
        mounts.bind(descriptor, target)
    finally:
        os.close(descriptor)
    return target


def open_part(volume: Path, part: str) -> int:
    """A descriptor (O_PATH) of a part of a volume; a way out is refused. Raises VolumeError or OSError."""
    base = Path(os.path.realpath(volume))
    # links inside the volume are followed here, and none after this
    target = Path(os.path.realpath(base / part))
    if ".." in Path(part).parts or not target.is_relative_to(base):
        raise VolumeError(f"subPath {part!r} leads out of the volume")
    mode = base.stat().st_mode & 0o2777
    found = os.open(base, _FLAGS)
    for name in target.relative_to(base).parts:
        try:
            following = _step(found, name, mode)
        finally:
            os.close(found)
        found = following
        if stat.S_ISLNK(os.fstat(found).st_mode):
            os.close(found)
            raise VolumeError(f"subPath {part!r} was replaced by a link")
    return found


def _step(folder: int, name: str, mode: int) -> int:
    """Open what `folder` has under a name; a missing folder is made, as open as the volume is (as upstream does it)."""
    try:
        return os.open(name, _FLAGS, dir_fd=folder)
    except FileNotFoundError:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=folder)
    made = os.open(name, _FLAGS | os.O_DIRECTORY, dir_fd=folder)
    Path(f"/proc/self/fd/{made}").chmod(mode)
    return made


def _make_place(target: Path, *, folder: bool) -> None:
    """A folder to mount a folder on, a file for anything else."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    if target.exists() and target.is_dir() != folder:
        target.rmdir() if target.is_dir() else target.unlink()
    if folder:
        target.mkdir(exist_ok=True)
    else:
        target.touch()
