"""Files, directories and links in their wanted state: the half of the module `converge` that writes."""

from __future__ import annotations

import base64
import grp
import hashlib
import os
import pwd
import shlex
import shutil
import stat
import tempfile
import zlib
from typing import Any

from ansible.module_utils.basic import AnsibleModule

# Larger files are compared by checksum only: their difference is of no use to a reader.
LARGEST_DIFF = 100_000

# What diff mode shows of a file with `secret: true`.
SECRET = b"(secret)\n"

OPTIONS = {
    "dest": {"type": "str", "required": True},
    "state": {"type": "str", "required": True},
    "owner": {"type": "str", "required": True},
    "group": {"type": "str", "required": True},
    "mode": {"type": "str", "required": True},
    "link": {"type": "str"},
    "checksum": {"type": "str"},
    # Keeps every content, keys among them, out of the machine's log and out of the result.
    "content": {"type": "str", "no_log": True},
    "validate": {"type": "str"},
    "secret": {"type": "bool", "default": False},
}


class Files:
    """Applies entries in their order and collects what changed."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.changed: list[str] = []
        self.needed: list[str] = []
        self.diff: list[dict[str, str]] = []

    def apply(self, entries: list[dict[str, Any]]) -> None:
        """Apply every entry."""
        handlers = {"file": self.file, "directory": self.directory, "link": self.link, "absent": self.absent}
        for entry in entries:
            handlers[entry["state"]](entry)

    def file(self, entry: dict[str, Any]) -> None:
        """A regular file with the given content."""
        dest = entry["dest"]
        before = read(dest)
        if before is not None and hashlib.sha256(before).hexdigest() == entry["checksum"]:
            self.attributes(entry)
            return
        if entry.get("content") is None:
            self.needed.append(dest)
            return
        content = zlib.decompress(base64.b64decode(entry["content"]))
        self.note(dest, *((None, SECRET) if entry["secret"] else (before, content)))
        if not self.module.check_mode:
            self.place(entry, content)

    def place(self, entry: dict[str, Any], content: bytes) -> None:
        """Write beside the old file, validate, take its place."""
        dest = entry["dest"]
        folder = os.path.dirname(dest)
        os.makedirs(folder, mode=0o755, exist_ok=True)
        if os.path.isdir(dest) and not os.path.islink(dest):
            self.module.fail_json(msg=f"{dest} is a directory, a file is wanted", changed_files=self.changed)
        handle, temporary = tempfile.mkstemp(prefix=".tricenter-", dir=folder)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
            os.chmod(temporary, int(entry["mode"], 8))
            os.chown(temporary, *self.owner(entry))
            self.validate(entry, temporary)
            os.replace(temporary, dest)
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)

    def validate(self, entry: dict[str, Any], path: str) -> None:
        """Run the entry's check on the new file; nothing is replaced where it fails."""
        if not entry.get("validate"):
            return
        command = [part.replace("%s", path) for part in shlex.split(entry["validate"])]
        code, out, err = self.module.run_command(command)
        if code != 0:
            self.module.fail_json(
                msg=f"{entry['dest']}: the new file is not valid, the old one stays: {(err or out).strip()}",
                changed_files=self.changed,
                cmd=command,
                rc=code,
            )

    def directory(self, entry: dict[str, Any]) -> None:
        """A directory; its content is left alone."""
        dest = entry["dest"]
        if not os.path.isdir(dest):
            self.note(dest, None, b"directory\n")
            if self.module.check_mode:
                return
            os.makedirs(dest, mode=0o755, exist_ok=True)
            os.chmod(dest, int(entry["mode"], 8))
            os.chown(dest, *self.owner(entry))
            return
        self.attributes(entry)

    def link(self, entry: dict[str, Any]) -> None:
        """A symbolic link."""
        dest, target = entry["dest"], entry["link"]
        before = os.readlink(dest) if os.path.islink(dest) else None
        if before == target:
            return
        self.note(dest, before.encode() if before else None, target.encode())
        if self.module.check_mode:
            return
        os.makedirs(os.path.dirname(dest), mode=0o755, exist_ok=True)
        temporary = tempfile.mktemp(prefix=".tricenter-", dir=os.path.dirname(dest))  # noqa: S306 - symlink fails if taken
        os.symlink(target, temporary)
        os.replace(temporary, dest)

    def absent(self, entry: dict[str, Any]) -> None:
        """Nothing at this path."""
        dest = entry["dest"]
        if not os.path.lexists(dest):
            return
        self.note(dest, read(dest), None)
        if self.module.check_mode:
            return
        if os.path.isdir(dest) and not os.path.islink(dest):
            shutil.rmtree(dest)
        else:
            os.unlink(dest)

    def attributes(self, entry: dict[str, Any]) -> None:
        """Owner, group and mode of what is there already."""
        dest = entry["dest"]
        status = os.stat(dest)
        mode, (uid, gid) = int(entry["mode"], 8), self.owner(entry)
        if stat.S_IMODE(status.st_mode) == mode and (status.st_uid, status.st_gid) == (uid, gid):
            return
        self.changed.append(dest)
        if not self.module.check_mode:
            os.chown(dest, uid, gid)
            os.chmod(dest, mode)

    def owner(self, entry: dict[str, Any]) -> tuple[int, int]:
        """The numbers of owner and group; -1 in check mode where a package would bring them."""
        try:
            return pwd.getpwnam(entry["owner"]).pw_uid, grp.getgrnam(entry["group"]).gr_gid
        except KeyError as error:
            if self.module.check_mode:
                return -1, -1
            self.module.fail_json(msg=f"{entry['dest']}: {error.args[0]}", changed_files=self.changed)
            raise

    def note(self, dest: str, before: bytes | None, after: bytes | None) -> None:
        """Record a change and its difference."""
        self.changed.append(dest)
        self.diff.append(
            {"before_header": dest, "after_header": dest, "before": printable(before), "after": printable(after)}
        )


def read(path: str) -> bytes | None:
    """The content of a regular file, None where there is none."""
    if not os.path.isfile(path):
        return None
    with open(path, "rb") as stream:
        return stream.read()


def printable(content: bytes | None) -> str:
    """Text for diff mode."""
    if content is None:
        return ""
    if len(content) > LARGEST_DIFF or b"\0" in content:
        return f"({len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()})\n"
    return content.decode(errors="replace")
