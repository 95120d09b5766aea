"""mount(2) and umount(2) for volumes; no shell, no process."""

import ctypes
import os
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)

_MS_NOSUID, _MS_NODEV, _MS_BIND = 0x2, 0x4, 0x1000
_MNT_DETACH = 0x2


def mount_tmpfs(target: Path, *, size: int = 0, mode: str = "0755") -> None:
    """Mount a memory file system; `size` in bytes, 0 for half of the machine's memory. Raises OSError."""
    options = f"mode={mode}" + (f",size={size}" if size else "")
    flags = _MS_NOSUID | _MS_NODEV
    if _libc.mount(b"tmpfs", os.fsencode(target), b"tmpfs", flags, options.encode()):
        raise _error(target)


def bind(descriptor: int, target: Path) -> None:
    """Mount an open file or folder, whatever its path leads to by now. Raises OSError."""
    if _libc.mount(f"/proc/self/fd/{descriptor}".encode(), os.fsencode(target), None, _MS_BIND, None):
        raise _error(target)


def unmount(target: Path) -> None:
    """Detach a mount. Raises OSError."""
    if _libc.umount2(os.fsencode(target), _MNT_DETACH):
        raise _error(target)


def mounts_below(folder: Path, table: str | None = None) -> list[Path]:
    """Mount points at or below a folder, the deepest first; `table` is the text of /proc/self/mounts."""
    text = Path("/proc/self/mounts").read_text() if table is None else table
    points = [Path(line.split(" ")[1].replace("\\040", " ")) for line in text.splitlines()]
    return sorted((point for point in points if point.is_relative_to(folder)), reverse=True)


def is_mounted(target: Path) -> bool:
    """Whether something is mounted on exactly this folder."""
    return target in mounts_below(target)


def _error(target: Path) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), str(target))
