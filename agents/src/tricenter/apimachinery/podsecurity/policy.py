"""Levels and versions, and the labels of a namespace that ask for them (pod-security-admission/api/helpers.go)."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from tricenter.apimachinery import fielderrors
from tricenter.apimachinery.fielderrors import FieldError

PREFIX = "pod-security.kubernetes.io/"
_VERSION = re.compile(r"v1\.(0|[1-9][0-9]*)")
_NEWEST = 2**31

T = TypeVar("T")


class Level(enum.IntEnum):
    """How much a level forbids; a higher one forbids more."""

    PRIVILEGED = 0
    BASELINE = 1
    RESTRICTED = 2


@dataclass(frozen=True)
class LevelVersion:
    """A level as it was in a minor version of Kubernetes; None is the latest."""

    level: Level = Level.PRIVILEGED
    minor: int | None = None

    def __str__(self) -> str:
        return f"{self.level.name.lower()}:{'latest' if self.minor is None else f'v1.{self.minor}'}"

    @property
    def order(self) -> int:
        """The minor version as a number, the latest after all others."""
        return _NEWEST if self.minor is None else self.minor


PRIVILEGED = LevelVersion()


@dataclass(frozen=True)
class Policy:
    """What a namespace refuses, notes in the audit log and warns about."""

    enforce: LevelVersion = PRIVILEGED
    audit: LevelVersion = PRIVILEGED
    warn: LevelVersion = PRIVILEGED

    @property
    def privileged(self) -> bool:
        """Whether everything goes, silently."""
        return not (self.enforce.level or self.audit.level or self.warn.level)


def from_labels(labels: Mapping[str, str] | None) -> tuple[Policy, list[FieldError]]:
    """The policy of a namespace and what is wrong with its labels.

    A wrong `enforce` is taken as restricted, a wrong `audit` or `warn` as privileged. Without a label of its own `warn`
    follows a stricter `enforce`.
    """
    found = labels or {}
    errors: list[FieldError] = []
    enforce = _mode(found, "enforce", Level.RESTRICTED, errors)
    level_wrong = bool(errors) and errors[0].path == _path("enforce")
    audit = _mode(found, "audit", Level.PRIVILEGED, errors)
    warn = _mode(found, "warn", Level.PRIVILEGED, errors)
    if f"{PREFIX}warn" not in found and f"{PREFIX}enforce" in found and not level_wrong and enforce.level > warn.level:
        minor = warn.minor if f"{PREFIX}warn-version" in found else enforce.minor
        warn = replace(warn, level=enforce.level, minor=minor)
    return Policy(enforce, audit, warn), errors


def _mode(labels: Mapping[str, str], mode: str, fallback: Level, errors: list[FieldError]) -> LevelVersion:
    level = _read(labels, mode, _level, errors, missing=Level.PRIVILEGED, wrong=fallback)
    return LevelVersion(level, _read(labels, f"{mode}-version", _minor, errors, missing=None, wrong=None))


def _read(  # what to do with a label in each case
    labels: Mapping[str, str],
    name: str,
    parse: Callable[[str], T],
    errors: list[FieldError],
    *,
    missing: T,
    wrong: T,
) -> T:
    text = labels.get(PREFIX + name)
    if text is None:
        return missing
    try:
        return parse(text)
    except ValueError as error:
        errors.append(fielderrors.invalid(_path(name), text, str(error)))
        return wrong


def _path(name: str) -> str:
    return f"metadata.labels[{PREFIX}{name}]"


def _level(text: str) -> Level:
    for level in Level:
        if level.name.lower() == text:
            return level
    raise ValueError("must be one of privileged, baseline, restricted")


def _minor(text: str) -> int | None:
    if text == "latest":
        return None
    match = _VERSION.fullmatch(text)
    if match is None:
        raise ValueError('must be "latest" or "v1.x"')
    return int(match[1])
