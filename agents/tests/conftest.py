"""What tests of all agents share: patience, for the machine that runs them may carry a whole replica.

Property tests have the same examples on every run and no time limit for one of them. To look for new examples:
`pytest --hypothesis-profile=default`.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import settings

settings.load_profile("ci")

_PATIENCE = 120.0
"""Seconds; an idle machine needs a few thousandths of one."""


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait until a condition holds, however busy the machine is."""

    async def wait(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(_PATIENCE):
            while not condition():
                await asyncio.sleep(0.005)

    return wait
