"""Run nft with its JSON interface (libnftables-json(5)).

A process of its own rather than libnftables inside the agent: the memory of a large transaction goes back to the
system, and a fault in the library ends one transaction instead of the agent.
"""

import asyncio
import logging
import os
from typing import Any

import orjson

from tricenter.proxy import table
from tricenter.proxy.commands import Command

_log = logging.getLogger(__name__)


class NftError(Exception):
    """nft refused; the message is what it wrote."""


async def _nft(*arguments: str, stdin: bytes = b"") -> bytes:
    # The input is a file in memory rather than a pipe: nft may end before it has read all of it.
    with open(os.memfd_create("nft"), "w+b") as given:  # noqa: ASYNC230, PTH123 - memory, and a descriptor
        given.write(stdin)
        given.seek(0)
        process = await asyncio.create_subprocess_exec(
            "nft",
            "--json",
            *arguments,
            stdin=given,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
    if process.returncode:
        raise NftError(err.decode(errors="replace").strip()[:2000])
    return out


async def apply(commands: list[Command]) -> None:
    """Give all commands to the kernel in one transaction: all of them take effect, or none (NftError)."""
    await _nft("--file", "-", stdin=orjson.dumps({"nftables": commands}))


async def table_exists() -> bool:
    """Whether our table is in the kernel: somebody may have flushed the ruleset."""
    listing = orjson.loads(await _nft("list", "tables"))
    wanted = (table.FAMILY, table.TABLE)
    return any(
        (entry["table"]["family"], entry["table"]["name"]) == wanted
        for entry in listing["nftables"]
        if "table" in entry
    )


async def remembered_clients() -> dict[str, list[dict[str, Any]]]:
    """The clients in each affinity set with the time they have left, to carry over when the table is replaced."""
    try:
        listing = orjson.loads(await _nft("list", "table", table.FAMILY, table.TABLE))
    except NftError:
        return {}  # no table yet: the first start since the machine booted
    clients: dict[str, list[dict[str, Any]]] = {}
    for entry in listing["nftables"]:
        timed = entry.get("set", {})
        if timed.get("name", "").startswith("affinity/") and timed.get("elem"):
            clients[timed["name"]] = timed["elem"]
    return clients
