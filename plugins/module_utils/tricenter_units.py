"""systemd units that run with their newest files: the half of the module `converge` that starts and restarts."""

from __future__ import annotations

import datetime as dt
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tricenter_ask import ask

PROPERTIES = (
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "NeedDaemonReload",
    "FragmentPath",
    "DropInPaths",
    "InactiveExitTimestamp",
    "StateChangeTimestamp",
)

# Unit files here stand before those of packages; see systemd.unit(5).
ADMINISTRATOR = "/etc/systemd/system"

RUNNING = ("active", "reloading", "activating")


OPTIONS = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["started", "stopped", "refreshed"], "default": "started"},
    "enabled": {"type": "bool"},
    "files": {"type": "list", "elements": "path", "default": []},
    "reload": {"type": "list", "elements": "path", "default": []},
}


def apply(module: AnsibleModule, units: list[dict[str, Any]]) -> list[str]:
    """Bring the units to their wanted state in their order; returns what systemctl was (would be) asked to do."""
    found = show(module, [unit["name"] for unit in units])
    if not module.check_mode and any(overridden(unit["name"], found[unit["name"]]) for unit in units):
        module.run_command(["systemctl", "daemon-reload"])
        found = show(module, [unit["name"] for unit in units])
    done = []
    for unit in units:
        properties = found[unit["name"]]
        own = [properties.get("FragmentPath", ""), *properties.get("DropInPaths", "").split()]
        for action in needed(unit, properties, [*own, *unit["files"]], unit["reload"]):
            done.append(action if action == "daemon-reload" else f"{action} {unit['name']}")
            if not module.check_mode:
                run(module, unit["name"], action)
    return done


def show(module: AnsibleModule, names: list[str]) -> dict[str, dict[str, str]]:
    """The units' properties by name, with one question for all."""
    if not names:
        return {}
    out = ask(module, ["systemctl", "show", "--timestamp=us+utc", "--property", ",".join(PROPERTIES), *names])
    blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in out.split("\n\n")]
    return {name: blocks[index] if index < len(blocks) else {} for index, name in enumerate(names)}


def started_at(properties: dict[str, str]) -> float:
    """When the unit's present run began."""
    return wall_clock(properties.get("InactiveExitTimestamp", ""))


def reloaded_at(properties: dict[str, str]) -> float:
    """When the unit was last started or reloaded; a reload is a change of state and back."""
    return wall_clock(properties.get("StateChangeTimestamp", ""))


def wall_clock(timestamp: str) -> float:
    """A timestamp of systemd (Sun 2026-11-22 01:54:33.062831 UTC) in seconds, 0 where there is none.

    The wall clock of that moment, as in a file's modification time: a clock that is set later moves neither.
    """
    fields = timestamp.split()
    if len(fields) != 4:
        return 0.0
    moment = dt.datetime.strptime(f"{fields[1]} {fields[2]} +0000", "%Y-%m-%d %H:%M:%S.%f %z")
    return moment.timestamp()


def overridden(name: str, properties: dict[str, str]) -> bool:
    """True where the administrator's file takes the place of the one that systemd has read.

    NeedDaemonReload tells of changes to the file that was read, not of another one that now stands before it.
    """
    own = os.path.join(ADMINISTRATOR, name)
    return os.path.exists(own) and properties.get("FragmentPath") != own


def newest(paths: list[str]) -> float:
    """The latest modification among the files that exist."""
    return max((os.stat(path).st_mtime for path in paths if path and os.path.exists(path)), default=0.0)


def needed(parameters: dict[str, Any], properties: dict[str, str], files: list[str], reload: list[str]) -> list[str]:
    """The verbs that lead from the unit's state to the wanted one. Pure but for the files' times."""
    actions = []
    # A unit that waits for its next attempt after a failure does not run; a start shows why.
    running = properties.get("ActiveState") in RUNNING and properties.get("SubState") != "auto-restart"
    enabled = properties.get("UnitFileState") in ("enabled", "enabled-runtime", "static", "alias", "indirect")
    if parameters["state"] == "stopped" and properties.get("LoadState") == "not-found":
        return []
    # A unit that is not in memory is read from its files; one that is there has to be told of new ones.
    if properties.get("NeedDaemonReload") == "yes":
        actions.append("daemon-reload")
    if parameters["state"] == "stopped":
        actions += ["stop"] if running else []
        actions += ["disable"] if enabled and properties.get("UnitFileState") == "enabled" else []
        return actions
    if parameters["enabled"] and not enabled:
        actions.append("enable")
    if parameters["enabled"] is False and properties.get("UnitFileState") == "enabled":
        actions.append("disable")
    if not running:
        actions += ["start"] if parameters["state"] == "started" else []
    elif newest(files) > started_at(properties):
        actions.append("restart")
    elif newest(reload) > reloaded_at(properties):
        actions.append("reload")
    return actions


def run(module: AnsibleModule, name: str, action: str) -> None:
    """One call of systemctl; where it fails, the unit's last lines say why."""
    # Asked over the bus, systemd would read all its units again after a link was made that only the next boot follows.
    root = ["--root=/"] if action in ("enable", "disable") else []
    command = ["systemctl", *root, action] + ([] if action == "daemon-reload" else [name])
    # Debian's hook for init scripts that a package also ships decides nothing here.
    code, _, err = module.run_command(command, environ_update={"SYSTEMCTL_SKIP_SYSV": "1"})
    if code != 0:
        _, journal, _ = module.run_command(["journalctl", "--no-pager", "--lines=20", "--output=cat", "--unit", name])
        module.fail_json(msg=f"systemctl {action} {name}: {err.strip()}", rc=code, journal=journal.splitlines())
