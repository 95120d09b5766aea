"""Interop tests: clients that others wrote against a live site, as users run them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def whole(kubectl: Any) -> Any:
    """kubectl without a namespace of its own."""
    return kubectl


@pytest.fixture(scope="module")
def k(kubectl: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """kubectl in a namespace that belongs to the test module and goes with it."""
    topic = request.module.__name__.removeprefix("test_").replace("_", "-")
    name = f"interop-{topic}-{secrets.token_hex(2)}"
    kubectl("create", "namespace", name)
    yield kubectl.within(name)
    kubectl("delete", "namespace", name, "--wait=false")
