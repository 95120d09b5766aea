"""Talking to systemd: READY, STOPPING, STATUS and the watchdog (sd_notify(3), sd_watchdog_enabled(3)).

Outside systemd (no NOTIFY_SOCKET) every function does nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable

_log = logging.getLogger(__name__)


def send(*assignments: str) -> None:
    """Send lines such as `READY=1` to the service manager."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # the abstract namespace, written with a NUL in the kernel's interface
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.connect(address)
            sock.sendall("\n".join(assignments).encode())
    except OSError as error:
        _log.warning("cannot notify the service manager: %s", error)


def ready() -> None:
    """The agent serves; units ordered after it may start."""
    send("READY=1")


def stopping() -> None:
    """The agent drains; it is not to be restarted for that."""
    send("STOPPING=1")


def status(text: str) -> None:
    """One line shown by `systemctl status`."""
    send(f"STATUS={text}")


def watchdog() -> None:
    """Tell the service manager that the agent is alive."""
    send("WATCHDOG=1")


def watchdog_interval() -> float | None:
    """Seconds between two signs of life (half of WatchdogSec), or None when no watchdog watches this process."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID")
    if not microseconds.isdigit() or (pid and pid != str(os.getpid())):
        return None
    return int(microseconds) / 2_000_000


async def keep_alive(check: Callable[[], Awaitable[bool]] | None = None) -> None:
    """Feed the watchdog for ever, but only while `check` (if given) says that the agent is well.

    It runs in the agent's own event loop, so a blocked loop starves the watchdog, which is what it is for.
    """
    interval = watchdog_interval()
    while interval is not None:
        if check is None or await check():
            watchdog()
        await asyncio.sleep(interval)
    await asyncio.Event().wait()  # without a watchdog there is nothing to do, and a guarded task must not end
