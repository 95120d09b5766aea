"""What the controllers say of flow schemas: whether the priority level they refer to is there."""

from __future__ import annotations

import pytest

from tricenter.apiserver.flow import defaults
from tricenter.controllers.flowschemas import dangling


@pytest.mark.parametrize(
    ("levels", "status", "reason", "ends"),
    [({"gold"}, "False", "Found", "and it exists"), (set(), "True", "NotFound", "but there is no such object")],
)
def test_a_schema_without_its_level_dangles(levels: set[str], status: str, reason: str, ends: str) -> None:
    schema = {"spec": {"priorityLevelConfiguration": {"name": "gold"}}}
    found = dangling(schema, levels)
    assert (found["status"], found["reason"]) == (status, reason)
    assert found["message"].endswith(f'object named "gold" {ends}')


def test_the_defaults_are_bootstrapped_as_the_controller_would_say_it() -> None:
    levels = {level["metadata"]["name"] for level in defaults.levels()}
    for schema in defaults.schemas():
        (condition,) = schema["status"]["conditions"]
        assert dangling(schema, levels).items() <= condition.items()
