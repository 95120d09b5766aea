"""The playbook that made the site changes nothing when it runs again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import site_inventory


def play(site: Any, *arguments: str) -> dict[str, Any]:
    """Run site.yml with the JSON callback; returns its statistics by host."""
    ansible = Path(sys.executable).with_name("ansible-playbook")
    environment = os.environ | {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_CALLBACKS_ENABLED": ""}
    done = subprocess.run(
        [str(ansible), f"--inventory={site.source}", "playbooks/site.yml", *arguments],
        cwd=site_inventory.ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return json.loads(done.stdout[done.stdout.index("{") :])["stats"]


def test_a_second_run_changes_nothing(site: Any) -> None:
    stats = play(site)
    assert set(site.machines) <= set(stats)
    changed = {host: counts["changed"] for host, counts in stats.items() if counts["changed"]}
    assert not changed, f"changed on a second run: {changed}"
