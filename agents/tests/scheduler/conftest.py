"""Fixtures of the scheduler's tests."""

from __future__ import annotations

from typing import Any

import pytest
from scheduling_site import Site, make_pod


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def pod() -> Any:
    return make_pod
