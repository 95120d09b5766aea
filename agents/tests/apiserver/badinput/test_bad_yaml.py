"""YAML bodies: what their scalars mean, what is refused, and nothing that takes long."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tricenter.apiserver.rest import yamltext


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("a", "a"),
        ("'1'", "1"),
        ("! 1", "1"),
        ("!!str 1", "1"),
        ("!!binary YWI=", "ab"),
        ("12", 12),
        ("-1_000", -1000),
        ("0x1F", 31),
        ("-0b11", -3),
        ("010", 8),
        ("0o17", 15),
        ("089", 89),
        ("18446744073709551615", 2**64 - 1),
        ("100000000000000000000", 1e20),
        (".5", 0.5),
        ("1e3", 1000),
        ("3.0", 3),
        ("-2.50", -2.5),
        ("!!float 1", 1),
        ("07777777777777777777777", 7777777777777777777777.0),
        ("-0xFFFFFFFFFFFFFFFF", "-0xFFFFFFFFFFFFFFFF"),
        ("1.2.3", "1.2.3"),
        ("1:30", "1:30"),
        ("2026-01-02", "2026-01-02"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("1e999", "1e999"),
        ("yes", True),
        ("Off", False),
        ("=", "="),
        ("1: x\ntrue: v\n1.5: z", {"1": "x", "true": "v", "1.5": "z"}),
        ("- [a, {b: c}]\n- |\n  text\n", [["a", {"b": "c"}], "text\n"]),
    ],
)
def test_scalars_mean_what_goyaml_makes_of_them(text: str, value: Any) -> None:
    found, repeated = yamltext.load(text)
    assert (found, type(found), repeated) == (value, type(value), [])


@pytest.mark.parametrize(
    "text",
    [
        "!!int x",
        "!!int ''",
        "!!bool x",
        "!!null x",
        "!!float x",
        "!!set {x, y}",
        "!!map x",
        "!!python/name:os.system",
        "!!binary zzz",
        ".inf",
        ".nan",
        "~: 1",
        "[a]: 1",
        "a: &a 1\nb: *a",
        "--- 1\n--- 2",
        "a: \0",
        "[" * 300,
        "- " * 300_000,
        "? " * 300_000,
        "[{a: " * 100_000,
        "%TAG !a! b\n" * 100_000 + "--- 1",
    ],
    ids=lambda text: text[:12],
)
def test_what_json_could_not_say_is_refused_at_once(text: str) -> None:
    began = time.process_time()
    with pytest.raises(yamltext.YamlError):
        yamltext.load(text)
    assert time.process_time() - began < 2


def test_a_tag_that_does_not_fit_is_told_what_is_there() -> None:
    with pytest.raises(yamltext.YamlError, match="cannot decode !!bool `true` as a !!int"):
        yamltext.load("!!int true")


def test_members_that_are_named_twice() -> None:
    assert yamltext.load("a: 1\nb:\n  c: 1\n  c: 2\na: 3") == (
        {"a": 3, "b": {"c": 2}},
        ['line 4: key "c" already set in map', 'line 5: key "a" already set in map'],
    )


def test_numbers_of_any_length_take_no_time() -> None:
    began = time.process_time()
    for text in ("1" + ":1" * 300_000, "9" * 1_000_000, "0x" + "f" * 1_000_000, "1" + ":1" * 300_000 + ".5"):
        yamltext.load(text)
    assert time.process_time() - began < 2


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(-1e6, 1e6) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_what_pyyaml_writes_in_quotes_is_read_back(value: Any) -> None:
    assert yamltext.load(yaml.safe_dump(value, default_style='"'))[0] == value


@given(st.text(alphabet="ab01:-?[]{},&*!|>%'\"# \n.~", max_size=60))
def test_any_text_is_a_value_or_refused(text: str) -> None:
    with contextlib.suppress(yamltext.YamlError):
        yamltext.load(text)
