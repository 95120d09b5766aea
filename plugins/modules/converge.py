#!/usr/bin/python
"""Brings packages, files and units of a role to their wanted state in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: converge
short_description: Packages, files and systemd units of a role in one task
description:
  - Installs what is missing of I(packages), then places I(files), then brings I(units) to their state, in this order.
  - One task for all of it, because with 25 machines on two cores a task costs more than what it does.
  - The action plugin of the same name runs on the control host. It renders I(template), reads I(src) and sends the
    content of a large file only to a machine where its checksum differs. It calls M(ansible.builtin.apt), which needs a
    second, only where dpkg says that something is missing; daemons of a package are not started by it (policy-rc.d).
  - A file is replaced atomically. Missing parent folders are created (root, 0755).
  - A unit is restarted where it was started before one of its files was changed. The comparison is made on the machine,
    so a run that was interrupted between writing a file and restarting is made good by the next one; a notified handler
    would be lost.
  - Supports check and diff mode, on a machine that has nothing installed too.
options:
  packages:
    description: Debian packages.
    type: list
    elements: str
    default: []
  owner:
    description: Owner of every file that does not name one.
    type: str
    default: root
  group:
    description: Group of every file that does not name one.
    type: str
    default: root
  mode:
    description: Mode of every file that does not name one. A directory without its own gets 0755.
    type: str
    default: "0644"
  files:
    description:
      - What to place. Keys of an entry are I(dest) and one of I(template), I(src), I(content), I(link) or I(state)
        (C(directory) or C(absent)), and optionally I(owner), I(group), I(mode), I(vars) (extra variables of the
        template), I(validate) (a command with C(%s) for the new file; the old one stays where it fails) and
        I(secret) (C(true) keeps the content out of diff mode; no content is ever logged).
    type: list
    elements: dict
    default: []
  units:
    description:
      - Units with their suffix (I(name)). I(state) is C(started), C(stopped) (and disabled) or C(refreshed), which
        restarts a unit that runs with older files and starts none, because something else decides to start it.
      - I(enabled) says whether it starts with the machine; not changed where it is left out.
      - I(files) are those that the unit reads at its start; its own file and its drop-ins always count. I(reload) are
        those that it reads again when it is reloaded; where only these changed, it is not restarted.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: BIRD
  converge:
    packages: [bird2]
    files:
      - {dest: /etc/bird/bird.conf, template: bird.conf.j2, validate: "bird -p -c %s"}
    units:
      - {name: bird.service, enabled: true, reload: [/etc/bird/bird.conf]}
"""

RETURN = r"""
missing:
  description: Packages that were not installed before.
  type: list
  elements: str
  returned: always
changed_files:
  description: What was changed (in check mode, would be).
  type: list
  elements: str
  returned: always
actions:
  description: What systemctl was asked to do.
  type: list
  elements: str
  returned: always
needed:
  description: Files whose content the machine lacks; the action plugin sends them in a second call.
  type: list
  elements: str
  returned: when not empty
"""

from typing import Any

from ansible.module_utils import tricenter_files, tricenter_units
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tricenter_ask import ask


def missing(module: AnsibleModule, names: list[str]) -> list[str]:
    """Packages that dpkg does not know as installed."""
    if not names:
        return []
    query = ["dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package}\n", *names]
    # dpkg-query exits with 1 where a package is unknown, and still prints the others.
    out = ask(module, query, accepted=(0, 1))
    installed = {
        name for status, _, name in (line.partition(" ") for line in out.splitlines()) if status == "installed"
    }
    return [name for name in names if name not in installed]


def main() -> None:
    """Entry point of the module."""
    files_spec = {"type": "list", "elements": "dict", "default": [], "options": tricenter_files.OPTIONS}
    units_spec = {"type": "list", "elements": "dict", "default": [], "options": tricenter_units.OPTIONS}
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "list", "elements": "str", "default": []},
            "files": files_spec,
            "units": units_spec,
        },
        supports_check_mode=True,
    )
    absent = missing(module, module.params["packages"])
    if absent and not module.check_mode:
        # apt belongs to the control host's half, which calls again.
        module.exit_json(changed=False, missing=absent)
    files = tricenter_files.Files(module)
    files.apply(module.params["files"])
    result: dict[str, Any] = {"missing": absent, "changed_files": files.changed, "actions": []}
    if files.needed:
        result["needed"] = files.needed
    else:
        result["actions"] = tricenter_units.apply(module, module.params["units"])
    if module._diff:
        result["diff"] = files.diff
    module.exit_json(changed=bool(absent or files.changed or result["actions"]), **result)


if __name__ == "__main__":
    main()
