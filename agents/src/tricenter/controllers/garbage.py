"""Garbage collection by owner references: decisions (upstream's pkg/controller/garbagecollector).

An object with owners goes when none of them exists any more. An owner deleted in the foreground waits (finalizer
`foregroundDeletion`) until its blocking dependents are gone; one deleted as `orphan` waits until its dependents have
let go of it.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

Object = dict[str, Any]

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


class OwnerState(enum.Enum):
    """How an owner stands towards a dependent."""

    SOLID = "exists and stays"
    WAITING = "is being deleted and waits for its dependents"
    ABSENT = "does not exist"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What happens to a dependent."""

    delete: str | None = None
    """Propagation policy to delete it with."""
    release: frozenset[str] = frozenset()
    """Owners (uids) whose references are taken off."""


def state_of(owner: Object | None, uid: str) -> OwnerState:
    """The state of the owner found under a reference's name."""
    if owner is None or owner["metadata"]["uid"] != uid:
        return OwnerState.ABSENT
    if "deletionTimestamp" in owner["metadata"] and FOREGROUND in finalizers(owner):
        return OwnerState.WAITING
    return OwnerState.SOLID


def judge(item: Object, owners: dict[str, OwnerState], *, has_dependents: bool) -> Verdict:
    """Decide over `item` by the states of its owners (by uid)."""
    if "deletionTimestamp" in item["metadata"] or not owners:
        return Verdict()
    gone = frozenset(uid for uid, state in owners.items() if state is not OwnerState.SOLID)
    if len(gone) < len(owners):
        return Verdict(release=gone)
    if OwnerState.WAITING in owners.values() and has_dependents:
        return Verdict(delete="Foreground")
    if ORPHAN in finalizers(item):
        return Verdict(delete="Orphan")
    return Verdict(delete="Foreground" if FOREGROUND in finalizers(item) else "Background")


def finalizers(obj: Object) -> list[str]:
    """The finalizers of `obj`."""
    return list(obj["metadata"].get("finalizers") or ())


def references(obj: Object) -> list[Object]:
    """The owner references of `obj`."""
    return list(obj["metadata"].get("ownerReferences") or ())


def owner_uids(obj: Object) -> list[str]:
    """The uids of all owners."""
    return [reference["uid"] for reference in references(obj)]


def owner_kind(reference: Object) -> tuple[str, str]:
    """Group and kind that an owner reference names."""
    return (str(reference["apiVersion"]).rpartition("/")[0], reference["kind"])


def blocks(dependent: Object, owner_uid: str) -> bool:
    """Whether the owner's deletion in the foreground waits for this dependent."""
    return any(item["uid"] == owner_uid and item.get("blockOwnerDeletion") for item in references(dependent))


def waits_for_dependents(obj: Object) -> str | None:
    """The finalizer of a deletion that we have to finish, if there is one."""
    if "deletionTimestamp" not in obj["metadata"]:
        return None
    return next((item for item in (ORPHAN, FOREGROUND) if item in finalizers(obj)), None)
