"""The initial RAM disk of virtual machines: busybox, five modules and `image/init.sh`, as a cpio archive (newc)."""

from __future__ import annotations

import gzip
import lzma
import stat
from pathlib import Path

MODULES = ("overlay", "virtio_blk", "failover", "net_failover", "virtio_net")
"""In the order in which they are loaded; ext4 and virtio's PCI bus are built into Debian's cloud kernel."""
FOLDERS = ("bin", "dev", "lower", "modules", "own", "proc", "root")


def build(root: Path, init: Path, target: Path) -> None:
    """Write the RAM disk for the kernel of the image in `root` to `target`."""
    release = next((root / "usr/lib/modules").iterdir())
    archive = b"".join(_entry(name, stat.S_IFDIR | 0o755, b"") for name in FOLDERS)
    archive += _entry("bin/busybox", stat.S_IFREG | 0o755, (root / "usr/bin/busybox").read_bytes())
    archive += _entry("init", stat.S_IFREG | 0o755, init.read_bytes())
    loaded = []
    for name in MODULES:
        found = sorted(release.glob(f"kernel/**/{name}.ko*"))
        if found:
            loaded.append(f"{name}.ko")
            archive += _entry(f"modules/{name}.ko", stat.S_IFREG | 0o644, _unpacked(found[0]))
    archive += _entry("modules/order", stat.S_IFREG | 0o644, "\n".join(loaded).encode())
    archive += _entry("TRAILER!!!", 0, b"")
    target.write_bytes(gzip.compress(archive, compresslevel=1))


def _unpacked(module: Path) -> bytes:
    return lzma.decompress(module.read_bytes()) if module.suffix == ".xz" else module.read_bytes()


def _entry(name: str, mode: int, content: bytes) -> bytes:
    """Return one member: 13 numbers of eight hexadecimal digits, name and content padded to four bytes."""
    numbers = (0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    header = b"070701" + b"".join(b"%08X" % number for number in numbers) + name.encode() + b"\0"
    return _padded(header) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
