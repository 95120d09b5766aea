"""A machine as a QEMU virtual machine: Debian's cloud kernel on the golden image, for what the host's kernel lacks.

Its root is an overlay, made by `image/init.sh`, of the image's read-only disk and its own small disk.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import cgroups, overlay, process, wiring
from .files import File
from .image import Image
from .network import NAMESPACES
from .process import Process
from .state import MachineFolder, State, read_json, write_json

DISK_SIZE = "4G"
"""Size of the machine's own disk; a sparse file."""
MEMORY_MB = 512
WORDS = "console=ttyS0 quiet loglevel=4 panic=1 mitigations=off audit=0 systemd.show_status=no"
"""Kernel command line of every virtual machine."""
CPUS = {"kvm": "host", "tcg": "max,cx16=off,erms=off,fsrm=off"}
"""Processor by accelerator. With QEMU 7.2 an emulated CMPXCHG16B now and then leaves wrong flags, and Linux dies of a
double fault in its allocator. Without the instruction it uses another way. Where a processor says that REP MOVSB is
fast, Linux and glibc clear and copy memory with it; emulated, it is a turn of a loop for each byte."""
PROBE_SECONDS = 15.0
"""KVM boots in one; where it hangs (nested without support), this is the price, once per boot of the host."""


def make_disk(disk: Path, content: Mapping[str, File], image: Image) -> None:
    """Make a machine's own disk: an upper layer with its files."""
    source = disk.with_suffix(".d")
    if source.exists():
        shutil.rmtree(source)
    overlay.write(source / "upper", content, image.rootfs)
    (source / "work").mkdir()
    options = ["-q", "-t", "ext4", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1"]
    disk.unlink(missing_ok=True)
    subprocess.run(["mke2fs", *options, "-d", str(source), str(disk), DISK_SIZE], check=True, capture_output=True)
    shutil.rmtree(source)


def command(
    image: Image, disk: Path, *, namespace: str, macs: Sequence[str], memory_mb: int, accelerator: str, words: str = ""
) -> list[str]:
    """Return the command of a machine with an interface for each of `macs`, on tap0, tap1, … in `namespace`."""
    line = [
        *("nsenter", f"--net={NAMESPACES / namespace}"),
        *_base(image, accelerator, memory_mb, f"{WORDS} {words}".strip()),
    ]
    disks = ((image.disk, "readonly=on,file.locking=off"), (disk, "readonly=off"))
    for index, (path, options) in enumerate(disks):
        line += ["-drive", f"file={path},format=raw,if=none,id=disk{index},{options}"]
        line += ["-device", f"virtio-blk-pci,drive=disk{index}"]
    for index, mac in enumerate(macs):
        line += ["-netdev", f"tap,id=net{index},ifname=tap{index},script=no,downscript=no"]
        line += ["-device", f"virtio-net-pci,netdev=net{index},mac={mac},romfile="]
    return line


def start(folder: MachineFolder, name: str, line: Sequence[str]) -> Process:
    """Start a machine with its console in a file."""
    whole = [*cgroups.scope(name), *line, "-name", wiring.namespace(name)]
    log = folder.path / "qemu.log"
    return process.spawn(whole, record=folder.process, log=log, environment={}, before=cgroups.prepare(name))


def accelerator(state: State, image: Image) -> str:
    """Return `kvm` if it boots here, `tcg` otherwise; tried once for each boot of the host."""
    if not Path("/dev/kvm").exists():
        return "tcg"
    record = state.path / "accelerator.json"
    asked = {"boot": process.BOOT_ID.read_text().strip()}
    known = read_json(record)
    if known and known.get("boot") == asked["boot"]:
        return str(known["accelerator"])
    answer = "kvm" if _boots(image) else "tcg"
    write_json(record, {**asked, "accelerator": answer})
    return answer


def _boots(image: Image) -> bool:
    words = "console=ttyS0 panic=-1 tricenter.probe"
    line = [*_base(image, "kvm", 128, words), "-no-reboot", "-serial", "stdio"]
    try:
        result = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, timeout=PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False
    return result.returncode == 0 and b"tricenter: booted" in result.stdout


def _base(image: Image, accelerator: str, memory_mb: int, words: str) -> list[str]:
    accel, processor = "tcg,tb-size=64" if accelerator == "tcg" else accelerator, CPUS[accelerator]
    return [
        *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35"),
        *("-accel", accel, "-cpu", processor, "-smp", "1", "-m", f"{memory_mb}M"),
        *("-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", words),
    ]
