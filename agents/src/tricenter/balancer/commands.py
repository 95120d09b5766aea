"""Running the engine's commands."""

from __future__ import annotations

import asyncio
import contextlib

_PATIENCE = 60.0
"""Seconds; an emulated machine that boots is slow, but a command that hangs must not stop the agent for ever."""


class CommandError(Exception):
    """A command failed; the message holds its last words."""


async def run(*command: str) -> str:
    """Run a command and return what it printed; raises CommandError when it fails or cannot be started."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
    except OSError as error:
        raise CommandError(f"{command[0]}: {error.strerror}") from error
    try:
        async with asyncio.timeout(_PATIENCE):
            output, _ = await process.communicate()
    except BaseException as error:
        # One that has ended by itself, as at the end of the unit's control group, must not hide why we stop.
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if isinstance(error, TimeoutError):
            raise CommandError(f"{' '.join(command)}: no end after {_PATIENCE:.0f} s") from error
        raise
    text = output.decode(errors="replace").strip()
    if process.returncode != 0:
        raise CommandError(f"{' '.join(command)}: exit status {process.returncode}: {text[-1000:]}")
    return text
