"""The golden image: Debian packages that the roles install and the agents' dependencies, built once for each content.

An image lies in `images/<key>/`: `rootfs` for containers, and for virtual machines `root.ext4`, `vmlinuz` and
`initrd`. It is built beside (see `bake`) and renamed when it is complete.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from . import bake, initrd
from .state import State

GIVEN = "TRICENTER_IMAGE"
"""Environment variable with the folder of an image that another replica has built."""
KEPT = 2
"""Images kept: the current one and the one before, for going back to another branch."""


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
        parts = [self.kernel, self.requirements, *self.packages, *(f"{n}\0{t}" for n, t in self.scripts)]
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
    """Return the Debian packages that roles list: what ends in `_packages` and is written out as a list."""
    found: set[str] = set()
    for role in roles:
        for variables in (role / "vars/main.yml", role / "defaults/main.yml"):
            content = (yaml.safe_load(variables.read_text()) if variables.is_file() else None) or {}
            for name, value in content.items():
                if name.endswith("_packages") and isinstance(value, list):
                    found.update(value)
    return found


def recipe(checkout: Path, *, virtual: bool) -> Recipe:
    """Return what the image of this checkout is made of."""
    own = yaml.safe_load((checkout / "replica/packages.yml").read_text())
    packages = role_packages(sorted((checkout / "roles").glob("*"))) | {
        *own["machine"],
        *own["tools"],
        *own.get("fallback", ()),
    }
    scripts = [*sorted((checkout / "replica/image").iterdir()), Path(initrd.__file__), Path(bake.__file__)]
    return Recipe(
        packages=tuple(sorted(packages | set(own["virtual"] if virtual else ()))),
        requirements=(checkout / "requirements/agents.txt").read_text(),
        kernel=own["kernel"] if virtual else "",
        scripts=tuple((script.name, script.read_text()) for script in scripts),
    )


def find(state: State, wanted: Recipe) -> Image | None:
    """Return the image made by `wanted`, None if it has to be built; TRICENTER_IMAGE names one to take as it is."""
    if given := os.environ.get(GIVEN):
        return Image(Path(given).resolve(strict=True))
    path = state.images / wanted.key
    return Image(path) if path.is_dir() else None


def build(state: State, checkout: Path, wanted: Recipe, report: Callable[[str], None]) -> Image:
    """Build the image made by `wanted`; bake.BakeError says which step failed."""
    partial = state.images / f".{wanted.key}.partial"
    _remove(partial)
    partial.mkdir(parents=True)
    report(f"{len(wanted.packages)} Debian packages and the agents' dependencies")
    bake.wheels(checkout, partial)
    bake.bootstrap(checkout, partial, wanted.packages, wanted.kernel)
    if wanted.kernel:
        report("kernel, initial RAM disk and root disk of the virtual machines")
        bake.for_virtual(checkout, partial)
    shutil.rmtree(partial / "wheels")
    partial.rename(state.images / wanted.key)
    return Image(state.images / wanted.key)


def use(state: State, current: Image) -> None:
    """Make `image` lead to the current image; remove what interrupted builds left and all but the youngest others."""
    if GIVEN in os.environ:
        return
    fresh = state.path / ".image.new"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(Path("images", current.key))
    fresh.rename(state.image)
    for entry in state.images.glob(".*.partial"):
        _remove(entry)
    others = [entry for entry in state.images.iterdir() if entry.name != current.key]
    others.sort(key=lambda entry: entry.stat().st_mtime, reverse=True)
    for entry in others[KEPT - 1 :]:
        _remove(entry)


def _remove(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)
