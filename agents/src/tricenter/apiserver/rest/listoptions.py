"""The parameters of lists and watches, and which of them go together.

The rules are upstream's: apimachinery meta/internalversion (defaults.go, validation/validation.go) and storage
ValidateListOptions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tricenter.apimachinery import fielderrors
from tricenter.apiserver import errors
from tricenter.apiserver.requestinfo import truth

EXACT, NOT_OLDER = "Exact", "NotOlderThan"

_LARGEST = 2**64 - 1
_DIGITS = 64
"""Most digits of a number that is looked at; Python refuses to read one of thousands."""
_WHOLE = re.compile(r"[-+]?[0-9]+")
_KIND = errors.Target(group="meta.k8s.io", kind="ListOptions")


@dataclass(frozen=True, kw_only=True)
class Options:
    """ListOptions, decoded."""

    limit: int = 0
    token: str = ""
    version: str = ""
    match: str = ""
    initial: bool | None = None
    """sendInitialEvents of a watch: whether it begins with the objects that exist."""
    bookmarks: bool = False
    seconds: int = 0
    """timeoutSeconds; 0 for none."""

    @property
    def revision(self) -> int:
        """The resource version as a number; 0 for none and for `0`. Raises BadRequest."""
        return revision(self.version) if self.version else 0

    @property
    def exact(self) -> int:
        """The revision that a list must be of; 0 when there is none. A limit with a version means exactly that one."""
        if self.match == EXACT or (not self.match and self.limit):
            return self.revision
        return 0


def revision(text: str) -> int:
    """A resource version as a number. Raises BadRequest."""
    why = ""
    if not text.isascii() or not text.isdigit():
        why = _unparsed(text, "ParseUint")
    elif len(text) > _DIGITS or int(text) > _LARGEST:
        why = _unparsed(text, "ParseUint", "value out of range")
    if why:
        raise errors.BadRequest(f"resourceVersion: Invalid value: {fielderrors.show(text)}: {why}")
    return int(text)


def parse(query: Mapping[str, str], *, watch: bool = False) -> Options:
    """The options of a request. Raises BadRequest for what cannot be read, Invalid for what does not go together."""
    initial = query.get("sendInitialEvents")
    options = Options(
        limit=max(0, number(query.get("limit") or "0")),
        token=query.get("continue", ""),
        version=query.get("resourceVersion", ""),
        match=query.get("resourceVersionMatch", ""),
        initial=None if initial is None else truth(initial),
        bookmarks=truth(query.get("allowWatchBookmarks")),
        seconds=max(0, number(query.get("timeoutSeconds") or "0")),
    )
    problems = list(_watch_problems(options) if watch else _list_problems(options))
    if problems:
        raise errors.invalid(_KIND, problems)
    if options.token and options.version not in ("", "0") and not watch:
        raise errors.BadRequest("specifying resource version is not allowed when using continue")
    return options


def _list_problems(options: Options) -> list[fielderrors.FieldError]:
    field, problems = "resourceVersionMatch", []
    if options.match:
        if not options.version:
            why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
            problems.append(fielderrors.forbidden(field, why))
        if options.token:
            why = "resourceVersionMatch is forbidden when continue is provided"
            problems.append(fielderrors.forbidden(field, why))
        if options.match not in (EXACT, NOT_OLDER):
            problems.append(fielderrors.not_supported(field, options.match, (EXACT, NOT_OLDER, "")))
        if options.match == EXACT and options.version == "0":
            why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
            problems.append(fielderrors.forbidden(field, why))
    if options.initial is not None:
        why = "sendInitialEvents is forbidden for list"
        problems.append(fielderrors.forbidden("sendInitialEvents", why))
    return problems


def _watch_problems(options: Options) -> list[fielderrors.FieldError]:
    field, problems = "resourceVersionMatch", []
    if options.initial is not None and options.match != NOT_OLDER:
        why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        problems.append(fielderrors.forbidden(field, why))
    if options.match:
        if options.initial is None:
            why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            problems.append(fielderrors.forbidden(field, why))
        if options.match != NOT_OLDER:
            problems.append(fielderrors.not_supported(field, options.match, (NOT_OLDER,)))
        if options.token:
            why = "resourceVersionMatch is forbidden when continue is provided"
            problems.append(fielderrors.forbidden(field, why))
    return problems


def number(text: str) -> int:
    """A parameter that is an integer of 64 bits. Raises BadRequest."""
    if not _WHOLE.fullmatch(text):
        raise errors.BadRequest(_unparsed(text, "ParseInt"))
    if len(text) > _DIGITS or not -(2**63) <= int(text) < 2**63:
        raise errors.BadRequest(_unparsed(text, "ParseInt", "value out of range"))
    return int(text)


def _unparsed(text: str, function: str, why: str = "invalid syntax") -> str:
    return f"strconv.{function}: parsing {fielderrors.show(text)}: {why}"
