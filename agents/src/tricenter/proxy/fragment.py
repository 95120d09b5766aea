"""A `Fragment` is all that one Service adds to the nftables table; the table is the sum of its fragments.

Pure data, so two fragments can be compared and only what differs is sent to the kernel.
"""

from dataclasses import dataclass, field
from typing import Any

Expression = dict[str, Any]
"""One expression or statement in the form of libnftables-json(5)."""

Rule = tuple[Expression, ...]
"""A rule: expressions that are evaluated from left to right."""

Key = tuple[str | int, ...]
"""Key of a set or map element; more than one part makes a concatenation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fragment:
    """Chains, timed sets and set elements of one owner.

    `chains`: name → rules. `timed_sets`: name of a set of client addresses → timeout in seconds.
    `elements`: (set or map, key) → name of the chain to go to, `drop`, or None for an element of a plain set.
    """

    chains: dict[str, tuple[Rule, ...]] = field(default_factory=dict)
    timed_sets: dict[str, int] = field(default_factory=dict)
    elements: dict[tuple[str, Key], str | None] = field(default_factory=dict)


EMPTY = Fragment()
