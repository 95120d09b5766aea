"""`metadata.managedFields`: reading, writing and bounding the list of managers."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from tricenter.apimachinery.managedfields import fieldset
from tricenter.apimachinery.managedfields.fieldset import Node

APPLY = "Apply"
UPDATE = "Update"
MAX_UPDATERS = 10
"""Upstream's bound; the oldest updaters beyond it are folded into one entry."""
ANCIENT = "ancient-changes"

Identity = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One manager and what it owns."""

    manager: str
    operation: str
    api_version: str
    subresource: str = ""
    time: str = ""
    fields: Node

    @property
    def identity(self) -> Identity:
        """What makes two entries the same manager; appliers keep theirs across versions."""
        return (self.manager, self.operation, self.subresource, "" if self.operation == APPLY else self.api_version)

    def owning(self, fields: Node) -> "Entry":
        """The same manager with other fields; made on every write, and `replace` takes three times as long."""
        return Entry(
            manager=self.manager, operation=self.operation, api_version=self.api_version, subresource=self.subresource,
            time=self.time, fields=fields,
        )  # fmt: skip

    def describe(self) -> str:
        """The manager as conflict messages name it."""
        shown = f'"{self.manager}"'
        if self.subresource:
            shown += f' with subresource "{self.subresource}"'
        return f"{shown} using {self.api_version}" if self.operation == UPDATE else shown

    def encode(self) -> dict[str, Any]:
        """The entry as it is stored."""
        made = {"manager": self.manager, "operation": self.operation, "apiVersion": self.api_version}
        if self.time:
            made["time"] = self.time
        if self.subresource:
            made["subresource"] = self.subresource
        return {**made, "fieldsType": "FieldsV1", "fieldsV1": self.fields}


Managers = dict[Identity, Entry]


def decode(encoded: Iterable[Any] | None) -> Managers:
    """The managers of an object; what cannot be read counts as absent."""
    found: Managers = {}
    for item in encoded or ():
        if not isinstance(item, dict) or not isinstance(item.get("fieldsV1"), dict):
            continue
        entry = Entry(
            manager=str(item.get("manager", "")),
            operation=str(item.get("operation", UPDATE)),
            api_version=str(item.get("apiVersion", "")),
            subresource=str(item.get("subresource", "")),
            time=str(item.get("time", "")),
            fields=item["fieldsV1"],
        )
        found[entry.identity] = entry
    return found


def encode(managers: Managers) -> list[dict[str, Any]]:
    """The list to store: appliers first, then by time and name."""
    ordered = sorted(managers.values(), key=lambda e: (e.operation, e.time, e.manager, e.api_version, e.subresource))
    return [entry.encode() for entry in ordered]


def is_reset(encoded: Any) -> bool:
    """Whether a client asks to forget all ownership: a list with one empty entry."""
    return isinstance(encoded, list) and len(encoded) == 1 and encoded[0] == {}


def bound(managers: Managers) -> Managers:
    """Fold the oldest updaters into one entry a version when there are too many."""
    updaters = sorted((entry for entry in managers.values() if entry.operation == UPDATE), key=lambda e: e.time)
    excess = len(updaters) - MAX_UPDATERS
    if excess <= 0:
        return managers
    result = dict(managers)
    for entry in [found for found in updaters if not found.subresource][: excess + 1]:
        del result[entry.identity]
        folded = replace(entry, manager=ANCIENT)
        if known := result.get(folded.identity):
            folded = replace(
                folded, fields=fieldset.union(known.fields, entry.fields), time=max(known.time, entry.time)
            )
        result[folded.identity] = folded
    return result


def keep_times(new: Managers, old: Managers) -> Managers:
    """`new` with the times of `old` when nothing else changed, so that a no-op stays one."""
    if new.keys() != old.keys() or any(
        entry.fields != old[key].fields or entry.api_version != old[key].api_version for key, entry in new.items()
    ):
        return new
    return old
