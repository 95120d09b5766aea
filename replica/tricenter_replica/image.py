"""The golden image: Debian packages that the roles install and the agents' dependencies, built once for each content.

An image lies in `images/<key>/`: `rootfs` for containers, and for virtual machines `root.ext4`, `vmlinuz` and
`initrd`. It is built beside and renamed when it is complete.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from . import initrd
from .state import State

SUITE = "trixie"
PYTHON = "3.13"
"""Python of the suite."""
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux1_x86_64")
SLACK = 1.15
"""How much larger than its files the read-only file system for virtual machines is."""
KEPT = 2
"""Images kept: the current one and the one before, for going back to another branch."""


class ImageError(Exception):
    """The image could not be built; the text is the output of the step that failed."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that determines an image's content."""

    packages: tuple[str, ...]
    requirements: str
    kernel: str
    """Package of the kernel for virtual machines, empty if there are none."""
    scripts: tuple[tuple[str, str], ...]
    """Name and text of what takes part in building."""

    @property
    def key(self) -> str:
        """Name of the image."""
        parts = [SUITE, PYTHON, self.kernel, self.requirements, *self.packages, *(f"{n}\0{t}" for n, t in self.scripts)]
        return hashlib.sha256("\0\0".join(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Image:
    """An image that is complete."""

    path: Path

    @property
    def key(self) -> str:
        """Name of the image's content."""
        return self.path.name

    @property
    def rootfs(self) -> Path:
        """Root of containers, read-only."""
        return self.path / "rootfs"

    @property
    def disk(self) -> Path:
        """Read-only root of virtual machines."""
        return self.path / "root.ext4"

    @property
    def kernel(self) -> Path:
        """Kernel of virtual machines."""
        return self.path / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """Initial RAM disk of virtual machines."""
        return self.path / "initrd"


def role_packages(roles: Iterable[Path]) -> set[str]:
    """Return the packages in the lists `__<role>_packages` of the roles' vars."""
    found: set[str] = set()
    for role in roles:
        variables = role / "vars" / "main.yml"
        if variables.is_file():
            content = yaml.safe_load(variables.read_text()) or {}
            found.update(content.get(f"__{role.name}_packages") or ())
    return found


def recipe(checkout: Path, *, virtual: bool) -> Recipe:
    """Return what the image of this checkout is made of."""
    own = yaml.safe_load((checkout / "replica/packages.yml").read_text())
    packages = role_packages(sorted((checkout / "roles").glob("*"))) | {*own["machine"], *own["tools"], *own.get("fallback", ())}
    scripts = [*sorted((checkout / "replica/image").iterdir()), Path(initrd.__file__), Path(__file__)]
    return Recipe(
        packages=tuple(sorted(packages | set(own["virtual"] if virtual else ()))),
        requirements=(checkout / "requirements/agents.txt").read_text(),
        kernel=own["kernel"] if virtual else "",
        scripts=tuple((script.name, script.read_text()) for script in scripts),
    )


def find(state: State, wanted: Recipe) -> Image | None:
    """Return the image made by `wanted`, None if it has to be built."""
    path = state.images / wanted.key
    return Image(path) if path.is_dir() else None


def build(state: State, checkout: Path, wanted: Recipe, report: Callable[[str], None]) -> Image:
    """Build the image made by `wanted`."""
    partial = state.images / f".{wanted.key}.partial"
    _remove(partial)
    partial.mkdir(parents=True)
    report(f"{len(wanted.packages)} Debian packages and the agents' dependencies")
    _wheels(checkout, partial)
    _bootstrap(checkout, partial, wanted)
    if wanted.kernel:
        report("kernel, initial RAM disk and root disk of the virtual machines")
        _for_virtual(checkout, partial)
    shutil.rmtree(partial / "wheels")
    partial.rename(state.images / wanted.key)
    return Image(state.images / wanted.key)


def prune(state: State, current: str, used: Iterable[str]) -> None:
    """Remove what an interrupted build left and images that no machine uses, but the youngest."""
    keep = {current, *used}
    for entry in state.images.glob(".*.partial"):
        _remove(entry)
    others = [entry for entry in state.images.iterdir() if entry.name not in keep]
    others.sort(key=lambda entry: entry.stat().st_mtime, reverse=True)
    for entry in others[KEPT - 1 :]:
        _remove(entry)


def _wheels(checkout: Path, partial: Path) -> None:
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
        raise ImageError(f"no wheel for Python {PYTHON} on amd64 is published of: {', '.join(foreign)}")


def _fits(wheel: str) -> bool:
    python, abi, platform = wheel.removesuffix(".whl").split("-")[-3:]
    return platform == "any" or PYTHON.replace(".", "") in python or "abi3" in abi


def _bootstrap(checkout: Path, partial: Path, wanted: Recipe) -> None:
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
        "KERNEL": wanted.kernel,
    }
    _run(
        [
            *("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--architectures=amd64"),
            *('--aptopt=Apt::Install-Recommends "false"', '--aptopt=Acquire::Languages "none"', *excludes),
            f"--include={','.join(wanted.packages)}",
            f"--customize-hook={checkout / 'replica/image/customize.sh'} \"$1\"",
            *(SUITE, str(partial / "rootfs")),
        ],
        environment,
    )


def _for_virtual(checkout: Path, partial: Path) -> None:
    root = partial / "rootfs"
    kernel = next((root / "boot").glob("vmlinuz-*"))
    initrd.build(root, checkout / "replica/image/init.sh", partial / "initrd")
    shutil.copy(kernel, partial / "vmlinuz")
    used = int(_run(["du", "--summarize", "--block-size=1M", str(root)]).split()[0])
    disk = partial / "root.ext4"
    options = ["-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-i", "8192"]
    _run(["mke2fs", *options, "-d", str(root), str(disk), f"{int(used * SLACK) + 64}M"])


def _run(command: list[str], environment: dict[str, str] | None = None) -> str:
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **(environment or {})}
    )
    if result.returncode:
        raise ImageError(f"{command[0]} failed with {result.returncode}:\n{result.stderr[-4000:]}{result.stdout[-2000:]}")
    return result.stdout


def _remove(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)
