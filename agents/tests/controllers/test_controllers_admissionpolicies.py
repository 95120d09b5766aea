"""The status of admission policies."""

from __future__ import annotations

import pytest

from tricenter.controllers.admissionpolicies import observed


@pytest.mark.parametrize(
    ("generation", "status", "expected"),
    [(1, None, False), (1, {"observedGeneration": 1}, True), (2, {"observedGeneration": 1}, False)],
)
def test_a_status_is_of_one_generation(generation: int, status: dict[str, int] | None, expected: bool) -> None:
    assert observed({"metadata": {"generation": generation}, "status": status}) is expected
