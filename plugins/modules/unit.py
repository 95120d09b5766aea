#!/usr/bin/python
"""Keeps one systemd unit enabled and running with its present configuration."""

from __future__ import annotations

DOCUMENTATION = r"""
module: unit
short_description: A systemd unit that runs with its newest files
description:
  - Enables and starts a unit, and restarts it where it was started before one of I(files) was changed.
  - The comparison is made on the machine, so a run that was interrupted between writing a file and restarting
    is made good by the next one; a notified handler would be lost.
  - Asks systemd once; M(ansible.builtin.systemd_service) asks four times, which a slow virtual machine feels.
  - In check mode on a machine that lacks the unit reports a change.
options:
  name:
    description: The unit with its suffix.
    type: str
    required: true
  state:
    description:
      - C(started), or C(stopped) (and disabled).
      - C(refreshed) restarts a unit that runs with older files and starts none; something else decides to start it.
    type: str
    choices: [started, stopped, refreshed]
    default: started
  enabled:
    description: Whether it starts with the machine. Not changed where it is left out.
    type: bool
  files:
    description: Files that the unit reads at its start. The unit's own file and its drop-ins always count.
    type: list
    elements: path
    default: []
  reload:
    description: Files that the unit reads again when it is reloaded. Where only these changed, it is not restarted.
    type: list
    elements: path
    default: []
"""

EXAMPLES = r"""
- name: Run BIRD
  unit:
    name: bird.service
    enabled: true
    files: [/etc/bird/envvars]
    reload: [/etc/bird/bird.conf]
"""

RETURN = r"""
actions:
  description: The verbs of systemctl that were needed.
  type: list
  elements: str
  returned: always
"""

import datetime as dt
import os

from ansible.module_utils.basic import AnsibleModule

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


def show(module: AnsibleModule, name: str) -> dict[str, str]:
    """The unit's properties."""
    _, out, _ = module.run_command(
        ["systemctl", "show", "--timestamp=us+utc", "--property", ",".join(PROPERTIES), name]
    )
    return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)


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
    """True where the administrator's file takes the place of a package's and systemd has not read it yet.

    NeedDaemonReload tells of changes to the file that was read, not of another one that now stands before it.
    """
    own = os.path.join(ADMINISTRATOR, name)
    return os.path.exists(own) and properties.get("FragmentPath") != own


def newest(paths: list[str]) -> float:
    """The latest modification among the files that exist."""
    return max((os.stat(path).st_mtime for path in paths if path and os.path.exists(path)), default=0.0)


def needed(parameters: dict[str, object], properties: dict[str, str], files: list[str], reload: list[str]) -> list[str]:
    """The verbs that lead from the unit's state to the wanted one. Pure but for the files' times."""
    actions = []
    # A unit that waits for its next attempt after a failure does not run; a start shows why.
    running = properties.get("ActiveState") in RUNNING and properties.get("SubState") != "auto-restart"
    enabled = properties.get("UnitFileState") in ("enabled", "enabled-runtime", "static", "alias", "indirect")
    if properties.get("NeedDaemonReload") == "yes" or properties.get("LoadState") == "not-found":
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


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["started", "stopped", "refreshed"], "default": "started"},
            "enabled": {"type": "bool"},
            "files": {"type": "list", "elements": "path", "default": []},
            "reload": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    name = module.params["name"]
    properties = show(module, name)
    missing = properties.get("LoadState") == "not-found"
    if missing and module.params["state"] == "stopped":
        module.exit_json(changed=False, actions=[])
    if (missing or overridden(name, properties)) and not module.check_mode:
        module.run_command(["systemctl", "daemon-reload"])
        properties = show(module, name)
    own = [properties.get("FragmentPath", ""), *properties.get("DropInPaths", "").split()]
    actions = needed(module.params, properties, [*own, *module.params["files"]], module.params["reload"])
    if not module.check_mode:
        for action in actions:
            run(module, name, action)
    module.exit_json(changed=bool(actions), actions=actions)


def run(module: AnsibleModule, name: str, action: str) -> None:
    """One call of systemctl; where it fails, the unit's last lines say why."""
    command = ["systemctl", action] + ([] if action == "daemon-reload" else [name])
    # Debian's hook for init scripts that a package also ships reloads systemd twice more; it decides nothing here.
    code, _, err = module.run_command(command, environ_update={"SYSTEMCTL_SKIP_SYSV": "1"})
    if code != 0:
        _, journal, _ = module.run_command(["journalctl", "--no-pager", "--lines=20", "--output=cat", "--unit", name])
        module.fail_json(msg=f"systemctl {action} {name}: {err.strip()}", rc=code, journal=journal.splitlines())


if __name__ == "__main__":
    main()
