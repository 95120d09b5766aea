#!/usr/bin/env python3
"""Builds the base images of images.yml into one OCI layout, cached by the content of this folder.

    build.py STATE

writes STATE/images-oci/HASH, points STATE/images-oci/current at it and prints "built" or "cached".

Security updates of Debian do not change the hash: remove STATE/images-oci to build with today's packages.
"""

import argparse
import hashlib
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml
from debs import Archive, Deb
from layers import Layer
from layout import LayerBlob, Layout

HERE = Path(__file__).resolve().parent


def content_hash() -> str:
    """A digest over everything here that shapes the result."""
    digest = hashlib.sha256()
    for file in sorted(path for path in HERE.rglob("*") if path.suffix != ".pyc" and path.is_file()):
        digest.update(f"{file.relative_to(HERE)}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def fill(layer: Layer, definition: dict[str, Any], archive: Archive) -> list[Deb]:
    """Put the files of a definition into a layer and return the packages they came from."""
    packages = definition.get("packages", [])
    debs = archive.closure(packages, definition.get("without", [])) if packages else []
    if "files" in definition:
        layer.add_folder(HERE / definition["files"])
    for deb in debs:
        with archive.open(deb) as tar:
            layer.add_tar(tar)
    for path, mode in definition.get("directories", {}).items():
        layer.add_directory(path, int(mode, 8))
    for path, target in definition.get("links", {}).items():
        layer.add_link(path, target)
    return debs


def add_applets(layer: Layer, busybox: str) -> None:
    """Link every applet of busybox; the binary itself knows their names."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "busybox")
        program.write_bytes(layer.content(busybox))
        program.chmod(stat.S_IRWXU)
        names = subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout.split()
    for name in names:
        layer.add_link(f"usr/bin/{name}", "busybox")


def tags(image: dict[str, Any], debs: list[Deb]) -> list[str]:
    """The tags of an image: those given, and minor and patch level of the package that ``version_of`` names."""
    found = list(image["tags"])
    for version in (deb.version for deb in debs if deb.name == image.get("version_of")):
        parts = version.split(".")
        found += [".".join(parts[:2]), version]
    return list(dict.fromkeys(found))


def build(root: Path, archive: Archive, definitions: dict[str, Any]) -> None:
    """Build all images into the empty folder ``root``."""
    layout = Layout(root)
    archive.update()
    layer = Layer(exclude=definitions["exclude_paths"])
    layer.add_merged_usr()
    base_debs = fill(layer, definitions["base"], archive)
    add_applets(layer, definitions["base"]["applets"])
    base = layout.add_layer(layer.tar())
    for image in definitions["images"]:
        layers: list[LayerBlob] = [base]
        debs = list(base_debs)
        if "packages" in image:
            layer = Layer(exclude=definitions["exclude_paths"])
            debs += fill(layer, image, archive)
            layers.append(layout.add_layer(layer.tar()))
        references = [f"library/{image['name']}:{tag}" for tag in tags(image, debs)]
        layout.add_image(references, layers, image["config"])
    layout.close()


def main() -> None:
    """Build what is missing and print what was done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("state", type=Path, help="state folder of the control host, such as /var/lib/tricenter")
    store = parser.parse_args().state / "images-oci"
    target = store / content_hash()
    current = store / "current"
    if target.is_dir() and current.is_symlink() and current.readlink() == Path(target.name):
        print("cached", target)
        return
    if not target.is_dir():
        store.mkdir(parents=True, exist_ok=True)
        definitions = yaml.safe_load((HERE / "images.yml").read_text())
        names = ("suite", "mirror", "security_mirror")
        # an interrupted build leaves only a folder that no name refers to, removed by the next one
        for leftover in store.glob(".build-*"):
            shutil.rmtree(leftover)
        work = Path(tempfile.mkdtemp(prefix=".build-", dir=store))
        archive = Archive(work / "apt", **{name: definitions[name] for name in names})
        build(work / "layout", archive, definitions)
        (work / "layout").rename(target)
        shutil.rmtree(work)
    link = store / ".current"
    link.unlink(missing_ok=True)
    link.symlink_to(target.name)
    link.rename(current)
    print("built", target)


if __name__ == "__main__":
    main()
