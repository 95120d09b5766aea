"""What is said of a body that cannot be decoded: Go's words for JSON, the kind that was wanted, how the body begins.

After encoding/json's scanner.go and transformDecodeError in apiserver pkg/endpoints/handlers/rest.go.
"""

from __future__ import annotations

import json
import re

from tricenter.apiserver import errors

_SHOWN = 30
"""Bytes of a body that a message shows."""
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_END = "unexpected end of JSON input"
_PLACES = {
    "Expecting value": "looking for beginning of value",
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Expecting ':' delimiter": "after object key",
    "Extra data": "after top-level value",
    "Invalid control character at": "in string literal",
    "Illegal trailing comma before end of object": "looking for beginning of object key string",
    "Illegal trailing comma before end of array": "looking for beginning of value",
}
"""Where Go's scanner is when Python's gives up; what both name differs in words alone."""


def body(given: bytes, wanted: str, why: str) -> errors.BadRequest:
    """The answer to a body of which not even the kind can be told."""
    return errors.BadRequest(f"the object provided is unrecognized (must be of type {wanted}): {why} ({_head(given)})")


def _head(given: bytes) -> str:
    """How a body begins: as text where it looks like JSON, else in hexadecimal digits (summarizeData)."""
    if not given:
        return "<empty>"
    head = given[:_SHOWN]
    return (head.decode(errors="replace") if head[:1] == b"{" else head.hex()) + " ..." * (len(given) > _SHOWN)


def why(given: bytes, otherwise: str) -> str:
    """Why bytes are no JSON; `otherwise` where only another decoder knows."""
    try:
        json.loads(text := given.decode())
    except json.JSONDecodeError as error:
        return _words(text, error)
    except (UnicodeDecodeError, RecursionError, ValueError):
        return otherwise
    return otherwise


def _words(text: str, error: json.JSONDecodeError) -> str:
    at = error.pos
    if error.msg.startswith("Illegal trailing comma"):
        at += len(text[at + 1 :]) - len(text[at + 1 :].lstrip()) + 1
    if error.msg.startswith("Invalid \\"):
        at, where = at + 1, "in string escape code"
    elif error.msg == "Expecting ',' delimiter":
        where = "after object key:value pair" if _in_object(text[:at]) else "after array element"
    else:
        where = _PLACES.get(error.msg, "")
    if error.msg == "Expecting value":
        at, where = _literal(text, at, where)
    return f"invalid character {_quoted(text[at])} {where}" if where and at < len(text) else _END


def _literal(text: str, at: int, where: str) -> tuple[int, str]:
    """Where a value that begins like a literal or a number stops being one."""
    if text[at : at + 1] == "-":
        return at + 1, "in numeric literal"
    name = next((name for name in ("true", "false", "null") if name[0] == text[at : at + 1]), "")
    for index, char in enumerate(name):
        if text[at + index : at + index + 1] != char:
            return at + index, f"in literal {name} (expecting '{char}')"
    return at, where


def _in_object(before: str) -> bool:
    """Whether what comes next is in an object, not in a list."""
    open_ones: list[str] = []
    for char in _STRING.sub("", before):
        if char in "[{":
            open_ones.append(char)
        elif char in "]}":
            open_ones.pop()
    return open_ones[-1:] == ["{"]


def _quoted(char: str) -> str:
    """The first byte of a character as Go quotes it (quoteChar)."""
    special = {"'": "'\\''", '"': "'\"'", "\\": "'\\\\'", "\n": "'\\n'", "\r": "'\\r'", "\t": "'\\t'"}
    first = chr(char.encode()[0])
    return special.get(char) or (f"'{first}'" if first.isprintable() else f"'\\x{ord(first):02x}'")
