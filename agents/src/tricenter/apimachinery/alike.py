"""What objects have in common: most are like others, so that what was found out about one holds for the next.

The pods of a workload differ in nothing but names, one of which is made for each of them: that of the volume with the
token of their account (plugin/pkg/admission/serviceaccount).
"""

import functools
import re
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import orjson

LONGEST = 256
"""Characters of texts that are remembered as they are: who sends long ones shall fill no memory."""

_BEGIN = b'"kube-api-access-'
_MADE = re.compile(_BEGIN + rb'[a-z0-9]{5}"')
_MASK = b"\xff"
"""What is in no JSON, so that nothing else has the same content."""

Value = TypeVar("Value")


def content(value: Any) -> bytes:
    """A value as JSON, with the name that was made for one pod masked: the same for all that differ in it alone."""
    data = orjson.dumps(value)
    begin = data.find(_BEGIN)
    made = _MADE.match(data, begin) if begin >= 0 else None
    if made is None or data.count(_BEGIN) != data.count(made[0]):
        return data
    return data.replace(made[0], _MASK)


def remembered(size: int) -> Callable[[Callable[[str], Value]], Callable[[str], Value]]:
    """Have a function of a text remember what it found for so many texts, none of them long."""

    def wrap(function: Callable[[str], Value]) -> Callable[[str], Value]:
        known = functools.lru_cache(maxsize=size)(function)

        @functools.wraps(function)
        def find(text: str) -> Value:
            return known(text) if len(text) <= LONGEST else function(text)

        return find

    return wrap


def has_made_name(value: Any) -> bool:
    """Whether a name that was made for one pod is in a value, as a part of keys too."""
    return b"kube-api-access-" in orjson.dumps(value)


class Memory(Generic[Value]):
    """Findings by content, bounded by bytes; beyond that all are forgotten at once."""

    def __init__(self, most_bytes: int = 4 * 1024 * 1024) -> None:
        self._known: dict[tuple[Any, ...], Value] = {}
        self.get = self._known.get
        self._most = most_bytes
        self._bytes = 0

    def learn(self, key: tuple[Any, ...], value: Value) -> None:
        """Remember a finding; the bytes in `key` are what it is about."""
        if self._bytes > self._most:
            self._known.clear()
            self._bytes = 0
        self._known[key] = value
        self._bytes += sum(len(part) for part in key if isinstance(part, bytes))
