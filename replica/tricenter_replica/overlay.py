"""What a machine's root has on top of the golden image: written to a folder, and mounted for containers."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from .files import File
from .image import Image
from .state import MachineFolder

LOCKS = Path("/run/systemd/nspawn/locks")
"""systemd-nspawn leaves here a file for each root that it ran, named after device and inode."""


def write(upper: Path, content: Mapping[str, File], image: Path) -> None:
    """Write files to an upper layer; its folders get the modes that they have in the image, which they hide."""
    upper.mkdir(parents=True)
    for path, file in content.items():
        target = upper / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch(mode=0o600)
        target.write_text(file.content)
        target.chmod(file.mode)
    for folder in (upper, *upper.rglob("*")):
        original = image / folder.relative_to(upper)
        if folder.is_dir() and original.is_dir():
            facts = original.stat()
            os.chown(folder, facts.st_uid, facts.st_gid)
            folder.chmod(facts.st_mode & 0o7777)


def mount(folder: MachineFolder, image: Image) -> None:
    """Mount the golden image with the machine's own files on top."""
    for path in (folder.upper, folder.work, folder.root):
        path.mkdir(parents=True, exist_ok=True)
    if not os.path.ismount(folder.root):
        layers = f"lowerdir={image.rootfs},upperdir={folder.upper},workdir={folder.work}"
        subprocess.run(["mount", "-t", "overlay", "-o", layers, "overlay", str(folder.root)], check=True)


def unmount(folder: MachineFolder) -> None:
    """Unmount the machine's root and remove systemd-nspawn's lock of it."""
    while os.path.ismount(folder.root):
        facts = folder.root.stat()
        (LOCKS / f"inode-{facts.st_dev}:{facts.st_ino}").unlink(missing_ok=True)
        subprocess.run(["umount", "--lazy", str(folder.root)], check=True)
