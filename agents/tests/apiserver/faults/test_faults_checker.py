"""The checker finds what it is for: each way to be wrong, in the smallest history that has it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fault_checker import CONFLICT, EXISTS, MISSING, OK, UNKNOWN, Event, Op, Seen, check

EVENTS = [
    Event(revision=11, key="a", nonce="n1"),
    Event(revision=12, key="a", nonce="n2", previous=11),
    Event(revision=13, key="b", nonce="n3"),
    Event(revision=14, key="a", nonce="n2", deleted=True, previous=12),
]
OPS = [
    Op(kind="create", key="a", nonce="n1", began=1, ended=2, outcome=OK, revision=11),
    Op(kind="update", key="a", nonce="n2", expected=11, began=3, ended=4, outcome=OK, revision=12),
    Op(kind="create", key="b", nonce="n3", began=5, ended=6, outcome=OK, revision=13),
    Op(kind="delete", key="a", expected=12, began=7, ended=8, outcome=OK),
]
WATCH = Seen(11, [("MODIFIED", "a", 12), ("ADDED", "b", 13), ("DELETED", "a", 14)])


def get(began: float, ended: float, revision: int, outcome: str = OK) -> Op:
    return Op(kind="get", key="a", began=began, ended=ended, outcome=outcome, revision=revision)


def test_a_good_history_is_good() -> None:
    more = [
        get(0, 2, 11),
        get(0, 1, 0, MISSING),
        get(3.5, 3.6, 11),
        get(3.5, 3.6, 12),
        get(7, 9, 0, MISSING),
        Op(kind="list", began=9, ended=10, outcome=OK, revision=13, found={"a": 12, "b": 13}),
        Op(kind="create", key="a", nonce="n4", began=3, ended=4, outcome=EXISTS),
        Op(kind="update", key="a", nonce="n5", expected=11, began=3, ended=4, outcome=CONFLICT),
        Op(kind="update", key="a", nonce="n6", expected=11, began=3, ended=4, outcome=UNKNOWN),
    ]
    assert check(EVENTS, [*OPS, *more], [WATCH, Seen(11, WATCH.events[:1])]) == []


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (get(4.5, 4.6, 11), "stale or invented"),
        (get(2.5, 2.9, 12), "stale or invented"),
        (get(4.5, 4.6, 0, MISSING), "missing, but"),
        (get(4.5, 4.6, 15), "stale or invented"),
        (Op(kind="list", began=4.5, ended=5, outcome=OK, revision=11, found={"a": 11}), "stale list"),
        (Op(kind="list", began=4.5, ended=9, outcome=OK, revision=13, found={"a": 12}), "no snapshot"),
        (Op(kind="create", key="c", nonce="n4", began=1, ended=2, outcome=OK, revision=15), "acknowledged, but not"),
        (Op(kind="create", key="c", nonce="n4", began=1, ended=2, outcome=EXISTS), "already exists, but"),
        (Op(kind="update", key="b", nonce="n4", expected=13, began=9, ended=10, outcome=CONFLICT), "conflict, but"),
        (Op(kind="delete", key="b", expected=13, began=9, ended=10, outcome=OK), "not removed"),
        (replace(OPS[3], began=7.5), "acknowledged 2 times"),
    ],
)
def test_a_wrong_answer_is_found(wrong: Op, says: str) -> None:
    assert any(says in problem for problem in check(EVENTS, [*OPS, wrong]))


@pytest.mark.parametrize(
    ("index", "changes", "says"),
    [
        (1, {"outcome": CONFLICT}, "told otherwise"),
        (1, {"expected": 10}, "written over"),
        (2, {"outcome": EXISTS}, "told otherwise"),
        (3, {"outcome": MISSING}, "nobody was told"),
        (2, {"revision": 12}, "not found"),
    ],
)
def test_a_write_that_was_denied_or_lost_is_found(index: int, changes: dict[str, object], says: str) -> None:
    ops = [replace(op, **changes) if number == index else op for number, op in enumerate(OPS)]  # type: ignore[arg-type]
    assert any(says in problem for problem in check(EVENTS, ops))


def test_a_write_done_twice_is_found() -> None:
    assert any("twice" in problem for problem in check([*EVENTS, Event(revision=15, key="a", nonce="n1")], OPS))


@pytest.mark.parametrize("wrong", [WATCH.events[1:], [*WATCH.events[:2], *WATCH.events[1:]], WATCH.events[::-1]])
def test_a_watch_with_a_gap_a_repetition_or_another_order_is_found(wrong: list[tuple[str, str, int]]) -> None:
    assert check(EVENTS, OPS, [Seen(11, wrong)])
