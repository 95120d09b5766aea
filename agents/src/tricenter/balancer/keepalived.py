"""Putting a configuration into effect: tested by keepalived itself first, the last good one stays else."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from pathlib import Path

from tricenter.balancer import commands

_log = logging.getLogger(__name__)


class Keepalived:
    """The daemon, its file, and the note of what it has loaded."""

    def __init__(self, config: Path, unit: str, loaded: Path) -> None:
        self._config = config
        self._unit = unit
        self._loaded = loaded

    async def apply(self, text: str) -> bool:
        """Have keepalived run with `text`; False where it does already. Raises commands.CommandError."""
        checksum = hashlib.sha256(text.encode()).hexdigest()
        if read(self._config) == text and read(self._loaded) == checksum and await self._running():
            return False
        await self._replace(text)
        await commands.run("systemctl", "reload-or-restart", self._unit)
        write(self._loaded, checksum)
        return True

    async def _replace(self, text: str) -> None:
        candidate = self._config.with_name(self._config.name + ".new")
        write(candidate, text)
        try:
            await commands.run("keepalived", "--config-test", "--use-file", str(candidate))
        except commands.CommandError:
            _log.error("keepalived refuses %s; the last good configuration stays", candidate)
            raise
        candidate.replace(self._config)

    async def _running(self) -> bool:
        with contextlib.suppress(commands.CommandError):
            await commands.run("systemctl", "is-active", "--quiet", self._unit)
            return True
        return False


def read(path: Path) -> str | None:
    """The file's text, None where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None


def write(path: Path, text: str) -> None:
    """Replace a file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.part")
    new.write_text(text, encoding="utf-8")
    new.replace(path)
