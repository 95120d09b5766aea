"""Python values as the engine takes them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from google.protobuf import duration_pb2, timestamp_pb2


def native(value: Any) -> Any:
    """A Python value as a function may return it where its type is not declared."""
    if isinstance(value, dt.datetime):
        moment = timestamp_pb2.Timestamp()
        moment.FromDatetime(value)
        return moment
    if isinstance(value, dt.timedelta):
        length = duration_pb2.Duration()
        length.FromTimedelta(value)
        return length
    return value
