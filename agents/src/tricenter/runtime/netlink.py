"""What agents that speak rtnetlink share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pyroute2.netlink.exceptions import NetlinkError


@contextlib.contextmanager
def accept(code: int) -> Iterator[None]:
    """Let an answer with this errno pass: what was asked for is so already. Raises NetlinkError for any other."""
    try:
        yield
    except NetlinkError as error:
        if error.code != code:
            raise
