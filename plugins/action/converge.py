"""Renders the files of a `converge` task on the control host and sends what a machine lacks; calls apt for packages."""

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


# 101: "action forbidden by policy", see invoke-rc.d(8).
POLICY_NO_START = 101

# A package list younger than this is good enough.
PACKAGE_LIST_SECONDS = 3600

Result = dict[str, Any]


class ActionModule(ActionBase):
    """The control host's half of the module `converge`."""

    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> Result:
        """Render and call the module; again after apt, and with the content of large files that differ."""
        super().run(tmp, task_vars)
        variables = task_vars or {}
        _, arguments = self.validate_argument_spec(
            argument_spec={
                "packages": {"type": "list", "elements": "str", "default": []},
                "owner": {"type": "str", "default": "root"},
                "group": {"type": "str", "default": "root"},
                "mode": {"type": "str", "default": "0644"},
                "files": {"type": "list", "elements": "dict", "default": []},
                "units": {"type": "list", "elements": "dict", "default": []},
            }
        )
        wanted = [self._entry(entry, arguments, variables) for entry in arguments["files"]]
        rest = {"files": [abridged(entry) for entry in wanted], "units": arguments["units"]}
        result = self._call({**rest, "packages": arguments["packages"]}, variables)
        if not result.get("failed") and result["missing"] and not self._task.check_mode:
            installed = self._install(result["missing"], variables)
            result = installed if installed.get("failed") else joined(result, self._call(rest, variables))
        if not result.get("failed") and (needed := result.pop("needed", [])):
            large = [entry for entry in wanted if entry["dest"] in needed]
            result = joined(result, self._call({**rest, "files": large}, variables))
        return result

    def _call(self, arguments: dict[str, Any], variables: dict[str, Any]) -> Result:
        return dict(self._execute_module(module_name="converge", module_args=arguments, task_vars=variables))

    def _install(self, packages: list[str], variables: dict[str, Any]) -> Result:
        options = {
            "name": packages,
            "state": "present",
            "install_recommends": False,
            "update_cache": True,
            "cache_valid_time": PACKAGE_LIST_SECONDS,
            "policy_rc_d": POLICY_NO_START,
            "lock_timeout": 120,
        }
        return dict(self._execute_module(module_name="ansible.builtin.apt", module_args=options, task_vars=variables))

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
        if self._task.check_mode and entry.get("src", "").startswith("/") and not pathlib.Path(entry["src"]).exists():
            return b""  # the control host makes it in the run that is not a check
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
        raise AnsibleActionFail(f"converge: unknown key {min(unknown)} in the entry of {entry.get('dest')}")
    if not str(entry.get("dest", "")).startswith("/"):
        raise AnsibleActionFail(f"converge: dest must be an absolute path, not {entry.get('dest')!r}")
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


def joined(first: Result, second: Result) -> Result:
    """What two calls of one task did together."""
    lists = {name: [*first.get(name, []), *second.get(name, [])] for name in ("missing", "changed_files", "diff")}
    return {**second, **lists, "changed": bool(second.get("changed") or any(lists.values()))}
