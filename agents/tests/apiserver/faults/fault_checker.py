"""Whether what clients saw of registers is linearizable, given etcd's own order of all writes.

etcd gives every write a revision, so the order in which writes took place is known and only three questions are left
(for the general problem see Wing and Gong, 1993): is each answer one that this order gives, does it respect real time
(nobody is shown a state older than one that somebody had seen before he asked), and does every write belong to exactly
one request that was not told it had failed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

OK, CONFLICT, EXISTS, MISSING, UNKNOWN = "ok", "conflict", "exists", "missing", "unknown"


@dataclass(frozen=True, kw_only=True)
class Event:
    """One write as etcd recorded it."""

    revision: int
    key: str
    nonce: str
    """Of the request that wrote the value; of the value that was removed for a delete."""
    deleted: bool = False
    previous: int = 0
    """Revision of the value before; 0 for none."""


@dataclass(frozen=True, kw_only=True)
class Op:
    """One request and its answer."""

    kind: str
    """create, update, delete, get or list."""
    key: str = ""
    nonce: str = ""
    expected: int = 0
    """The revision that an update or a delete demands."""
    began: float
    ended: float
    outcome: str
    revision: int = 0
    """What the answer says: of the write, of the object that was read, of the list."""
    found: Mapping[str, int] = field(default_factory=dict)
    """Revisions of the objects of a list."""


@dataclass(frozen=True)
class Seen:
    """What a watcher that reconnects was told: after which revision it began, and type, key, revision of each event."""

    since: int
    events: Sequence[tuple[str, str, int]]


class Truth:
    """The order of writes."""

    def __init__(self, events: Sequence[Event], ops: Sequence[Op]) -> None:
        self.events = events
        self.by_revision = {(event.revision, event.key): event for event in events}
        self.of_key: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            self.of_key[event.key].append(event)
        told = sorted((op.ended, op.revision) for op in ops if op.outcome == OK and op.revision)
        self._times, self._told, newest = [time for time, _ in told], [0], 0
        for _, revision in told:
            newest = max(newest, revision)
            self._told.append(newest)
        self._begin = {op.nonce: op.began for op in ops if op.nonce}
        self._removal: dict[tuple[str, int], float] = {}
        for op in ops:
            if op.kind == "delete":
                place = (op.key, op.expected)
                self._removal[place] = min(op.began, self._removal.get(place, op.began))

    def known(self, time: float) -> int:
        """The newest revision that somebody had been told of by then."""
        return self._told[bisect_right(self._times, time)]

    def states(self, key: str) -> Iterator[tuple[int, int, float]]:
        """The versions of a key (0: absent), each with the revision that ends it and the earliest time of its begin."""
        version, began = 0, float("-inf")
        for event in self.of_key[key]:
            yield version, event.revision, began
            if event.deleted:
                version, began = 0, self._removal.get((key, event.previous), float("-inf"))
            else:
                version, began = event.revision, self._begin.get(event.nonce, float("-inf"))
        yield version, 1 << 62, began

    def possible(self, op: Op) -> set[int]:
        """The versions of its key that a request can have met."""
        floor = self.known(op.began)
        return {version for version, end, began in self.states(op.key) if end > floor and began <= op.ended}

    def at(self, revision: int) -> dict[str, int]:
        """All keys at a revision."""
        state: dict[str, int] = {}
        for event in self.events:
            if event.revision > revision:
                break
            if event.deleted:
                state.pop(event.key, None)
            else:
                state[event.key] = event.revision
        return state


def check(events: Sequence[Event], ops: Sequence[Op], watches: Iterable[Seen] = ()) -> list[str]:
    """What is wrong; nothing when all is well."""
    truth = Truth(events, ops)
    problems = [problem for op in ops for problem in _op(truth, op)]
    problems += _owners(truth, ops)
    return problems + [problem for seen in watches for problem in _watch(truth, seen)]


def _op(truth: Truth, op: Op) -> Iterator[str]:
    if op.outcome == UNKNOWN:
        return
    if op.kind == "list":
        if op.revision < truth.known(op.began):
            yield f"a stale list: {op}"
        if dict(op.found) != truth.at(op.revision):
            yield f"a list that is no snapshot: {op}, but {truth.at(op.revision)}"
        return
    possible = truth.possible(op)
    if op.outcome == MISSING and 0 not in possible:
        yield f"missing, but it existed all the time: {op}"
    elif op.outcome == EXISTS and possible == {0}:
        yield f"already exists, but it did not: {op}"
    elif op.outcome == CONFLICT and possible <= {op.expected}:
        yield f"conflict, but nobody else has written: {op}"
    elif op.kind == "get" and op.outcome == OK and op.revision not in possible:
        yield f"a stale or invented read: {op}, possible {sorted(possible)}"
    elif op.kind in ("create", "update") and op.outcome == OK:
        yield from _write(truth, op)


def _write(truth: Truth, op: Op) -> Iterator[str]:
    event = truth.by_revision.get((op.revision, op.key))
    if event is None or event.deleted or event.nonce != op.nonce:
        yield f"acknowledged, but not found: {op}"
    elif event.previous != op.expected:
        yield f"written over revision {event.previous}: {op}"
    elif op.revision <= truth.known(op.began):
        yield f"written before it was asked for: {op}"


def _owners(truth: Truth, ops: Sequence[Op]) -> Iterator[str]:
    """Every write belongs to one request, which was not told that it had failed."""
    writers = {op.nonce: op for op in ops if op.nonce}
    deleters: dict[tuple[str, int], list[Op]] = defaultdict(list)
    for op in ops:
        if op.kind == "delete" and op.outcome in (OK, UNKNOWN):
            deleters[op.key, op.expected].append(op)
    written: set[str] = set()
    for event in truth.events:
        if event.deleted:
            if not deleters[event.key, event.previous]:
                yield f"removed, but nobody was told so: {event}"
            continue
        writer = writers.get(event.nonce)
        if writer is None or writer.outcome not in (OK, UNKNOWN):
            yield f"written, but its writer was told otherwise: {event} {writer}"
        if event.nonce in written:
            yield f"written twice: {event}"
        written.add(event.nonce)
    removed = {(event.key, event.previous) for event in truth.events if event.deleted}
    for place, found in deleters.items():
        acknowledged = [op for op in found if op.outcome == OK]
        if acknowledged and place not in removed:
            yield f"acknowledged, but not removed: {acknowledged}"
        if len(acknowledged) > 1:
            yield f"removed once, acknowledged {len(acknowledged)} times: {acknowledged}"


def _watch(truth: Truth, seen: Seen) -> Iterator[str]:
    last = seen.events[-1][2] if seen.events else seen.since
    expected = [
        (_type(event), event.key, event.revision) for event in truth.events if seen.since < event.revision <= last
    ]
    if list(seen.events) != expected:
        missing = [event for event in expected if event not in seen.events]
        surplus = [event for event in seen.events if event not in expected]
        yield f"a watch since {seen.since}: {len(seen.events)} events, missing {missing}, too many {surplus}"


def _type(event: Event) -> str:
    if event.deleted:
        return "DELETED"
    return "MODIFIED" if event.previous else "ADDED"
