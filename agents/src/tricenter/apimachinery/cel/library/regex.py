"""Regular expressions: find and findAll (library/regex.go). RE2, as upstream's: linear in time."""

from __future__ import annotations

from functools import lru_cache

import re2

from tricenter.apimachinery.cel.library.function import Function

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


@lru_cache(maxsize=256)
def compiled(pattern: str) -> re2._Regexp:
    """A pattern. Raises ValueError for one that is none."""
    try:
        return re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else error.args[0]
        raise ValueError(f"Illegal regex: error parsing regexp: {reason}") from None


def _find(text: str, pattern: str) -> str:
    match = compiled(pattern).search(text)
    return match.group() if match else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    found: list[str] = []
    for match in compiled(pattern).finditer(text):
        found.append(match.group())
        if len(found) == limit:
            break
    return found


FUNCTIONS = (
    Function("find", ("string", "string"), "string", _find),
    Function("findAll", ("string", "string"), "list(string)", _find_all),
    Function("findAll", ("string", "string", "int"), "list(string)", _find_all),
)
