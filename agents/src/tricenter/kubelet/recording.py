"""Tells users what happens to pods and nodes: an event in the API, and a line in the log."""

import logging
from collections.abc import Callable
from typing import Any

from tricenter.client.events import WARNING, Recorder

Object = dict[str, Any]

Record = Callable[[Object, str, str, str], None]
"""(object, Normal or Warning, reason, message)"""

_log = logging.getLogger(__name__)


def recorder(events: Recorder | None) -> Record:
    """A recorder that works without an API too."""

    def record(obj: Object, kind: str, reason: str, message: str) -> None:
        metadata = obj["metadata"]
        subject = "/".join(part for part in (metadata.get("namespace"), metadata["name"]) if part)
        _log.log(
            logging.WARNING if kind == WARNING else logging.INFO, "%s: %s", reason, message, extra={"object": subject}
        )
        if events is not None:
            events.event(obj, kind, reason, message)

    return record
