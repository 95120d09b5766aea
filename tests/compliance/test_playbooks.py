"""The playbook that made the site changes nothing when it runs again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import site_inventory

RECAP = re.compile(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", re.MULTILINE)
"""A line of Ansible's recap: the machine, and how many tasks changed it."""


def play(site: Any) -> dict[str, int]:
    """Run site.yml; returns how many tasks changed each machine."""
    ansible = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [str(ansible), f"--inventory={site.source}", "playbooks/site.yml"],
        cwd=site_inventory.ROOT,
        env=os.environ | {"ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return {name: int(changed) for name, changed in RECAP.findall(done.stdout)}


@pytest.mark.timeout(0)  # the playbook has a limit of its own
def test_a_second_run_changes_nothing(site: Any) -> None:
    changes = play(site)
    assert set(site.machines) <= set(changes)
    assert not {name: count for name, count in changes.items() if count}
