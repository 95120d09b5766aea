"""A machine as a QEMU virtual machine: Debian's cloud kernel on the golden image, for what the host's kernel lacks.

Its root is an overlay, made by `image/init.sh`, of the image's read-only disk and its own small disk.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from . import cgroups, process
from .image import Image
from .network import NAMESPACES
from .process import Process
from .state import MachineFolder, State, read_json, write_json

DISK_SIZE = "4G"
"""Size of the machine's own disk; a sparse file."""
KERNEL_WORDS = "console=ttyS0 quiet loglevel=4 panic=1 mitigations=off systemd.show_status=no"
PROBE_SECONDS = 15.0
"""KVM boots in one; where it hangs (nested without support), this is the price, once per boot of the host."""


def make_disk(folder: MachineFolder) -> None:
    """Make the machine's own disk from its files."""
    folder.work.mkdir(exist_ok=True)
    source = folder.path / "disk"
    source.mkdir()
    folder.upper.rename(source / "upper")
    (source / "work").mkdir()
    options = ["-q", "-t", "ext4", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1"]
    folder.disk.unlink(missing_ok=True)
    subprocess.run(["mke2fs", *options, "-d", str(source), str(folder.disk), DISK_SIZE], check=True)
    shutil.rmtree(source)


def start(
    folder: MachineFolder,
    name: str,
    image: Image,
    *,
    namespace: str,
    macs: Sequence[str],
    memory_mb: int,
    accelerator: str,
    init: str = "",
) -> Process:
    """Boot the machine with one interface for each of `macs`, on tap0, tap1, … in `namespace`."""
    words = f"{KERNEL_WORDS} tricenter.init={init}" if init else KERNEL_WORDS
    disks = ((image.disk, "readonly=on,file.locking=off"), (folder.disk, "readonly=off"))
    command = [
        *("nsenter", f"--net={NAMESPACES / namespace}"),
        *_base(image, accelerator, memory_mb, words),
        *("-name", f"tri-{name}", "-serial", f"file:{folder.console}"),
    ]
    for index, (disk, options) in enumerate(disks):
        command += ["-drive", f"file={disk},format=raw,if=none,id=disk{index},{options}"]
        command += ["-device", f"virtio-blk-pci,drive=disk{index}"]
    for index, mac in enumerate(macs):
        command += ["-netdev", f"tap,id=net{index},ifname=tap{index},script=no,downscript=no"]
        command += ["-device", f"virtio-net-pci,netdev=net{index},mac={mac},romfile="]
    log = folder.path / "qemu.log"
    return process.spawn(command, record=folder.process, log=log, environment={}, before=cgroups.prepare(name))


def accelerator(state: State, image: Image) -> str:
    """Return `kvm` if it boots here, `tcg` otherwise; tried once for each boot of the host."""
    if not Path("/dev/kvm").exists():
        return "tcg"
    record = state.path / "accelerator.json"
    asked = {"boot": process.BOOT_ID.read_text().strip(), "image": image.key}
    known = read_json(record)
    if known and {key: known.get(key) for key in asked} == asked:
        return str(known["accelerator"])
    answer = "kvm" if _boots(image) else "tcg"
    write_json(record, {**asked, "accelerator": answer})
    return answer


def _boots(image: Image) -> bool:
    words = "console=ttyS0 panic=-1 tricenter.probe"
    command = [*_base(image, "kvm", 128, words), "-no-reboot", "-serial", "stdio"]
    try:
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PROBE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return result.returncode == 0 and b"tricenter: booted" in result.stdout


def _base(image: Image, accelerator: str, memory_mb: int, words: str) -> list[str]:
    accel = "tcg,tb-size=64" if accelerator == "tcg" else accelerator
    return [
        *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35"),
        *("-accel", accel, "-cpu", "max" if accelerator == "tcg" else "host", "-smp", "1", "-m", f"{memory_mb}M"),
        *("-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", words),
    ]
