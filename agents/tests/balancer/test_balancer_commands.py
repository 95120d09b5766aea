"""Commands of the balancer, with real processes."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from tricenter.balancer import commands


async def test_what_a_command_prints() -> None:
    assert await commands.run("echo", "two", "words") == "two words"


async def test_a_command_that_fails_says_its_last_words() -> None:
    with pytest.raises(commands.CommandError, match="exit status 3: last words"):
        await commands.run("sh", "-c", "echo last words; exit 3")
    with pytest.raises(commands.CommandError, match="no-such-command: No such file"):
        await commands.run("no-such-command")


@pytest.mark.parametrize("turns", range(12))
async def test_the_end_of_the_agent_is_not_hidden_by_a_command_that_ended_first(turns: int) -> None:
    """A stop of the unit ends commands and agent at once, at whichever turn of the loop that falls."""
    running = asyncio.create_task(commands.run("sleep", "0.1"))
    await asyncio.sleep(0.05)
    time.sleep(0.2)  # noqa: ASYNC251 -- the loop is busy while the command ends
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        assert await running == ""
