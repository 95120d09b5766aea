#!/usr/bin/python
"""Brings the agents and what they import to a machine; the action plugin `agents` sends what is missing."""

from __future__ import annotations

DOCUMENTATION = r"""
module: agents
short_description: The agents' virtual environment
description:
  - Makes a virtual environment with the pinned I(requirements) and unpacks the agents' wheel into it.
  - An environment that holds every requirement in its version is kept, so a machine from the golden image needs
    nothing but the wheel. Of the wheel only files that differ are written; the compiled ones beside the others stay
    valid.
options:
  path:
    description: The virtual environment.
    type: path
    default: /opt/tricenter/venv
  requirements:
    description: A requirements file of the control host, every line pinned.
    type: path
    required: true
  wheel:
    description: The agents' wheel on the control host; see the module C(wheel).
    type: path
    required: true
  wheelhouse:
    description: Folder of the machine with wheels of the requirements, where it reaches no package index.
    type: path
"""

EXAMPLES = r"""
- name: Agents
  agents:
    requirements: "{{ playbook_dir }}/../requirements/agents.txt"
    wheel: /var/lib/tricenter/wheel/tricenter-0123.whl
"""

RETURN = r"""
updated:
  description: What was renewed, C(requirements) or C(wheel).
  type: list
  elements: str
  returned: always
"""

import base64
import configparser
import io
import os
import shutil
import tempfile
import zipfile

from ansible.module_utils.basic import AnsibleModule

WHEEL_STAMP = ".tricenter"
# Folder with a file for each package of the wheel, touched when that package changes: what an agent restarts for.
PACKAGE_STAMPS = ".tricenter.packages"
RECORD = ".tricenter.files"

SCRIPT = """#!{python}
import sys
from {module} import {function}
sys.exit({function}())
"""


class Environment:
    """The virtual environment on this machine."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.path = module.params["path"]

    def stamp(self, name: str) -> str:
        """What a stamp says, nothing where it is missing."""
        try:
            with open(os.path.join(self.path, name), encoding="utf-8") as stream:
                return stream.read().strip()
        except FileNotFoundError:
            return ""

    def write_stamp(self, name: str, text: str) -> None:
        """Write a stamp; the last step of what it stands for."""
        with open(os.path.join(self.path, name), "w", encoding="utf-8") as stream:
            stream.write(text + "\n")

    def satisfied(self, requirements: str) -> bool:
        """True where every pinned requirement is installed in its version."""
        wanted = {canonical(pin) for pin in pins(requirements)}
        folder = self.site_packages()
        present = os.listdir(folder) if folder else []
        suffix = ".dist-info"
        return wanted <= {canonical(name[: -len(suffix)].split("-")) for name in present if name.endswith(suffix)}

    def make(self, requirements: str) -> None:
        """An environment with the requirements; what it holds already stays."""
        if not os.path.exists(os.path.join(self.path, "bin/python")):
            self.run(["/usr/bin/python3", "-m", "venv", self.path])
        wheelhouse = self.module.params["wheelhouse"]
        source = ["--no-index", "--find-links", wheelhouse] if wheelhouse else []
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as stream:
            stream.write(requirements)
            stream.flush()
            pip = [os.path.join(self.path, "bin/python"), "-m", "pip", "install", "--disable-pip-version-check"]
            self.run([*pip, "--no-deps", "--only-binary", ":all:", *source, "--requirement", stream.name])

    def run(self, command: list[str]) -> str:
        """Run a command, fail with what it printed."""
        code, out, err = self.module.run_command(command)
        if code != 0:
            self.module.fail_json(msg=f"{' '.join(command[:4])}: {(err or out).strip()[-2000:]}", rc=code)
        return out

    def site_packages(self) -> str:
        """The folder that Python of this environment imports from; nothing where there is no environment."""
        library = os.path.join(self.path, "lib")
        versions = sorted(os.listdir(library)) if os.path.isdir(library) else []
        folders = [os.path.join(library, name, "site-packages") for name in versions if name.startswith("python3.")]
        return folders[-1] if folders else ""

    def unpack(self, content: bytes, checksum: str) -> None:
        """Replace the wheel's files by those of a new one, then write its commands."""
        root = self.site_packages()
        before = set(self.stamp(RECORD).splitlines())
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = {info.filename for info in archive.infolist() if not info.is_dir()}
            # Recorded before the first write: an interrupted run leaves no file that the next one does not know.
            self.write_stamp(RECORD, "\n".join(sorted(before | names)))
            changed = [name for name in sorted(names) if replace(os.path.join(root, name), archive.read(name))]
            self.commands(archive, names)
        removed = before - names
        for name in removed:
            remove(os.path.join(root, name))
        self.touch_packages({*changed, *removed})
        self.write_stamp(RECORD, "\n".join(sorted(names)))
        self.write_stamp(WHEEL_STAMP, checksum)

    def touch_packages(self, changed: set[str]) -> None:
        """Stamp every package below the top one that has a changed file; a file beside them stamps its own name."""
        folder = os.path.join(self.path, PACKAGE_STAMPS)
        os.makedirs(folder, exist_ok=True)
        parts = (name.split("/") for name in changed if ".dist-info/" not in name)
        for package in {part[1] for part in parts if len(part) > 1}:
            with open(os.path.join(folder, package), "w", encoding="utf-8"):
                pass

    def commands(self, archive: zipfile.ZipFile, names: set[str]) -> None:
        """The scripts that the wheel's entry points ask for."""
        for name in names:
            if not name.endswith(".dist-info/entry_points.txt"):
                continue
            parser = configparser.ConfigParser(delimiters=("=",))
            parser.read_string(archive.read(name).decode())
            for command, target in parser["console_scripts"].items():
                module, function = target.strip().split(":")
                text = SCRIPT.format(python=os.path.join(self.path, "bin/python"), module=module, function=function)
                script = os.path.join(self.path, "bin", command)
                replace(script, text.encode())
                os.chmod(script, 0o755)  # noqa: S103 - everybody may run it


