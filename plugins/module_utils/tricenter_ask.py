"""What a command on the machine prints, for modules that decide by it.

`AnsibleModule.run_command` waits a second at a time for output, and takes a command as done when a wait brought nothing
and the command has ended. Where it printed and ended right after such a wait, its output is lost, with exit status 0.
An emulated machine on a busy host, where starting a program takes seconds, meets that: no package was installed there.
"""

from __future__ import annotations

import os
import subprocess

from ansible.module_utils.basic import AnsibleModule


def ask(module: AnsibleModule, command: list[str], accepted: tuple[int, ...] = (0,)) -> str:
    """The output of a command that changes nothing; fails the module where it ends with another status."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    except OSError as error:
        module.fail_json(msg=f"{command[0]}: {error.strerror}")
    if done.returncode not in accepted:
        module.fail_json(msg=f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}", rc=done.returncode)
    return done.stdout
