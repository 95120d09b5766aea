#!/usr/bin/python
"""Says which Debian packages are missing; the action plugin `packages` has apt install them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: packages
short_description: Debian packages that must be there
description:
  - Asks dpkg, in 10 ms, and calls M(ansible.builtin.apt), which needs a second, only where something is missing.
  - Daemons that a package brings are not started (policy-rc.d); the roles start what they have configured.
  - In check mode reports a change where a package is missing; needs no package list then.
options:
  name:
    description: The packages.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Install BIRD
  packages:
    name: [bird2]
"""

RETURN = r"""
missing:
  description: Packages that were not installed before.
  type: list
  elements: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={"name": {"type": "list", "elements": "str", "required": True}}, supports_check_mode=True
    )
    names = module.params["name"]
    query = ["dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package}\n", *names]
    # dpkg-query exits with 1 where a package is unknown, and still prints the others.
    _, out, _ = module.run_command(query, environ_update={"LC_ALL": "C"})
    installed = {
        name for status, _, name in (line.partition(" ") for line in out.splitlines()) if status == "installed"
    }
    missing = [name for name in names if name not in installed]
    module.exit_json(changed=bool(missing), missing=missing)


if __name__ == "__main__":
    main()
