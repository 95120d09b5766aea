"""The steps that make a golden image; a change of this file makes a new one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from . import initrd, process

SUITE = "trixie"
PYTHON = "3.13"
"""Python of the suite."""
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux1_x86_64")
SLACK = 1.15
"""How much larger than its files the read-only file system for virtual machines is."""


class BakeError(Exception):
    """A step failed; the text is its output."""


def wheels(checkout: Path, partial: Path) -> None:
    """Fetch the agents' dependencies for the machines' Python; the list is complete, so pip resolves nothing."""
    wheels = partial / "wheels"
    pip = (sys.executable, "-m", "pip")
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    target = ("--python-version", PYTHON, "--implementation", "cp", *platforms)
    wanted = ("--requirement", str(checkout / "requirements/agents.txt"))
    _run([*pip, "download", "--quiet", "--prefer-binary", "--no-deps", *target, *wanted, "--dest", str(wheels)])
    for source in wheels.glob("*.tar.gz"):
        # Published as source only: pure Python, so the wheel that this Python builds fits every Python.
        _run([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels), str(source)])
    foreign = [wheel.name for wheel in wheels.glob("*.whl") if not _fits(wheel.name)]
    if foreign:
        raise BakeError(f"no wheel for Python {PYTHON} on amd64 is published of: {', '.join(foreign)}")


def _fits(wheel: str) -> bool:
    python, abi, platform = wheel.removesuffix(".whl").split("-")[-3:]
    return platform == "any" or PYTHON.replace(".", "") in python or "abi3" in abi


def bootstrap(checkout: Path, partial: Path, packages: Sequence[str], kernel: str) -> None:
    """Install Debian and run image/customize.sh in it."""
    excludes = [
        f"--dpkgopt=path-{rule}"
        for rule in (
            *("exclude=/usr/share/man/*", "exclude=/usr/share/locale/*", "exclude=/usr/share/info/*"),
            *("exclude=/usr/share/doc/*", "include=/usr/share/doc/*/copyright"),
        )
    ]
    environment = {
        "WHEELS": str(partial / "wheels"),
        "REQUIREMENTS": str(checkout / "requirements/agents.txt"),
        "KERNEL": kernel,
    }
    _run(
        [
            *("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--architectures=amd64"),
            *('--aptopt=Apt::Install-Recommends "false"', '--aptopt=Acquire::Languages "none"', *excludes),
            f"--include={','.join(packages)}",
            f'--customize-hook={checkout / "replica/image/customize.sh"} "$1"',
            *(SUITE, str(partial / "rootfs")),
        ],
        environment,
    )


def for_virtual(checkout: Path, partial: Path) -> None:
    """Make what a virtual machine boots from the image's root."""
    root = partial / "rootfs"
    initrd.build(root, checkout / "replica/image/init.sh", partial / "initrd")
    shutil.copy(next((root / "boot").glob("vmlinuz-*")), partial / "vmlinuz")
    used = int(_run(["du", "--summarize", "--block-size=1M", str(root)]).split()[0])
    disk = partial / "root.ext4"
    options = ["-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-i", "8192"]
    _run(["mke2fs", *options, "-d", str(root), str(disk), f"{int(used * SLACK) + 64}M"])


def _run(command: list[str], environment: dict[str, str] | None = None) -> str:
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
        preexec_fn=process.dies_with_parent,
    )
    if result.returncode:
        raise BakeError(
            f"{command[0]} failed with {result.returncode}:\n{result.stderr[-4000:]}{result.stdout[-2000:]}"
        )
    return result.stdout
