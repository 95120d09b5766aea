"""Renders the entries of a `files` task on the control host and sends what the machine lacks."""

from __future__ import annotations

import base64
import hashlib
import pathlib
import zlib
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template

# Content up to this size goes with the first call; of a larger file only the checksum does.
SENT_AT_ONCE = 32_768

# lstrip_blocks lets a template indent its blocks without indenting its output.
LAYOUT = {"trim_blocks": True, "lstrip_blocks": True}

# What a template prints as {{ ansible_managed }}; no date and no path, which would make a change of every run.
MANAGED = "Written by Ansible from the tricenter inventory; a change made here is overwritten."

COMMON = {"dest", "owner", "group", "mode", "vars", "validate", "secret"}
KINDS = {"template", "src", "content", "link", "state"}


class ActionModule(ActionBase):
    """The control host's half of the module `files`."""

    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Render, call the module, and once more with the content of large files that differ."""
        super().run(tmp, task_vars)
        variables = task_vars or {}
        _, arguments = self.validate_argument_spec(
            argument_spec={
                "owner": {"type": "str", "default": "root"},
                "group": {"type": "str", "default": "root"},
                "mode": {"type": "str", "default": "0644"},
                "files": {"type": "list", "elements": "dict", "required": True},
            }
        )
        wanted = [self._entry(entry, arguments, variables) for entry in arguments["files"]]
        result = self._call([abridged(entry) for entry in wanted], variables)
        needed = result.pop("needed", [])
        if needed and not result.get("failed"):
            second = self._call([entry for entry in wanted if entry["dest"] in needed], variables)
            second["changed_files"] = result.get("changed_files", []) + second.get("changed_files", [])
            second["changed"] = bool(second["changed_files"])
            second["diff"] = result.get("diff", []) + second.get("diff", [])
            result = second
        return result

    def _call(self, files: list[dict[str, Any]], variables: dict[str, Any]) -> dict[str, Any]:
        return dict(self._execute_module(module_name="files", module_args={"files": files}, task_vars=variables))

    def _entry(self, entry: dict[str, Any], defaults: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """An entry as the module wants it: state, attributes and, for a file, its content and checksum."""
        check(entry)
        state = entry.get("state", "link" if "link" in entry else "file")
        mode = entry.get("mode", "0755" if state == "directory" else defaults["mode"])
        wanted = {
            "dest": entry["dest"],
            "state": state,
            "owner": entry.get("owner", defaults["owner"]),
            "group": entry.get("group", defaults["group"]),
            "mode": f"{mode:04o}" if isinstance(mode, int) else mode,
        }
        if state == "link":
            wanted["link"] = entry["link"]
        if state == "file":
            content = self._content(entry, variables)
            wanted["checksum"] = hashlib.sha256(content).hexdigest()
            wanted["content"] = base64.b64encode(zlib.compress(content)).decode()
            wanted["validate"] = entry.get("validate")
            wanted["secret"] = entry.get("secret", False)
        return wanted

    def _content(self, entry: dict[str, Any], variables: dict[str, Any]) -> bytes:
        if "content" in entry:
            content = entry["content"]
            if not isinstance(content, str):
                raise AnsibleActionFail(f"{entry['dest']}: content must be text; use a filter such as to_nice_yaml")
            return content.encode()
        folder, name = ("templates", entry["template"]) if "template" in entry else ("files", entry["src"])
        try:
            source = self._find_needle(folder, name)
        except AnsibleError as error:
            raise AnsibleActionFail(f"{entry['dest']}: {error}") from error
        data = pathlib.Path(source).read_bytes()
        if "src" in entry:
            return data
        return self._rendered(data.decode(), source, entry, variables).encode()

    def _rendered(self, text: str, source: str, entry: dict[str, Any], variables: dict[str, Any]) -> str:
        """The template with the role's search path, the entry's variables and Ansible's own (ansible_managed)."""
        folders = [*variables.get("ansible_search_path", []), str(pathlib.Path(source).parent)]
        searchpath = [path for folder in folders for path in (f"{folder}/templates", folder)]
        available = {"ansible_managed": MANAGED, **variables, **entry.get("vars", {})}
        templar = self._templar.copy_with_new_env(searchpath=searchpath, available_variables=available)
        rendered = templar.template(trust_as_template(text), escape_backslashes=False, overrides=LAYOUT)
        return "" if rendered is None else str(rendered)


def check(entry: dict[str, Any]) -> None:
    """Refuse a typing error in an entry before anything is touched."""
    unknown = set(entry) - COMMON - KINDS
    if unknown:
        raise AnsibleActionFail(f"files: unknown key {min(unknown)} in the entry of {entry.get('dest')}")
    if not str(entry.get("dest", "")).startswith("/"):
        raise AnsibleActionFail(f"files: dest must be an absolute path, not {entry.get('dest')!r}")
    kinds = KINDS & set(entry)
    if len(kinds) != 1:
        raise AnsibleActionFail(f"{entry['dest']}: give exactly one of {', '.join(sorted(KINDS))}, not {sorted(kinds)}")
    if entry.get("state") not in (None, "directory", "absent"):
        raise AnsibleActionFail(f"{entry['dest']}: state is directory or absent, not {entry['state']!r}")


def abridged(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry without the content of a large file."""
    if len(entry.get("content", "")) <= SENT_AT_ONCE:
        return entry
    return {key: value for key, value in entry.items() if key != "content"}
