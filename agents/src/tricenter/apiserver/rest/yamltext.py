"""YAML as a request body has it: what sigs.k8s.io/yaml makes of a text, in one pass and in bounded depth.

PyYAML's own composer goes down the C stack with the text, so that a few kilobytes of `- - - ...` end the process; its
constructors know types that JSON lacks and raise whatever comes. So values are made here, from the parser's events.
Plain scalars mean what goyaml.v2/resolve.go says: YAML 1.1 without sexagesimals and dates, which stay text.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from typing import Any

import orjson
import yaml

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEPTH = 200
"""Deepest nesting: less than what orjson writes again (254)."""
_DIRECTIVES = 16
"""Most lines that may be directives: the parser compares each with all before."""

_TAG = "tag:yaml.org,2002:"
_BINARY = f"{_TAG}binary"
_TEXTS = ("!", f"{_TAG}str", f"{_TAG}timestamp")
_TYPES: dict[str, tuple[type, ...]] = {
    f"{_TAG}int": (int,),
    f"{_TAG}bool": (bool,),
    f"{_TAG}null": (type(None),),
    f"{_TAG}float": (float, int),
}
_NAMES = {int: "int", bool: "bool", type(None): "null", float: "float", str: "str"}
_COLLECTIONS = (None, "!", f"{_TAG}map", f"{_TAG}seq")

_WORDS: dict[str, Any] = dict.fromkeys(("", "~", "null", "Null", "NULL"))
_WORDS |= dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True)
_WORDS |= dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False)
_WORDS |= {f"{sign}{word}": math.inf for sign in ("", "+") for word in (".inf", ".Inf", ".INF")}
_WORDS |= {f"-{word}": -math.inf for word in (".inf", ".Inf", ".INF")}
_WORDS |= dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan)

_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]{1,16})|0[bB]([01]{1,64})|0[oO]?([0-7]{1,22})|(0|[1-9][0-9]{0,19}))")
_BASES = (16, 2, 8, 10)
_REAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")


class YamlError(ValueError):
    """The text is no YAML, or none that JSON could say too."""


def load(text: str) -> tuple[Any, list[str]]:
    """The value of a text, and what upstream says of each member that it names twice. Raises YamlError."""
    if text.count("\n%") + text.startswith("%") > _DIRECTIVES:
        raise YamlError("too many directives")
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except (yaml.YAMLError, UnicodeError) as error:
        raise YamlError(str(error)) from error
    return builder.root, builder.repeated


class _Builder:
    """Puts values together, event by event."""

    def __init__(self) -> None:
        self.root: Any = None
        self.repeated: list[str] = []
        self._begun = False
        self._open: list[tuple[Any, str | None]] = []
        """The collections around the one that is being filled, each with the key that waits for its value."""
        self._inner: Any = None
        self._key: str | None = None

    def take(self, event: yaml.Event) -> None:
        """Raises YamlError."""
        if isinstance(event, yaml.ScalarEvent):
            self._put(_scalar(event), event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._enter(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._inner, self._key = self._open.pop()
        elif isinstance(event, yaml.AliasEvent):
            raise YamlError("aliases are not accepted")
        elif isinstance(event, yaml.DocumentStartEvent):
            if self._begun:
                raise YamlError("expected a single document in the stream")
            self._begun = True

    def _enter(self, event: yaml.CollectionStartEvent) -> None:
        if event.tag not in _COLLECTIONS:
            raise YamlError(f"line {_line(event)}: unknown tag {event.tag}")
        if isinstance(self._inner, dict) and self._key is None:
            raise YamlError(f"line {_line(event)}: a key of a map is no scalar")
        if len(self._open) >= _DEPTH:
            raise YamlError("nested too deeply")
        made: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._put(made, event)
        self._open.append((self._inner, self._key))
        self._inner, self._key = made, None

    def _put(self, value: Any, event: yaml.NodeEvent) -> None:
        if isinstance(self._inner, list):
            self._inner.append(value)
        elif self._inner is None:
            self.root = value
        elif self._key is None:
            self._key = _key(value, event)
            if self._key in self._inner:
                self.repeated.append(f'line {_line(event)}: key "{self._key}" already set in map')
        else:
            self._inner[self._key] = value
            self._key = None


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 0


def _key(value: Any, event: yaml.NodeEvent) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        raise YamlError(f"line {_line(event)}: unsupported map key of type: <nil>")
    return orjson.dumps(value).decode()


def _scalar(event: yaml.ScalarEvent) -> Any:
    """The value of a scalar; one with a tag must be of that type (goyaml.v2/decode.go)."""
    text, tag = event.value, event.tag
    if tag is None:
        value = _plain(text) if event.implicit[0] else text
    elif tag in _TEXTS:
        return text
    elif tag == _BINARY:
        return _binary(text)
    elif tag in _TYPES:
        value = _plain(text)
        if type(value) not in _TYPES[tag]:
            found = _NAMES[type(value)]
            raise YamlError(f"cannot decode !!{found} `{text}` as a !!{tag.removeprefix(_TAG)}")
    else:
        raise YamlError(f"line {_line(event)}: unknown tag {tag}")
    if isinstance(value, float) and not math.isfinite(value):
        raise YamlError(f"json: unsupported value: {value}")
    return value


def _binary(text: str) -> str:
    try:
        return base64.b64decode(text).decode()
    except (binascii.Error, ValueError) as error:
        raise YamlError("!!binary value contains invalid base64 data") from error


def _plain(text: str) -> Any:
    """What a scalar without quotes and tag stands for."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    bare = text.replace("_", "") if text[0] != "." else text
    if (match := _INTEGER.fullmatch(bare)) and (whole := _whole(match)) is not None:
        return whole
    if _REAL.fullmatch(bare) and math.isfinite(number := float(bare)):
        return _shortest(number)
    return text


def _whole(match: re.Match[str]) -> int | None:
    """An integer of 64 bits, with or without a sign."""
    digits, base = next((part, base) for part, base in zip(match.groups()[1:], _BASES, strict=True) if part is not None)
    value = int(digits, base) * (-1 if match[1] == "-" else 1)
    return value if _fits(value) else None


def _shortest(number: float) -> int | float:
    """Go writes a number without a fraction as an integer into the JSON, so that `replicas: 3.0` is one."""
    return int(number) if number.is_integer() and _fits(number) else number


def _fits(number: float) -> bool:
    return -(2**63) <= number < 2**64