def pins(requirements: str) -> list[list[str]]:
    """Name and version of every `name==version` line."""
    lines = (line.split("#")[0].strip() for line in requirements.splitlines())
    return [line.split("==") for line in lines if "==" in line]


def canonical(pin: list[str]) -> tuple[str, str]:
    """Name and version as packaging tools compare them."""
    name, version = pin[0], pin[1]
    return name.lower().replace("_", "-").replace(".", "-"), version


def replace(path: str, content: bytes) -> bool:
    """Write a file unless it has this content already, and say so; a reader sees the old one or the new one."""
    if os.path.isfile(path):
        with open(path, "rb") as stream:
            if stream.read() == content:
                return False
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "wb") as stream:
        stream.write(content)
    os.replace(path + ".new", path)
    return True


def remove(path: str) -> None:
    """Remove a file of an older wheel, and its folder with it when that was the last one."""
    if os.path.exists(path):
        os.unlink(path)
    folder = os.path.dirname(path)
    left = set(os.listdir(folder)) if os.path.isdir(folder) else set()
    if left <= {"__pycache__"}:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Entry point of the module; the action plugin fills in checksums and, when asked for, contents."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "default": "/opt/tricenter/venv"},
            "requirements": {"type": "str", "required": True},
            "wheel_checksum": {"type": "str", "required": True},
            "wheel_content": {"type": "str", "no_log": True},
            "wheelhouse": {"type": "path"},
        },
        supports_check_mode=True,
    )
    environment = Environment(module)
    parameters = module.params
    updated = []
    if not environment.satisfied(parameters["requirements"]):
        updated.append("requirements")
        if not module.check_mode:
            environment.make(parameters["requirements"])
    if environment.stamp(WHEEL_STAMP) != parameters["wheel_checksum"]:
        updated.append("wheel")
        if parameters["wheel_content"] and not module.check_mode:
            environment.unpack(base64.b64decode(parameters["wheel_content"]), parameters["wheel_checksum"])
    module.exit_json(changed=bool(updated), updated=updated)


if __name__ == "__main__":
    main()
