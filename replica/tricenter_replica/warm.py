"""Start virtual machines from the memory of one that has booted, where booting is slow (TCG: 25 s of a core).

One machine without identity boots once for each image and waits on its second serial port; QEMU then writes its memory
to a file (docs/devel/migration in QEMU). A new machine starts from that memory and from a copy of the disk, and gets
its name, addresses and keys from a third disk, a tar archive that `IDENTITY` unpacks, and the time from its own clock.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from . import network, process, vm, wiring
from .files import GENERATORS, File
from .image import Image
from .plan import Machine
from .wiring import Tap, Wiring

NAMESPACE = wiring.namespace("warm")
INTERFACES = 2
"""Interfaces of the machine that is kept: management and rack."""
MACS = tuple(f"02:00:00:00:00:0{index}" for index in range(INTERFACES))
IDENTITY_DISK = "identity.tar"
IDENTITY_BYTES = 1 << 20
"""Size of the third disk; it has to be the same before and after."""
BOOT_SECONDS = 600.0
"""As long as any emulated machine may take (`machines.READY_WITHIN`): a host full of other work took more than 120."""
BANDWIDTH = 1 << 40
"""Bytes a second: QEMU would spare a network that is not there."""
WAITING = b"tricenter: waits for its identity"
WORD = "become"
"""Comes over the second serial port once the third disk is there."""
CLOCK = "/sys/class/rtc/rtc0/since_epoch"
SCRIPT = "run/tricenter-identity.sh"

IDENTITY = f"""\
#!/bin/sh
# Becomes the machine that the third disk describes, at the word that comes over the second serial port.
stty -F /dev/ttyS1 raw -echo
# What follows then needs no disk and no waiting.
udevadm settle
cat /usr/sbin/sshd /usr/lib/openssh/* /usr/bin/networkctl /usr/bin/tar /usr/bin/ip > /dev/null
# Nor do Ansible's first task and the first start of an agent, which read a third of their time.
find /usr/lib/python3* /opt/tricenter/venv/lib -name '*.pyc' -exec cat {{}} + > /dev/null
find /opt/tricenter/venv/lib -name '*.so' -exec cat {{}} + > /dev/null
sync
echo "{WAITING.decode()}" > /dev/console
# The first byte may be lost while the port wakes up: the word is preceded by an empty line.
while read -r word; do [ "$word" != {WORD} ] || break; done < /dev/ttyS1
# The memory's time is that of the day when it was kept; the clock of the board is the host's. It counts seconds, and
# on a busy host a second or more passes before it is set: again, until it was set within the second that was read.
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  read -r now < {CLOCK}
  date --set "@$now" > /dev/null
  read -r after < {CLOCK}
  [ "$now" != "$after" ] || break
done
tar --extract --file /dev/vdc --directory /
. /{SCRIPT}
echo "tricenter: is $(hostname)" > /dev/console
"""
UNIT = """\
[Unit]
Description=Wait for the identity of a machine
ConditionKernelCommandLine=tricenter.warm
After=ssh.service systemd-networkd.service systemd-udevd.service

[Service]
ExecStart=/usr/local/sbin/tricenter-identity
"""
FILES = {
    "usr/local/sbin/tricenter-identity": File(IDENTITY, 0o755),
    "etc/systemd/system/tricenter-identity.service": File(UNIT),
    "etc/systemd/system/multi-user.target.d/10-tricenter.conf": File("[Unit]\nWants=tricenter-identity.service\n"),
    "etc/systemd/system/ssh.service.d/10-tricenter.conf": File(
        "[Unit]\nConditionPathExists=/etc/ssh/ssh_host_ed25519_key\n"
    ),
    **{f"etc/systemd/system-generators/{name}": File("") for name in GENERATORS},
    "etc/machine-id": File("0" * 31 + "1\n", 0o444),
    "etc/hostname": File("warm\n"),
}


class WarmError(Exception):
    """The machine to keep did not boot; the text is the end of its console."""


@dataclass(frozen=True)
class Warm:
    """Memory and disk of the machine that has booted."""

    path: Path

    @property
    def memory(self) -> Path:
        """QEMU's migration stream."""
        return self.path / "memory"

    @property
    def disk(self) -> Path:
        """The machine's own disk at that moment."""
        return self.path / "disk.ext4"


def fits(machine: Machine) -> bool:
    """Whether a machine has as many interfaces as the one that is kept."""
    return len(machine.interfaces) == INTERFACES


def get(image: Image) -> Warm:
    """Return the machine kept for `image` and this QEMU; it boots now if there is none."""
    found = kept(image)
    if not found.path.is_dir():
        partial = Warm(image.path / ".warm.partial")
        if partial.path.exists():
            shutil.rmtree(partial.path)
        partial.path.mkdir()
        _keep(partial, image)
        partial.path.rename(found.path)
    return found


def kept(image: Image) -> Warm:
    """Return where the machine kept for `image` and this QEMU is, or would be."""
    return Warm(image.path / f"warm-{_key()}")


def _key() -> str:
    """Changes with what the memory depends on beside the image: QEMU and what is asked of it."""
    version = subprocess.run(["qemu-system-x86_64", "--version"], check=True, capture_output=True, text=True).stdout
    return hashlib.sha256(repr((version, vm.WORDS, vm.CPUS, vm.MEMORY_MB, FILES)).encode()).hexdigest()[:8]


def identity(machine: Machine, content: Mapping[str, File]) -> bytes:
    """Return the third disk of `machine`: its files and the commands that make them count."""
    commands = [
        f"ip link set eth{index} down; ip link set eth{index} name {interface.name} address {interface.mac}"
        for index, interface in enumerate(machine.interfaces)
    ]
    commands += [
        "hostname --file /etc/hostname",
        f"echo {os.urandom(32).hex()} > /dev/urandom",
        "networkctl reload",
        # The journal lies in a folder of the machine's id.
        "rm -r /var/log/journal/*; systemctl --no-block restart systemd-journald.service",
        "systemctl --no-block start ssh.service",
        "sync",
    ]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, file in {**content, SCRIPT: File("\n".join(commands) + "\n")}.items():
            member = tarfile.TarInfo(path)
            member.mode = file.mode
            member.size = len(file.content.encode())
            archive.addfile(member, io.BytesIO(file.content.encode()))
    return buffer.getvalue().ljust(IDENTITY_BYTES, b"\0")


def start_options(folder: Path, warm: Warm) -> list[str]:
    """Return QEMU's options that start from the memory of `warm`; the word is written to `folder`."""
    word = folder / "word"
    word.with_suffix(".in").write_text(f"\n\n{WORD}\n")
    word.with_suffix(".out").touch()
    return [
        *("-chardev", f"pipe,id=word,path={word}", "-serial", "chardev:word"),
        *("-incoming", f"exec:cat {warm.memory}"),
    ]


def command(  # noqa: PLR0917 -- no two are alike
    image: Image, disk: Path, folder: Path, namespace: str, macs: Sequence[str], words: str = ""
) -> list[str]:
    """Return QEMU's command with the third disk; what is kept and what starts from it have to be alike."""
    line = vm.command(
        image, disk, namespace=namespace, macs=macs, memory_mb=vm.MEMORY_MB, accelerator="tcg", words=words
    )
    drive = f"file={folder / IDENTITY_DISK},format=raw,if=none,id=identity"
    return [*line, "-drive", drive, "-device", "virtio-blk-pci,drive=identity"]


def copy_disk(warm: Warm, target: Path) -> None:
    """Copy the disk without the holes that most of it is."""
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", str(warm.disk), str(target)], check=True)


def _keep(partial: Warm, image: Image) -> None:
    folder = partial.path
    (folder / IDENTITY_DISK).write_bytes(b"\0" * IDENTITY_BYTES)
    vm.make_disk(partial.disk, FILES, image)
    taps = tuple(Tap(namespace=NAMESPACE, name=f"tap{n}", bridge="br0") for n in range(INTERFACES))
    network.Network(Wiring(namespaces=(NAMESPACE,), bridges=((NAMESPACE, "br0"),), pairs=(), taps=taps)).apply()
    console, monitor = folder / "console.log", folder / "monitor"
    words = "net.ifnames=0 tricenter.warm"
    line = [
        *command(image, partial.disk, folder, NAMESPACE, MACS, words),
        *("-serial", f"file:{console}", "-chardev", "null,id=word", "-serial", "chardev:word"),
        *("-qmp", f"unix:{monitor},server=on,wait=off"),
    ]
    quiet = subprocess.DEVNULL
    dies = process.dies_with_parent
    with subprocess.Popen(line, stdin=quiet, stdout=quiet, cwd="/", preexec_fn=dies) as qemu:  # noqa: PLW1509 -- no threads
        try:
            _wait(console, qemu)
            _save(monitor, partial.memory)
            qemu.wait(timeout=60)
        finally:
            qemu.kill()
            network.delete(NAMESPACE)


def _wait(console: Path, qemu: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + BOOT_SECONDS
    while not console.exists() or WAITING not in console.read_bytes():
        if qemu.poll() is not None or time.monotonic() > until:
            text = console.read_text(errors="replace") if console.exists() else ""
            raise WarmError(f"the virtual machine of the image does not boot:\n{text[-2000:]}")
        time.sleep(0.2)
    time.sleep(1.0)  # what the last units print and write


def _save(monitor: Path, memory: Path) -> None:
    """Write the memory and end QEMU (QMP); what was running goes on when the memory is read."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(monitor))
        with connection.makefile("rw") as stream:
            stream.readline()
            _execute(stream, "qmp_capabilities")
            _execute(stream, "migrate-set-parameters", **{"max-bandwidth": BANDWIDTH})
            _execute(stream, "migrate", uri=f"exec:cat > {memory}")
            while (status := _execute(stream, "query-migrate").get("status")) != "completed":
                if status in ("failed", "cancelled"):
                    raise WarmError(f"QEMU did not write its memory: {status}")
                time.sleep(0.1)
            _execute(stream, "quit")


def _execute(stream: TextIO, name: str, **arguments: object) -> dict[str, Any]:
    stream.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
    stream.flush()
    while line := stream.readline():
        answer = json.loads(line)
        if "error" in answer:
            raise WarmError(f"QEMU refused {name}: {answer['error']['desc']}")
        if "return" in answer:
            result: dict[str, Any] = answer["return"]
            return result
    raise WarmError(f"QEMU ended at {name}")
