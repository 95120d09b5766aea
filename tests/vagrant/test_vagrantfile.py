"""The Vagrantfile reads inventories/vagrant and nothing else: Vagrant itself accepts it and lists those machines."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(shutil.which("vagrant") is None, reason="vagrant is not installed")


def provider(folder: Path) -> Path:
    """A folder for PATH where Vagrant finds a provider.

    Debian has neither VirtualBox nor vagrant-libvirt for this release, and Vagrant names no machine without one. Of
    machines that were never made it asks VirtualBox for its version and nothing else.
    """
    program = folder / "VBoxManage"
    program.write_text('#!/bin/sh\n[ "$1" = --version ] && echo 7.0.20r163906\n')
    program.chmod(0o755)
    return folder


def vagrant(*arguments: str, home: Path) -> str:
    """Run Vagrant in the checkout with a home of its own; returns what it printed."""
    found = os.environ["PATH"] if shutil.which("VBoxManage") else f"{provider(home)}:{os.environ['PATH']}"
    environment = os.environ | {
        "PATH": found,
        "VAGRANT_HOME": str(home / "home"),
        "VAGRANT_DOTFILE_PATH": str(home / "machines"),
        "VAGRANT_CHECKPOINT_DISABLE": "1",
        "VAGRANT_DEFAULT_PROVIDER": "virtualbox",
    }
    done = subprocess.run(
        ["vagrant", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def inventory_hosts() -> set[str]:
    """The machines of inventories/vagrant, as Ansible sees them."""
    command = [str(Path(sys.executable).with_name("ansible-inventory")), "-i", "inventories/vagrant", "--list"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    return set(json.loads(listed.stdout)["_meta"]["hostvars"])


def test_vagrant_accepts_the_file(tmp_path: Path) -> None:
    assert "valid" in vagrant("validate", "--ignore-provider", home=tmp_path)


def test_vagrant_lists_the_machines_of_the_inventory(tmp_path: Path) -> None:
    lines = vagrant("status", "--machine-readable", home=tmp_path).splitlines()
    listed = {line.split(",")[1] for line in lines if ",state," in line}
    assert listed == inventory_hosts()
