"""Writes a set of files that change together (upstream's AtomicWriter).

The files live in a folder with a new name; the link `..data` is switched to it by one rename, and each user-visible
name is a link through `..data`. A reader sees the old set or the new one, never a mixture.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

DATA = "..data"


@dataclass(frozen=True)
class File:
    """Content and permission bits of one file."""

    content: bytes
    mode: int = 0o644


def write(root: Path, files: Mapping[str, File], *, group: int | None = None, owner: int | None = None) -> bool:
    """Make `root` show exactly `files` (relative paths); returns whether anything changed."""
    if group is not None:  # a volume with a group of its own must be readable to that group
        files = {name: File(file.content, file.mode | 0o040) for name, file in files.items()}
    if _read(root) == dict(files):
        return False
    folder = Path(tempfile.mkdtemp(prefix="..", dir=root))
    folder.chmod(0o755)
    for name, file in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
        os.chown(target, -1 if owner is None else owner, -1 if group is None else group)
        target.chmod(file.mode)
    old = root / DATA
    previous = old.readlink() if old.is_symlink() else None
    fresh = root / f"{DATA}_tmp"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(folder.name)
    fresh.rename(old)
    _link(root, files)
    if previous is not None:
        shutil.rmtree(root / previous, ignore_errors=True)
    return True


def _link(root: Path, files: Mapping[str, File]) -> None:
    """Links for the first part of every path; those of files that are gone are removed."""
    wanted = {PurePosixPath(name).parts[0] for name in files}
    for name in wanted:
        link = root / name
        if not link.is_symlink():
            link.symlink_to(f"{DATA}/{name}")
    for entry in root.iterdir():
        if entry.is_symlink() and entry.name != DATA and entry.name not in wanted:
            entry.unlink()


def _read(root: Path) -> dict[str, File] | None:
    """The files shown now; None before the first write."""
    data = root / DATA
    if not data.is_symlink():
        return None
    base = data.resolve()
    found = {}
    for path in base.rglob("*"):
        if path.is_file():
            mode = path.stat().st_mode & 0o777
            found[path.relative_to(base).as_posix()] = File(path.read_bytes(), mode)
    return found
