"""Every role's defaults and argument specification describe the same public interface."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = sorted(path for path in (Path(__file__).parents[2] / "roles").iterdir() if path.is_dir())
IDS = [role.name for role in ROLES]


def load(path: Path) -> dict[str, Any]:
    content = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None
    return content or {}


def options(role: Path) -> dict[str, Any]:
    specification = load(role / "meta/argument_specs.yml")
    assert specification, f"{role.name} has no argument specification"
    return dict(specification["argument_specs"]["main"].get("options", {}))


@pytest.mark.parametrize("role", ROLES, ids=IDS)
def test_every_default_is_specified_and_belongs_to_the_role(role: Path) -> None:
    defaults = load(role / "defaults/main.yml")
    assert set(defaults) <= set(options(role))
    prefixes = (role.name + "_",)
    assert [name for name in defaults if not name.startswith(prefixes)] == []


@pytest.mark.parametrize("role", ROLES, ids=IDS)
def test_every_option_has_a_default_or_is_required(role: Path) -> None:
    defaults = load(role / "defaults/main.yml")
    for name, option in options(role).items():
        assert option.get("description"), f"{name} has no description"
        assert option.get("required", False) != (name in defaults), f"{name}: required, or in defaults"


@pytest.mark.parametrize("role", ROLES, ids=IDS)
def test_a_default_says_the_same_in_both_places(role: Path) -> None:
    defaults = load(role / "defaults/main.yml")
    for name, option in options(role).items():
        if "default" in option and name in defaults:
            assert option["default"] == defaults[name], name


@pytest.mark.parametrize("role", ROLES, ids=IDS)
def test_internal_variables_are_marked(role: Path) -> None:
    internal = load(role / "vars/main.yml")
    assert [name for name in internal if not name.startswith(("__" + role.name, "__"))] == []


@pytest.mark.parametrize("role", ROLES, ids=IDS)
def test_no_role_names_a_group(role: Path) -> None:
    for path in role.rglob("*"):
        if path.is_file() and path.suffix in (".yml", ".j2") and "molecule" not in path.parts:
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"\bgroups[.\[]", text), f"{path}: the playbook binds groups to roles"
