"""etcd on this machine: its unit, its data, and the environment of its first start."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from pathlib import Path

from tricenter.etcd.membership import Holding

_log = logging.getLogger(__name__)


class UnitError(Exception):
    """systemctl refused; the message is its own."""


class Machine:
    """What the agent can see of and do to etcd here. The agent never signals etcd; systemd runs it."""

    def __init__(self, *, unit: str, data_dir: Path, start_file: Path) -> None:
        self._unit = unit
        self._data_dir = data_dir
        self._start_file = start_file

    def holding(self) -> Holding:
        """What lies in the data directory. Like etcd itself, take a write-ahead log for the sign of a member."""
        if not any((self._data_dir / "member/wal").glob("*.wal")):
            return Holding.NOTHING
        return Holding.STARTING if self._start_file.exists() else Holding.DATA

    async def running(self) -> bool:
        """True where the unit is up or coming up; a unit between two failed starts is neither."""
        output = await _systemctl("show", "--property", "ActiveState,SubState", self._unit)
        state = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
        return state.get("ActiveState") in ("active", "activating") and state.get("SubState") != "auto-restart"

    async def start(self) -> None:
        """Start etcd on its data. Without waiting: etcd is up only once it has found a quorum."""
        await _systemctl("start", "--no-block", self._unit)

    async def start_first(self, *, state: str, initial: Mapping[str, str], token: str) -> None:
        """Start etcd without data: `state` is new or existing, `initial` the members that it is to know."""
        text = (
            f"ETCD_INITIAL_CLUSTER_STATE={state}\n"
            f"ETCD_INITIAL_CLUSTER_TOKEN={token}\n"
            f"ETCD_INITIAL_CLUSTER={','.join(f'{name}={url}' for name, url in initial.items())}\n"
        )
        self._start_file.parent.mkdir(parents=True, exist_ok=True)
        self._start_file.write_text(text, encoding="utf-8")
        await self.start()

    def settled(self) -> None:
        """The member is healthy: from now on only its data says who it is."""
        self._start_file.unlink(missing_ok=True)

    async def set_aside(self) -> Path:
        """Stop what still tries to run on data of a removed member, and keep the data under another name."""
        await _systemctl("stop", self._unit)
        target = self._data_dir / f"removed-{int(time.time())}"
        (self._data_dir / "member").rename(target)
        self._start_file.unlink(missing_ok=True)
        return target


async def _systemctl(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "systemctl", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    if process.returncode != 0:
        raise UnitError(f"systemctl {' '.join(arguments)}: {err.decode().strip()}")
    return out.decode()
