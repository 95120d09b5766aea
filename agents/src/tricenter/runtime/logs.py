"""Logging of an agent: one event a line; JSON lines for the journal, a short text on a terminal."""

from __future__ import annotations

import datetime as dt
import json
import logging
import sys
from typing import Any

_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", None, None))) | {"message", "asctime", "taskName"}


def setup(name: str, *, level: int = logging.INFO) -> None:
    """Send the log of the process to standard error; `name` is the agent's."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextFormatter() if sys.stderr.isatty() else JsonFormatter(name))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def extras(record: logging.LogRecord) -> dict[str, Any]:
    """What the caller attached with `extra=`."""
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


class JsonFormatter(logging.Formatter):
    """time, level, agent, logger, message, the extras and, after an exception, its traceback."""

    def __init__(self, agent: str) -> None:
        super().__init__()
        self._agent = agent

    def format(self, record: logging.LogRecord) -> str:
        moment = dt.datetime.fromtimestamp(record.created, dt.UTC)
        event = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "agent": self._agent,
            "logger": record.name.removeprefix("tricenter."),
            "message": record.getMessage(),
            **extras(record),
        }
        if record.exc_info:
            event["traceback"] = self.formatException(record.exc_info)
        return json.dumps(event, default=str, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """`12:30:01.250 I client.informer ns/name message`, for people at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        moment = dt.datetime.fromtimestamp(record.created).astimezone()
        subject = "".join(f" {key}={value}" for key, value in extras(record).items())
        line = (
            f"{moment:%H:%M:%S}.{int(record.msecs):03d} {record.levelname[0]} "
            f"{record.name.removeprefix('tricenter.')} {record.getMessage()}{subject}"
        )
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line
