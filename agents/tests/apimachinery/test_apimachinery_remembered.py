"""Rules look once at what they have nothing against, and every time at what they have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tricenter.apimachinery import fielderrors
from tricenter.apimachinery.validation import remembered


class _Rule:
    """Positive numbers only, unless zero is allowed; counts how often it looks."""

    def __init__(self) -> None:
        self.looked = 0

    def __call__(self, obj: dict[str, Any], path: str, *, zero: bool = False) -> Iterator[fielderrors.FieldError]:
        self.looked += 1
        if obj["n"] < 0 or (obj["n"] == 0 and not zero):
            yield fielderrors.invalid(f"{path}.n", obj["n"], "must be greater than 0")


def test_faultless_contents_are_looked_at_once() -> None:
    rule = _Rule()
    for path in ("a", "b"):
        assert not list(remembered.check(rule, {"n": 1}, path))
    assert rule.looked == 1
    assert not list(remembered.check(rule, {"n": 2}, "a"))
    assert rule.looked == 2


def test_faults_are_found_each_time_where_they_are() -> None:
    rule = _Rule()
    assert [[str(error) for error in remembered.check(rule, {"n": 0}, path)] for path in ("a", "b")] == [
        ["a.n: Invalid value: 0: must be greater than 0"],
        ["b.n: Invalid value: 0: must be greater than 0"],
    ]


def test_what_holds_in_one_context_is_not_taken_to_hold_in_another() -> None:
    rule = _Rule()
    assert not list(remembered.check(rule, {"n": 0}, "a", zero=True))
    assert list(remembered.check(rule, {"n": 0}, "a", zero=False))


def test_memory_is_bounded_and_forgetting_harms_nobody() -> None:
    rule = _Rule()
    large = {"n": 1, "text": "x" * 3_000_000}
    assert not list(remembered.check(rule, large, "a"))
    for number in range(2, 5):
        assert not list(remembered.check(rule, {**large, "n": number}, "a"))
    before = rule.looked
    assert not list(remembered.check(rule, large, "a"))
    assert rule.looked == before + 1
