"""Test a configuration and give it to nginx; what is wrong never gets there."""

import asyncio
import logging
import os
import signal

from tricenter.ingress.config import Config

_log = logging.getLogger(__name__)


class NginxError(Exception):
    """`nginx -t` refused; the message is its output."""


async def test(config: Config, text: str) -> None:
    """Have nginx judge `text` inside the main configuration; raises NginxError."""
    candidate = config.state_dir / "candidate.conf"
    main = config.state_dir / "candidate-main.conf"
    candidate.write_text(text)
    main.write_text(config.main_file.read_text().replace(config.site_include, str(candidate)))
    process = await asyncio.create_subprocess_exec(
        "nginx", "-t", "-q", "-c", str(main), stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    if process.returncode:
        raise NginxError(errors.decode(errors="replace").strip()[:2000])


def install(config: Config, text: str) -> None:
    """Put a tested configuration in place and have nginx take it, without a lost connection."""
    temporary = config.site_file.with_suffix(".new")
    temporary.write_text(text)
    temporary.replace(config.site_file)
    try:
        os.kill(int(config.pid_file.read_text()), signal.SIGHUP)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        _log.warning("nginx does not run; it finds the new configuration when it starts")


def installed(config: Config) -> str:
    """The configuration in place, empty when there is none."""
    try:
        return config.site_file.read_text()
    except FileNotFoundError:
        return ""
