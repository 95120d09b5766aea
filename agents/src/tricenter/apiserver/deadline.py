"""How long a request may take (endpoints/filters/request_deadline.go)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tricenter.apiserver import errors
from tricenter.apiserver.requestinfo import RequestInfo

_STREAMS = frozenset(("log", "exec", "attach", "portforward", "proxy"))
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


def seconds(info: RequestInfo, query: Mapping[str, str], longest: float) -> float | None:
    """The seconds a request has: what `timeout` asks for, at most `longest`; None for what goes on for long.

    Raises BadRequest.
    """
    if info.verb == "watch" or info.subresource in _STREAMS:
        return None
    text = query.get("timeout", "")
    if not text:
        return longest
    wanted = duration(text)
    if wanted is None or wanted < 0:
        raise errors.BadRequest(f'invalid timeout specified in the request URL: time: invalid duration "{text}"')
    return min(wanted, longest) or longest


def duration(text: str) -> float | None:
    """A duration as Go writes it (`1m30s`, `0`), in seconds; None for anything else."""
    sign = -1.0 if text.startswith("-") else 1.0
    bare = text.lstrip("+-") if text[:1] in "+-" else text
    if bare == "0":
        return 0.0
    total, end = 0.0, 0
    for part in _PART.finditer(bare):
        if part.start() != end:
            return None
        total, end = total + float(part[1]) * _UNITS[part[2]], part.end()
    return sign * total if bare and end == len(bare) else None
