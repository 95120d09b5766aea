"""Which records there should be against which Knot has; the difference by zone.

Several owners may want one record (two headless Services over the same pod give it two names but one address), so a
record goes only when its last owner lets go of it. The cost of a change is that of the change.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tricenter.dns.records import Record
from tricenter.dns.zones import zone_of


@dataclass(kw_only=True, slots=True)
class Change:
    """What to do in one zone."""

    remove: list[Record] = field(default_factory=list)
    add: list[Record] = field(default_factory=list)


class Ledger:
    """Records by owner, and the records that Knot has."""

    def __init__(self, zones: tuple[str, ...]) -> None:
        self._zones = zones
        self._owners: dict[str, frozenset[Record]] = {}
        self._wanted: Counter[Record] = Counter()
        self._applied: set[Record] = set()
        self._dirty: set[Record] = set()

    def put(self, owner: str, records: frozenset[Record]) -> None:
        """Make `records` the owner's; none removes the owner."""
        old = self._owners.pop(owner, frozenset())
        if records:
            self._owners[owner] = records
        for record in old - records:
            self._wanted[record] -= 1
            if not self._wanted[record]:
                del self._wanted[record]
        self._wanted.update(records - old)
        self._dirty |= old ^ records

    def owners(self) -> Iterable[str]:
        """Everybody who has records."""
        return list(self._owners)

    def found(self, records: Iterable[Record]) -> None:
        """Knot has exactly these: what follows is compared with them."""
        self._applied = set(records)
        self._dirty = self._applied | self._wanted.keys()

    def changes(self) -> dict[str, Change]:
        """Zone → what to do there; empty when nothing differs."""
        changes: dict[str, Change] = {}
        for record in sorted(self._dirty):
            zone = zone_of(record.name, self._zones)
            if zone is None or (record in self._wanted) == (record in self._applied):
                continue
            change = changes.setdefault(zone, Change())
            (change.add if record in self._wanted else change.remove).append(record)
        return changes

    def commit(self) -> None:
        """Knot took the changes."""
        for record in self._dirty:
            if record in self._wanted and zone_of(record.name, self._zones):
                self._applied.add(record)
            else:
                self._applied.discard(record)
        self._dirty.clear()

    def __len__(self) -> int:
        return len(self._wanted)
