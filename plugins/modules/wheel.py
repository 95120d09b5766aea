#!/usr/bin/python
"""Builds the agents' wheel on the control host when their source has changed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: wheel
short_description: The wheel of the agents, built once for each state of their source
description:
  - Hashes the source; builds with hatchling only where the hash beside I(dest) is another one.
options:
  source:
    description: Folder with pyproject.toml and src.
    type: path
    required: true
  dest:
    description: The wheel's file. Its source's hash stands beside it, with C(.source) appended.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Wheel of the agents
  wheel:
    source: "{{ playbook_dir }}/../agents"
    dest: /var/lib/tricenter/tricenter.whl
"""

RETURN = r"""
source_hash:
  description: Hash over what the wheel is made from.
  type: str
  returned: always
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator

from ansible.module_utils.basic import AnsibleModule

# Not part of what the wheel is made from: caches, tests, and what the build itself takes out of kubernetes-validate.
LEFT_OUT_FOLDERS = {"__pycache__", "tests", "dist", "build", ".hypothesis", ".pytest_cache", ".mypy_cache"}
LEFT_OUT_FILES = {"definitions.json", ".gitignore"}

# The earliest time that a zip archive can hold: equal sources give equal wheels.
EPOCH = "315532800"


def source_files(folder: str) -> Iterator[str]:
    """Every file that the wheel is made from, in a fixed order."""
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT_FOLDERS and not name.endswith(".egg-info"))
        for name in sorted(names):
            if name not in LEFT_OUT_FILES and not name.endswith(".pyc"):
                yield os.path.join(path, name)


def source_hash(folder: str) -> str:
    """Hash over names and contents."""
    digest = hashlib.sha256()
    for path in source_files(folder):
        digest.update(os.path.relpath(path, folder).encode() + b"\0")
        with open(path, "rb") as stream:
            digest.update(hashlib.sha256(stream.read()).digest())
    return digest.hexdigest()


def built_from(dest: str) -> str:
    """The hash of the source that the present wheel was built from, nothing where there is none."""
    if not os.path.exists(dest) or not os.path.exists(dest + ".source"):
        return ""
    with open(dest + ".source", encoding="ascii") as stream:
        return stream.read().strip()


def build(module: AnsibleModule, source: str, dest: str) -> None:
    """Build into a folder beside the wheel and move the result into its place."""
    os.makedirs(os.path.dirname(dest), exist_ok=True)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(dest)) as folder:
        code, out, err = module.run_command(
            [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
            cwd=source,
            environ_update={"SOURCE_DATE_EPOCH": EPOCH},
        )
        wheels = [name for name in os.listdir(folder) if name.endswith(".whl")]
        if code != 0 or len(wheels) != 1:
            module.fail_json(msg=f"hatchling built no wheel: {(err or out).strip()[-2000:]}", rc=code)
        os.replace(os.path.join(folder, wheels[0]), dest)


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={"source": {"type": "path", "required": True}, "dest": {"type": "path", "required": True}},
        supports_check_mode=True,
    )
    source, dest = os.path.abspath(module.params["source"]), module.params["dest"]
    wanted = source_hash(source)
    changed = built_from(dest) != wanted
    if changed and not module.check_mode:
        build(module, source, dest)
        with open(dest + ".source", "w", encoding="ascii") as stream:
            stream.write(wanted + "\n")
    module.exit_json(changed=changed, source_hash=wanted)


if __name__ == "__main__":
    main()
