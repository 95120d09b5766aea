"""How roles use the role `agent`: imported without validation at each run, so it is validated here, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = Path(__file__).parents[2] / "roles"


def uses() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(ROLES.glob("*/tasks/*.yml")):
        for task in yaml.safe_load(path.read_text(encoding="utf-8")):
            imported = task.get("ansible.builtin.import_role") or task.get("ansible.builtin.include_role") or {}
            if imported.get("name") == "agent":
                yield path.parent.parent.name, task


@pytest.mark.parametrize(("role", "task"), list(uses()), ids=[role for role, _ in uses()])
def test_a_role_gives_the_agent_what_it_takes(role: str, task: dict[str, Any]) -> None:
    specification = yaml.safe_load((ROLES / "agent/meta/argument_specs.yml").read_text(encoding="utf-8"))
    options = specification["argument_specs"]["main"]["options"]
    given = task["vars"]
    assert set(given) <= set(options)
    assert {name for name, option in options.items() if option.get("required")} <= set(given)
    assert "ansible.builtin.import_role" in task, "a dynamic include costs one more task on each machine"
    assert task["ansible.builtin.import_role"].get("rolespec_validate") is False
